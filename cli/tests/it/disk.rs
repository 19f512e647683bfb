//! A full disk: `wstp` names it as the cause, and once there is room the same command resumes.

use std::fs::File;
use std::process::Stdio;

use crate::support::{MIB, PATIENCE, Server, names_in, on_record, sample, start_wstp, write, wstp};
use rustix::fs::statvfs;
use tempfile::tempdir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;
use wstp_testkit::{Proxy, Rate};

const SIZE: usize = 16 * MIB;
/// The disk is full before the first record is due.
const RATE: u64 = 20_000_000;

/// Runs in a separate name space. Mounts a small disk, runs the command, says how it ended and shows what is on record.
/// On the signal to continue, it enlarges the disk and runs the command again.
const ON_SMALL_DISK: &str = r#"
    mount -t tmpfs -o size=9100k disk "$1" && kept="$2" && whole="$3" && cd "$1" && shift 3 || exit 99
    "$@"; code=$?
    cp .x.wstp/journal "$kept" && test ! -e x || exit 98
    echo "first $code" && read -r _go_on
    mount -o remount,size=64m . || exit 97
    "$@"; echo "second $?"
    cmp x "$whole" && ls -A
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_with_room_the_same_command_fetches_only_the_rest() {
    let (share, disk, kept) = (tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "x", &sample(SIZE, 1));
    write(kept.path(), ".x.wstp/journal", b"");
    let server = Server::start(share.path()).await;
    let proxy = Proxy::at(server.address(), Rate::Shared(RATE)).await.unwrap();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", ON_SMALL_DISK, "sh"]);
    command.arg(disk.path()).arg(kept.path().join(".x.wstp/journal")).arg(share.path().join("x"));
    // With several connections, one would request blocks that another one owes at the end.
    command.args([env!("CARGO_BIN_EXE_wstp"), "get", &proxy.source("x"), "--connections", "1", "--anyway"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut run = command.spawn().unwrap();
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
    let first = timeout(PATIENCE, lines.next_line()).await.expect("it ends in time").unwrap();
    let (before, kept) = (proxy.passed(), on_record(&kept.path().join("x")));
    run.stdin.take().unwrap().write_all(b"\n").await.unwrap();
    let mut said = Vec::from_iter(first);
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await.expect("it ends in time").unwrap() {
        said.push(line);
    }
    let mut told = String::new();
    run.stderr.take().unwrap().read_to_string(&mut told).await.unwrap();
    assert_eq!(said, ["first 6", "second 0", "x"], "{told}");
    assert!(run.wait().await.unwrap().success(), "{told}");
    assert!(told.contains("No space left") && told.contains("Make room and run the same command again"), "{told}");
    assert!(!told.contains("panicked"), "{told}");
    // The disk has 8.9 MiB. The last run does not fit, and leaves some room for hashes and record.
    assert!(kept > 8 * MIB as u64, "{kept} bytes were on record");
    let sent = proxy.passed() - before;
    assert!(sent < SIZE as u64 - kept + MIB as u64, "{kept} kept, {sent} sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_before_it_begins_unless_it_is_wanted_anyway() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    std::fs::create_dir(share.path().join("folder")).unwrap();
    let disk = statvfs(here.path()).unwrap();
    let too_much = disk.f_blocks * disk.f_frsize;
    for name in ["large", "folder/a", "folder/b"] {
        File::create(share.path().join(name)).unwrap().set_len(too_much).unwrap();
    }
    // Each of the two may fit alone, but the folder does not.
    for name in ["folder/a", "folder/b"] {
        File::options().write(true).open(share.path().join(name)).unwrap().set_len(too_much / 2 + 1).unwrap();
    }
    write(share.path(), "folder/small", &sample(1000, 1));
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    for (path, name) in [("large", "large"), ("folder", "folder")] {
        let ended = wstp(here.path(), &["get", &proxy.source(path)]).await;
        assert_eq!(ended.code, Some(6), "{ended:?}");
        assert!(ended.stderr.contains(&format!("{name} does not fit: it needs ")), "{ended:?}");
        assert!(ended.stderr.contains(" are free on the disk at /") && ended.stderr.contains("--anyway"), "{ended:?}");
        assert!(names_in(here.path()).is_empty(), "{path}");
    }
    assert!(proxy.passed() < 4000, "{} bytes were fetched", proxy.passed());
    let mut run = start_wstp(here.path(), &["get", &proxy.source("large"), "--anyway", "--json"]);
    run.event(|event| event["received"].as_u64().is_some_and(|received| received > 0)).await;
}
