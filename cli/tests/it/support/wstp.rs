//! The binary, killed on drop.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

use super::PATIENCE;
use wstp_testkit::Proxy;

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` if it was killed.
    pub code: Option<i32>,
    /// The rest of its standard output that was not read before.
    pub stdout: String,
    /// The rest of its standard error that was not read before.
    pub stderr: String,
}

/// Runs it in a folder until it ends.
pub async fn wstp(dir: &Path, args: &[&str]) -> Ended {
    Wstp::start(dir, args).end().await
}

/// Runs it until it ends, with this as its standard output, and in place of what it printed nothing.
pub async fn wstp_into(dir: &Path, stdout: impl Into<Stdio>, args: &[&str]) -> Ended {
    let mut command = command(dir, args);
    command.stdout(stdout);
    let run = command.spawn().unwrap().wait_with_output();
    let ended = timeout(PATIENCE, run).await.expect("it ends in time").unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    Ended { code: ended.status.code(), stdout: String::new(), stderr }
}

/// Runs it until it ends, with these certificates as the only ones to trust.
pub async fn wstp_trusting(dir: &Path, certificates: &Path, args: &[&str]) -> Ended {
    let mut command = command(dir, args);
    command.env("SSL_CERT_FILE", certificates).env_remove("SSL_CERT_DIR");
    Wstp::spawn(command).end().await
}

/// Runs it until it ends, with these variables in its environment.
pub async fn wstp_in(dir: &Path, environment: &[(&str, &str)], args: &[&str]) -> Ended {
    let mut command = command(dir, args);
    command.envs(environment.iter().copied());
    Wstp::spawn(command).end().await
}

/// Fetches from sources of which the first, behind `slow`, says what the hash is and then nothing more: the others have
/// to fetch the file.
pub async fn with_a_stalled_first_source(here: &Path, slow: &Proxy, args: &[&str]) -> Ended {
    let mut run = Wstp::start(here, &[&["get", "--json"], args].concat());
    while run.event(|event| event["event"] == "progress").await["verified"] == 0 {
        slow.hold_after(64 * 1024);
    }
    run.end().await
}

/// Runs it until it ends well, and returns its system calls on files, as strace tells them.
pub async fn traced(dir: &Path, args: &[&str]) -> String {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let calls = "trace=write,pwrite64,ftruncate,fdatasync,fsync,syncfs";
    let mut command = command_of("strace", dir);
    command.args(["-f", "-qq", "-y", "-s", "0", "-e", calls, "-o"]).arg(trace.path());
    command.arg(env!("CARGO_BIN_EXE_wstp")).args(args);
    let ended = Wstp::spawn(command).end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    std::fs::read_to_string(trace.path()).unwrap()
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = command_of(env!("CARGO_BIN_EXE_wstp"), dir);
    command.args(args);
    command
}

fn command_of(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir);
    for scheme in ["http", "https", "all", "no"].map(|scheme| format!("{scheme}_proxy")) {
        command.env_remove(&scheme).env_remove(scheme.to_uppercase());
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// A run.
pub struct Wstp {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: Lines<BufReader<ChildStderr>>,
}

impl Wstp {
    /// Starts it in a folder.
    pub fn start(dir: &Path, args: &[&str]) -> Self {
        Self::spawn(command(dir, args))
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines, said }
    }

    /// The next line on the standard error that has these words.
    pub async fn said(&mut self, words: &str) -> String {
        let find = async {
            loop {
                let line = self.said.next_line().await.unwrap().expect("it goes on");
                if line.contains(words) {
                    return line;
                }
            }
        };
        timeout(PATIENCE, find).await.expect("the words come in time")
    }

    /// The next line of JSON for which `wanted` is true.
    pub async fn event(&mut self, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let find = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("it goes on");
                let event = serde_json::from_str(&line).unwrap();
                if wanted(&event) {
                    return event;
                }
            }
        };
        timeout(PATIENCE, find).await.expect("the event comes in time")
    }

    /// Waits until so many bytes of the target are on record; looks whenever it tells how it stands.
    pub async fn recorded(&mut self, target: &Path, bytes: u64) {
        self.event(|event| event["event"] == "progress" && super::on_record(target) >= bytes).await;
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits for the end.
    pub async fn end(self) -> Ended {
        timeout(PATIENCE, self.ended()).await.expect("it ends in time")
    }

    async fn ended(mut self) -> Ended {
        let (stdout, stderr) = tokio::join!(rest(&mut self.lines), rest(&mut self.said));
        Ended { code: self.child.wait().await.unwrap().code(), stdout, stderr }
    }
}

async fn rest(lines: &mut Lines<BufReader<impl AsyncRead + Unpin>>) -> String {
    let mut text = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

impl Ended {
    /// The lines of JSON of one kind.
    pub fn events(&self, kind: &str) -> Vec<serde_json::Value> {
        let events = self.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        events.filter(|event| event["event"] == kind).collect()
    }
}
