//! The user's view at a terminal: a bar during the download, and no trace of it in the end.

use std::process::Stdio;

use crate::support::{MIB, PATIENCE, Server, names_in, sample, write};
use tempfile::tempdir;
use tokio::process::Command;
use tokio::time::timeout;
use wstp_testkit::{Proxy, Rate};

/// To the beginning of the line, and the line is empty.
const CLEARED: &str = "\r\u{1b}[2K";

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_a_bar_shows_name_bytes_and_speed_and_is_gone_in_the_end() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "film.mkv", &sample(6 * MIB, 1));
    let server = Server::start(share.path()).await;
    let proxy = Proxy::at(server.address(), Rate::Shared(4_000_000)).await.unwrap();
    // Its standard streams are a pseudo terminal. Its output there comes out here.
    let mut command = Command::new("script");
    let run = format!("stty cols 100 && exec '{}' get {}", env!("CARGO_BIN_EXE_wstp"), proxy.source("film.mkv"));
    command.args(["--quiet", "--return", "--command", &run, "/dev/null"]).env("TERM", "xterm").env("SHELL", "/bin/sh");
    command.current_dir(here.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.expect("it ends in time").unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown:?}");
    assert_eq!(names_in(here.path()), ["film.mkv"]);
    // Each time the line is drawn, it is cleared before.
    let (bars, end) = shown.rsplit_once(CLEARED).unwrap();
    let bars: Vec<_> = bars.split(CLEARED).collect();
    assert!(bars.iter().all(|bar| bar.starts_with("film.mkv [") && !bar.contains('\n')), "{shown:?}");
    let tells = |bar: &&&str| bar.contains("=>") && bar.contains(" MB/6.29 MB  ") && bar.contains(" MB/s, ");
    let telling: Vec<_> = bars.iter().filter(tells).collect();
    assert!(telling.first() != telling.last(), "the bar moves: {shown:?}");
    assert!(end.starts_with("saved film.mkv (6.29 MB, blake3 ") && end.ends_with(")\r\n"), "{shown:?}");
    assert_eq!(end.lines().count(), 1, "{shown:?}");
}
