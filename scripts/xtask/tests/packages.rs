//! `install_packages` of `scripts/steps.sh` with the system's own apt, which keeps its locks, lists and list of
//! packages in the test's folder.

#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::fs::{FlockOperation, fcntl_lock};
use tempfile::{TempDir, tempdir};

/// Every Debian has it, so that apt finds nothing to do.
const INSTALLED: &str = "dpkg";

struct Apt {
    folder: TempDir,
}

impl Apt {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        let path = folder.path();
        for part in ["state/lists/partial", "cache/archives/partial", "etc", "log", "dpkg", "packages"] {
            fs::create_dir_all(path.join(part)).unwrap();
        }
        // Without a source, apt would not lock its lists.
        fs::write(path.join("packages/Packages"), "").unwrap();
        let source = format!("deb [trusted=yes] file:{} ./\n", path.join("packages").display());
        fs::write(path.join("etc/sources.list"), source).unwrap();
        fs::copy("/var/lib/dpkg/status", path.join("dpkg/status")).unwrap();
        let at = |part: &str| path.join(part).display().to_string();
        let settings = format!(
            "Dir::State \"{}\"; Dir::State::status \"{}\"; Dir::Cache \"{}\"; Dir::Etc \"{}\"; Dir::Log \"{}\"; APT::Sandbox::User \"root\";\n",
            at("state"),
            at("dpkg/status"),
            at("cache"),
            at("etc"),
            at("log"),
        );
        fs::write(path.join("apt.conf"), settings).unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Holds one of apt's locks, as another program that uses apt does, until it is dropped.
    fn hold(&self, lock: &str) -> File {
        let file = File::create(self.path().join(lock)).unwrap();
        fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
        file
    }

    fn install(&self, package: &str, patience_seconds: u32) -> Child {
        let steps = concat!(env!("CARGO_MANIFEST_DIR"), "/../steps.sh");
        Command::new("unshare")
            .args(["--user", "--map-root-user", "bash", "-c", r#"set -eu; . "$0"; install_packages "$@""#])
            .args([steps, "the test wants it", package])
            .env("APT_CONFIG", self.path().join("apt.conf"))
            .env("XDG_CACHE_HOME", self.path().join("home"))
            .env("WSTP_APT_WAIT", patience_seconds.to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

/// The rest of the command's output, and whether the command succeeded.
fn end(mut child: Child, mut said: impl Read) -> (String, bool) {
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    (rest, child.wait().unwrap().success())
}

#[test]
fn a_package_is_installed_once_the_other_program_is_done_with_apt() {
    let apt = Apt::new();
    for lock in ["state/lists/lock", "dpkg/lock-frontend"] {
        let held = apt.hold(lock);
        let mut child = apt.install(INSTALLED, 600);
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut lines = [String::new(), String::new()];
        for line in &mut lines {
            said.read_line(line).unwrap();
        }
        assert_eq!(lines[0], format!("setup: the test wants it: installing {INSTALLED} (Debian packages)\n"), "{lock}");
        assert!(
            lines[1].contains(&format!("(process {}) uses apt: waiting for it", std::process::id())),
            "{lock}: {lines:?}"
        );
        drop(held);
        assert_eq!(end(child, said), (String::new(), true), "{lock}: apt's chatter goes to the log");
    }
}

#[test]
fn waiting_for_apt_has_an_end_and_says_who_is_in_the_way() {
    let apt = Apt::new();
    let _held = apt.hold("dpkg/lock-frontend");
    let mut child = apt.install(INSTALLED, 0);
    let said = child.stderr.take().unwrap();
    let (said, succeeded) = end(child, said);
    assert!(!succeeded);
    assert!(said.contains(&format!("(process {}) still uses apt after 0 s", std::process::id())), "{said}");
    assert!(said.contains("nothing was installed. Run this again when it is done."), "{said}");
}

#[test]
fn a_failure_of_apt_shows_what_apt_said_and_where_the_rest_is() {
    let apt = Apt::new();
    let mut child = apt.install("wstp-no-such-package", 600);
    let said = child.stderr.take().unwrap();
    let (said, succeeded) = end(child, said);
    assert!(!succeeded);
    assert!(said.contains("Unable to locate package wstp-no-such-package"), "{said}");
    let log = apt.path().join("home/wstp/setup.log");
    assert!(said.contains(&log.display().to_string()), "{said}");
    assert!(fs::read_to_string(log).unwrap().contains("Unable to locate package wstp-no-such-package"));
}
