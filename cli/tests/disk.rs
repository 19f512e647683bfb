//! A disk that is full: it is told as what it is, and once there is room the same command goes on.

#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod support;

use std::process::Stdio;

use support::{Link, MIB, PATIENCE, Proxy, Server, on_record, sample, write};
use tempfile::tempdir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

const SIZE: usize = 16 * MIB;
/// The disk is full before the first record is due.
const RATE: u32 = 20_000_000;

/// In a name space of its own: mounts a small disk, runs the command, says how it ended and shows what is on record. When told to go on, it makes
/// the disk larger and runs the command again.
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
    let proxy = Proxy::over(server.address(), Link::Shared(RATE)).await;
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", ON_SMALL_DISK, "sh"]);
    command.arg(disk.path()).arg(kept.path().join(".x.wstp/journal")).arg(share.path().join("x"));
    // Of several connections, one would be asked in the end for what another one owes.
    command.args([env!("CARGO_BIN_EXE_wstp"), "get", &proxy.source("x"), "--connections", "1"]);
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
    // The disk has 8.9 MiB, of which the last run gets no place and leaves some to hashes and record.
    assert!(kept > 8 * MIB as u64, "{kept} bytes were on record");
    let sent = proxy.passed() - before;
    assert!(sent < SIZE as u64 - kept + MIB as u64, "{kept} kept, {sent} sent");
}
