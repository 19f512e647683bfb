//! What a person sees at a terminal: a bar while it comes, and nothing of it in the end.

#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod support;

use std::process::Stdio;

use support::{Link, MIB, PATIENCE, Proxy, Server, names_in, sample, write};
use tempfile::tempdir;
use tokio::process::Command;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_a_bar_shows_name_bytes_and_speed_and_is_gone_in_the_end() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "film.mkv", &sample(6 * MIB, 1));
    let server = Server::start(share.path()).await;
    let proxy = Proxy::over(server.address(), Link::Shared(4_000_000)).await;
    // Its standard streams are a pseudo terminal; what is written there comes out here.
    let mut command = Command::new("script");
    let run = format!("stty cols 100 && exec '{}' get {}", env!("CARGO_BIN_EXE_wstp"), proxy.source("film.mkv"));
    command.args(["--quiet", "--return", "--command", &run, "/dev/null"]).env("TERM", "xterm").env("SHELL", "/bin/sh");
    command.current_dir(here.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.expect("it ends in time").unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    println!("{shown:?}");
    assert_eq!(output.status.code(), Some(0), "{shown:?}");
    assert_eq!(names_in(here.path()), ["film.mkv"]);
    let bars: Vec<_> = shown.split('\r').filter(|line| line.contains("film.mkv [")).collect();
    let is_whole = |bar: &&&str| bar.contains("=>") && bar.contains("/6.29 MB") && bar.contains("B/s");
    assert!(bars.iter().filter(is_whole).count() >= 2, "{bars:?}");
    let (_, last) = shown.rsplit_once("film.mkv [").unwrap();
    println!("{last:?}");
}
