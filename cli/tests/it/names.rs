//! Names: a faithful copy wherever the disk accepts them, and a clear message otherwise.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::support::{MIB, PATIENCE, Server, names_in, on_record, sample, start_wstp, write, wstp};
use tempfile::tempdir;
use tokio::process::Command;
use tokio::time::timeout;
use wstp_testkit::Proxy;

/// Names with a meaning on another system, but not on this one.
const ODD: [&str; 14] = [
    "..\\up",
    "C:x",
    "Makefile",
    "NUL",
    "\u{1b}[2J",
    "a:",
    "a?",
    "back\\slash",
    "dot",
    "dot.",
    "e\u{301}",
    "makefile",
    "new\nline",
    "é",
];

#[tokio::test(flavor = "multi_thread")]
async fn names_arrive_as_they_are() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let long = "x".repeat(255);
    for name in ODD.into_iter().chain([&*long]) {
        write(share.path(), &format!("top/{name}"), name.as_bytes());
    }
    write(share.path(), "top/q?/q?x.bin", &sample(MIB, 1));
    let server = Server::start(share.path()).await;
    for already in [false, true] {
        let ended = wstp(here.path(), &["get", &server.source("top"), "--json"]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(ended.events("renamed"), [0; 0], "{ended:?}");
        assert_eq!(ended.events("saved").iter().filter(|saved| saved["already"] == already).count(), ODD.len() + 2);
        let mut expected = [&ODD[..], &[&*long, "q?"]].concat();
        expected.sort_unstable();
        assert_eq!(names_in(&here.path().join("top")), expected);
        for name in ODD {
            assert_eq!(fs::read(here.path().join("top").join(name)).unwrap(), name.as_bytes(), "{name:?}");
        }
        assert!(fs::read(here.path().join("top/q?/q?x.bin")).unwrap() == sample(MIB, 1));
    }
    let ended = wstp(here.path(), &["get", &server.source("top/\u{1b}[2J"), "-o", "again"]).await;
    assert!(ended.code == Some(0) && !ended.stderr.contains('\u{1b}'), "{ended:?}");
    let alone = tempdir().unwrap();
    for name in ["a?", "dot.", &long] {
        assert_eq!(wstp(alone.path(), &["get", &server.source(&format!("top/{name}"))]).await.code, Some(0));
    }
    assert_eq!(names_in(alone.path()), ["a?", "dot.", &long]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wstps_own_folders_are_nobody_elses() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let names = ["top/.wstp/journal", "top/.x.wstp/journal", "top/_.x.wstp", "top/x"];
    for (name, seed) in names.into_iter().zip(1..) {
        write(share.path(), name, &sample(200_000, seed));
    }
    let server = Server::start(share.path()).await;
    for _ in 0..2 {
        let ended = wstp(here.path(), &["get", &server.source("top"), "--json"]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let renamed = ended.events("renamed");
        let of = |renamed: &'_ serde_json::Value, member: &str| renamed[member].as_str().unwrap().to_owned();
        let files: Vec<_> = renamed.iter().map(|renamed| (of(renamed, "path"), of(renamed, "file"))).collect();
        let expected =
            [("top/.wstp", "top/_.wstp"), ("top/.x.wstp", "top/_.x.wstp"), ("top/_.x.wstp", "top/_.x (2).wstp")];
        let expected = expected.map(|(path, file)| (path.to_owned(), file.to_owned()));
        assert_eq!(files, expected, "{ended:?}");
        assert_eq!(names_in(&here.path().join("top")), ["_.wstp", "_.x (2).wstp", "_.x.wstp", "x"]);
        assert!(fs::read(here.path().join("top/_.x.wstp/journal")).unwrap() == sample(200_000, 2));
        assert!(fs::read(here.path().join("top/_.x (2).wstp")).unwrap() == sample(200_000, 3));
    }
    let ended = wstp(here.path(), &["get", &server.source("top/.x.wstp/journal"), "-o", ".x.wstp"]).await;
    assert_eq!(ended.code, Some(0), "a person may: {ended:?}");
    let ended = wstp(here.path(), &["get", &server.source("top/.wstp")]).await;
    assert!(ended.code == Some(0) && ended.stderr.contains(".wstp is here as _.wstp, for wstp uses"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_name_leaves_room_for_what_is_put_around_it() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(4 * MIB, 1);
    write(share.path(), "x", &bytes);
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    for length in [245, 252, 255] {
        let name = "n".repeat(length);
        let args = ["get", &proxy.source("x"), "-o", &name, "--json"];
        proxy.hold_after(2 * MIB as u64);
        let run = start_wstp(here.path(), &args);
        proxy.held().await.unwrap();
        run.signal(rustix::process::Signal::INT);
        let ended = run.end().await;
        assert_eq!(ended.code, Some(130), "{ended:?}");
        proxy.release();
        let before = proxy.passed();
        let ended = wstp(here.path(), &args).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(proxy.passed() - before < 4 * MIB as u64, "{length}: it begins anew");
        assert!(fs::read(here.path().join(&name)).unwrap() == bytes);
    }
    assert_eq!(names_in(here.path()).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_build_kept_of_a_long_name_is_resumed() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "x", &sample(8 * MIB, 1));
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let short = here.path().join("x");
    proxy.hold_after(6 * MIB as u64);
    let mut run = start_wstp(here.path(), &["get", &proxy.source("x"), "--json"]);
    run.recorded(&short, 2 * MIB as u64).await;
    run.signal(rustix::process::Signal::KILL);
    run.end().await;
    let kept = on_record(&short);
    let long = "n".repeat(200);
    fs::rename(here.path().join(".x.wstp"), here.path().join(format!(".{long}.wstp"))).unwrap();
    proxy.release();
    let before = proxy.passed();
    let ended = wstp(here.path(), &["get", &proxy.source("x"), "-o", &long]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // The second run reads back the last commit of the bytes on record. Hashes come on top.
    assert!(proxy.passed() - before < 8 * MIB as u64 + MIB as u64 / 2 - kept / 2, "it begins anew");
    assert_eq!(names_in(here.path()), [long]);
}

/// Runs in a separate name space. Makes a disk like those of Windows, which takes names that differ in case for one.
/// Runs the command in it three times, with the server's file changed before the third. Copies the files that are
/// there.
const ON_WINDOWS_DISK: &str = r#"
    image="$1" disk="$2" copy="$3" changes="$4" && shift 4 || exit 99
    truncate -s 48M "$image" && mkntfs -F -Q -q "$image" >/dev/null 2>&1 || { echo "ntfs-3g is missing: scripts/setup" >&2; exit 98; }
    lowntfs-3g -o ignore_case,windows_names "$image" "$disk" && cd "$disk" || exit 97
    "$@" > "$copy.1"; echo "first $?"
    "$@" > "$copy.2"; echo "second $?"
    printf changed > "$changes"
    "$@" --update > "$copy.3"; echo "third $?"
    cp -r top "$copy" && find . -name '.*wstp*'; cd / && umount "$disk"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn names_that_a_disk_takes_for_one_are_kept_apart() {
    let (share, disk, beside) = (tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap());
    let small = ["Makefile", "makefile", "mAKEFILE", "a/x", "A/x", "A/y", "É", "é", "q?x", "q_x", "dot.", "nul.txt"];
    let files: Vec<_> = small.into_iter().map(|name| (name, name.as_bytes().to_vec())).collect();
    let large = [("Big.bin", sample(300_000, 1)), ("big.bin", sample(300_000, 2)), ("BIG.bin", sample(300_000, 3))];
    let files: BTreeMap<_, _> = files.into_iter().chain(large).collect();
    for (name, bytes) in &files {
        write(share.path(), &format!("top/{name}"), bytes);
    }
    let server = Server::start(share.path()).await;
    let copy = beside.path().join("copy");
    // The driver gives up rights that root lacks in a user name space.
    let is_root = rustix::process::geteuid().is_root();
    let mut command = Command::new(if is_root { "env" } else { "sudo" });
    command.args(if is_root { &[][..] } else { &["--non-interactive"] });
    command.args(["unshare", "--mount", "sh", "-c", ON_WINDOWS_DISK, "sh"]);
    command.arg(beside.path().join("image")).args([disk.path(), &copy, &share.path().join("top/makefile")]);
    command.args([env!("CARGO_BIN_EXE_wstp"), "get", &server.source("top"), "--json"]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let ended = timeout(PATIENCE, command.output()).await.expect("it ends in time").unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(said, "first 0\nsecond 0\nthird 0\n", "{ended:?}");
    for run in 1..=3 {
        let events = fs::read_to_string(copy.with_extension(run.to_string())).unwrap();
        let events: Vec<serde_json::Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |kind: &'static str| events.iter().filter(move |event| event["event"] == kind);
        assert_eq!(of("summary").next().unwrap()["files"], files.len(), "{run}");
        assert_eq!(
            of("saved").filter(|saved| saved["already"] == (run > 1)).count(),
            files.len() - usize::from(run == 3)
        );
        let renamed: BTreeMap<_, _> = of("renamed")
            .map(|event| (event["path"].as_str().unwrap().to_owned(), event["file"].as_str().unwrap().to_owned()))
            .collect();
        assert_eq!(renamed.keys().map(|path| &path[4..]).collect::<Vec<_>>(), RENAMED, "{run}");
        check_copy(&copy, &files, &renamed);
    }
}

/// The first of several in the server's order, which is that of their bytes, has its name. `q_x` comes after `q?x`,
/// which this disk refuses.
const RENAMED: [&str; 10] = ["Big.bin", "a", "big.bin", "dot.", "mAKEFILE", "makefile", "nul.txt", "q?x", "q_x", "é"];

/// Each file of the server is there under its reported name, with its own bytes. The disk shows its names in small
/// letters.
fn check_copy(copy: &Path, files: &BTreeMap<&str, Vec<u8>>, renamed: &BTreeMap<String, String>) {
    let mut seen = BTreeMap::new();
    for (name, bytes) in files {
        let path = format!("top/{name}");
        let around = path.rsplit_once('/').map_or("", |(around, _)| around);
        let local = match (renamed.get(&path), renamed.get(around)) {
            (Some(local), _) => local.clone(),
            (None, Some(local)) => path.replacen(around, local, 1),
            (None, None) => path.clone(),
        };
        let shown = copy.join(local.strip_prefix("top/").unwrap().to_lowercase());
        let expected = if *name == "makefile" { b"changed" } else { &**bytes };
        assert!(fs::read(&shown).unwrap() == expected, "{name} is not in {}", shown.display());
        assert_eq!(seen.insert(shown, name), None, "{name}");
    }
}
