//! The client `wstp` as a process.
//!
//! The methods panic where a test has to fail: when the program says something else, or nothing in time.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{ChildStderr, ChildStdout, Command};
use tokio::time::timeout;
use wstp_engine::journal;
use wstp_protocol::BLOCK_SIZE;

use crate::{Child, LONG};

/// A run of `wstp`. It ends when this is dropped.
#[derive(Debug)]
pub struct Wstp {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: Lines<BufReader<ChildStderr>>,
}

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

impl Wstp {
    /// The command that runs a program in a folder. No proxy of the tester's environment applies.
    pub fn command(program: impl AsRef<OsStr>, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(dir);
        for scheme in ["http", "https", "all", "no"].map(|scheme| format!("{scheme}_proxy")) {
            command.env_remove(&scheme).env_remove(scheme.to_uppercase());
        }
        command
    }

    /// Starts a [command](Self::command). Its output comes here.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = Child::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped())).expect("wstp starts");
        let lines = BufReader::new(child.stdout().expect("it is piped")).lines();
        let said = BufReader::new(child.stderr().expect("it is piped")).lines();
        Self { child, lines, said }
    }

    /// The next line on the standard error that has these words.
    pub async fn said(&mut self, words: &str) -> String {
        let find = async {
            loop {
                let line = next(&mut self.said).await.expect("it goes on");
                if line.contains(words) {
                    return line;
                }
            }
        };
        timeout(LONG, find).await.expect("the words come in time")
    }

    /// The next line of JSON for which `wanted` is true.
    pub async fn event(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let find = async {
            loop {
                let event = parsed(&next(&mut self.lines).await.expect("it goes on"));
                if wanted(&event) {
                    return event;
                }
            }
        };
        timeout(LONG, find).await.expect("the event comes in time")
    }

    /// Waits until so many bytes of the target are on record; looks whenever it tells how it stands.
    pub async fn recorded(&mut self, target: &Path, bytes: u64) {
        self.event(|event| event["event"] == "progress" && on_record(target) >= bytes).await;
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
        rustix::process::kill_process(id.expect("it runs"), signal).expect("it is ours");
    }

    /// Waits for the end.
    pub async fn end(self) -> Ended {
        timeout(LONG, self.ended()).await.expect("it ends in time")
    }

    async fn ended(mut self) -> Ended {
        let (stdout, stderr) = tokio::join!(rest(&mut self.lines), rest(&mut self.said));
        Ended { code: self.child.ended().await.expect("it ends").code(), stdout, stderr }
    }
}

impl Ended {
    /// The lines of JSON of one kind.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        self.stdout.lines().map(parsed).filter(|event| event["event"] == kind).collect()
    }
}

/// Bytes of a target that are on record in its partial folder, the last block counted as a whole one.
pub fn on_record(target: &Path) -> u64 {
    let name = target.file_name().expect("a target has a name").to_string_lossy();
    let partial = target.with_file_name(format!(".{name}.wstp"));
    let [first, second] = journal::FILES.map(|file| std::fs::read(partial.join(file)).unwrap_or_default());
    let (recovered, _) = journal::replay([&first, &second]);
    (recovered.verified().len() + recovered.received().len()) * BLOCK_SIZE
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?} is no JSON: {error}"))
}

async fn next(lines: &mut Lines<BufReader<impl AsyncRead + Unpin>>) -> Option<String> {
    lines.next_line().await.expect("its output can be read")
}

async fn rest(lines: &mut Lines<BufReader<impl AsyncRead + Unpin>>) -> String {
    let mut text = String::new();
    while let Some(line) = next(lines).await {
        text.push_str(&line);
        text.push('\n');
    }
    text
}
