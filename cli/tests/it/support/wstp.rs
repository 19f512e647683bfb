//! The binary under test.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;
use wstp_testkit::{Ended, Proxy, Wstp};

use super::PATIENCE;

/// Starts it in a folder.
pub fn start_wstp(dir: &Path, args: &[&str]) -> Wstp {
    Wstp::spawn(&mut command(dir, args))
}

/// Runs it in a folder until it ends.
pub async fn wstp(dir: &Path, args: &[&str]) -> Ended {
    start_wstp(dir, args).end().await
}

/// Runs it until it ends, with this as its standard output, and in place of what it printed nothing.
pub async fn wstp_into(dir: &Path, stdout: impl Into<Stdio>, args: &[&str]) -> Ended {
    let mut command = command(dir, args);
    command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).kill_on_drop(true);
    let run = command.spawn().unwrap().wait_with_output();
    let ended = timeout(PATIENCE, run).await.expect("it ends in time").unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    Ended { code: ended.status.code(), stdout: String::new(), stderr }
}

/// Runs it until it ends, with these certificates as the only ones to trust.
pub async fn wstp_trusting(dir: &Path, certificates: &Path, args: &[&str]) -> Ended {
    let mut command = command(dir, args);
    command.env("SSL_CERT_FILE", certificates).env_remove("SSL_CERT_DIR");
    Wstp::spawn(&mut command).end().await
}

/// Runs it until it ends, with these variables in its environment.
pub async fn wstp_in(dir: &Path, environment: &[(&str, &str)], args: &[&str]) -> Ended {
    let mut command = command(dir, args);
    command.envs(environment.iter().copied());
    Wstp::spawn(&mut command).end().await
}

/// Fetches from sources of which the first, behind `slow`, says what the hash is and then nothing more: the others have
/// to fetch the file.
pub async fn with_a_stalled_first_source(here: &Path, slow: &Proxy, args: &[&str]) -> Ended {
    let mut run = start_wstp(here, &[&["get", "--json"], args].concat());
    while run.event(|event| event["event"] == "progress").await["verified"] == 0 {
        slow.hold_after(64 * 1024);
    }
    run.end().await
}

/// Runs it until it ends well, and returns its system calls on files, as strace tells them.
pub async fn traced(dir: &Path, args: &[&str]) -> String {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let calls = "trace=write,pwrite64,ftruncate,fdatasync,fsync,syncfs";
    let mut command = Wstp::command("strace", dir);
    command.args(["-f", "-qq", "-y", "-s", "0", "-e", calls, "-o"]).arg(trace.path());
    command.arg(env!("CARGO_BIN_EXE_wstp")).args(args);
    let ended = Wstp::spawn(&mut command).end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    std::fs::read_to_string(trace.path()).unwrap()
}

/// The command that runs it in a folder.
pub fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Wstp::command(env!("CARGO_BIN_EXE_wstp"), dir);
    command.args(args);
    command
}
