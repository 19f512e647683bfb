//! The shared folder itself: removed, made anew, swapped, unmounted and mounted.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Client, Folder, Options, Server, plain, sample};
use wstp_protocol::{BLOCK_SIZE, ErrorCode};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);
const SIZE: usize = 4 * BLOCK_SIZE as usize;

async fn names(client: &mut Client) -> Vec<String> {
    client.list("").await.unwrap().into_iter().map(|entry| entry.name).collect()
}

/// Asserts that the server tells clients that the shared folder is not there.
async fn assert_gone(server: &Server, client: &mut Client) {
    for failure in [client.list("").await.unwrap_err(), client.open_file("file").await.unwrap_err()] {
        assert_eq!(failure.code, ErrorCode::ShareGone);
        assert!(failure.text.contains("shared folder is not there") && failure.retry_after_ms.is_some(), "{failure:?}");
    }
    assert_eq!(client.stat("").await.unwrap_err().code, ErrorCode::ShareGone);
    for target in ["/files/", "/files/file"] {
        let reply = plain::request(server.address(), "GET", target, &[]).await;
        assert_eq!(reply.status, 503, "{target}");
        assert!(reply.text().contains("shared folder is not there"), "{}", reply.text());
    }
}

#[tokio::test]
async fn a_folder_that_was_removed_is_told_and_one_made_anew_is_served() {
    let outer = Folder::new();
    outer.file("share/file", b"first");
    let (share, log) = (outer.path().join("share"), outer.path().join("log"));
    let server = Server::start_with(&share, Options { log: Some(&log), ..Options::default() }).await;
    let mut client = server.connect().await;
    assert_eq!(names(&mut client).await, ["file"]);
    let opened = client.open_file("file").await.unwrap();

    std::fs::remove_dir_all(&share).unwrap();
    assert_gone(&server, &mut client).await;
    assert_eq!(client.blocks(opened.handle, 0, 1).await.unwrap_err().code, ErrorCode::Changed);
    outer.file("share", b"a file now");
    assert_gone(&server, &mut client).await;

    std::fs::remove_file(&share).unwrap();
    outer.file("share/file", b"second");
    outer.file("share/new", b"");
    assert_eq!(names(&mut client).await, ["file", "new"]);
    assert_eq!(client.fetch("file").await, b"second");
    let lines = std::fs::read_to_string(log).unwrap();
    let count = |words: &str| lines.lines().filter(|line| line.contains(words)).count();
    assert_eq!((count("folder is gone"), count("another one now") + count("folder is back")), (1, 1), "{lines}");
}

#[tokio::test]
async fn a_link_to_the_shared_folder_may_be_swapped() {
    let outer = Folder::new();
    let [old, new] = [1, 2].map(|salt| sample(SIZE + salt)[salt..].to_vec());
    for (version, bytes) in [("v1", &old), ("v2", &new)] {
        outer.file(&format!("{version}/file"), bytes);
        for number in 0..3 {
            outer.file(&format!("{version}/of {version} {number}"), b"");
        }
    }
    let current = outer.path().join("current");
    let point_to = |version: &str| {
        symlink(version, outer.path().join("next")).unwrap();
        std::fs::rename(outer.path().join("next"), &current).unwrap();
    };
    point_to("v1");
    let server = Server::start(&current).await;
    let mut client = server.connect().await;
    let opened = client.open_file("file").await.unwrap();
    assert!(client.blocks(opened.handle, 0, 1).await.unwrap() == old[..8192]);
    let page = client.list_page("", None, 2).await.unwrap();

    point_to("v2");
    assert!(client.fetch("file").await == new);
    let rest = client.list_page("", page.next, 10).await.unwrap().entries;
    let rest: Vec<_> = rest.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(rest, ["of v2 0", "of v2 1", "of v2 2"], "what was kept of the old listing is used no more");
    let failure = loop {
        match client.blocks(opened.handle, 1, 1).await {
            Ok(block) => assert!(block == old[8192..16384], "bytes of two versions"),
            Err(failure) => break failure,
        }
    };
    assert_eq!(failure.code, ErrorCode::Changed);
}

/// A server in a mount namespace of its own. It shares another file system under the name of `mount`, and was started
/// in it.
async fn server_on_own_disk(mount: &Path) -> Server {
    const START: &str = "mount -t tmpfs none \"$1\" && echo first >\"$1/file\" && cd \"$1\" && shift && exec \"$@\"";
    let mut wrapper = vec!["unshare", "--mount"];
    if !rustix::process::geteuid().is_root() {
        wrapper.extend(["--user", "--map-root-user"]);
    }
    wrapper.extend(["sh", "-c", START, "sh", mount.to_str().unwrap()]);
    Server::start_with(Path::new("."), Options { wrapper: &wrapper, ..Options::default() }).await
}

/// Runs a command in the server's namespace.
fn beside(server: &Server, command: &[&str]) -> bool {
    let mut enter = Command::new("nsenter");
    enter.args(["--target", &server.pid().to_string(), "--mount"]);
    if !rustix::process::geteuid().is_root() {
        enter.args(["--user", "--preserve-credentials"]);
    }
    enter.args(command).stderr(Stdio::null()).status().unwrap().success()
}

#[tokio::test]
async fn an_idle_server_does_not_keep_a_disk_mounted_and_serves_the_next_one() {
    let outer = Folder::new();
    let mount: PathBuf = outer.path().join("disk");
    std::fs::create_dir(&mount).unwrap();
    let server = server_on_own_disk(&mount).await;
    let mount = mount.to_str().unwrap();
    let mut client = server.connect().await;
    assert_eq!(names(&mut client).await, ["file"]);
    let opened = client.open_file("file").await.unwrap();
    assert_eq!(client.blocks(opened.handle, 0, 1).await.unwrap(), b"first\n"[..]);
    client.root(&opened).await;
    assert_eq!(plain::request(server.address(), "GET", "/files/file", &[]).await.text(), "first\n");

    // The client stays, and so does its handle.
    let began = Instant::now();
    while !beside(&server, &["umount", mount]) {
        assert!(began.elapsed() < PATIENCE, "the server keeps the disk mounted");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_gone(&server, &mut client).await;
    assert_eq!(client.blocks(opened.handle, 0, 1).await.unwrap_err().code, ErrorCode::ShareGone);

    assert!(beside(&server, &["mount", "-t", "tmpfs", "none", mount]));
    assert!(names(&mut client).await.is_empty(), "an empty disk is no lost one");
    assert!(beside(&server, &["sh", "-c", "echo second >\"$0/file\"", mount]));
    assert_eq!(client.blocks(opened.handle, 0, 1).await.unwrap_err().code, ErrorCode::Changed);
    assert_eq!(client.fetch("file").await, b"second\n");
}

#[tokio::test]
async fn a_disk_that_is_mounted_after_the_start_is_served() {
    let outer = Folder::new();
    let mount = outer.path().join("disk");
    std::fs::create_dir(&mount).unwrap();
    let mut wrapper = vec!["unshare", "--mount"];
    if !rustix::process::geteuid().is_root() {
        wrapper.extend(["--user", "--map-root-user"]);
    }
    let server = Server::start_with(&mount, Options { wrapper: &wrapper, ..Options::default() }).await;
    let mut client = server.connect().await;
    assert!(names(&mut client).await.is_empty());
    let mount = mount.to_str().unwrap();
    assert!(beside(&server, &["mount", "-t", "tmpfs", "none", mount]));
    assert!(beside(&server, &["touch", &format!("{mount}/film")]));
    assert_eq!(names(&mut client).await, ["film"]);
}
