//! Reports for programs: objects of JSON, one a line.

use serde::Serialize;
use wstp_engine::{SourceProgress, Standing};

use crate::exit::Failure;
use crate::place::Place;
use crate::words::source_problem;

/// A line of JSON; `docs/cli.md` describes them for users.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// The state of a file.
    Progress {
        /// The local path.
        file: &'a str,
        /// `starting`, `downloading`, `checking`, `verifying`, `waiting`, `paused`, `complete`, `failed`.
        state: &'a str,
        /// Bytes, once known.
        size: Option<u64>,
        /// Bytes verified.
        verified: u64,
        /// Bytes that are here and not verified yet.
        received: u64,
        /// The part of them that an earlier run stored and that was not read back yet.
        unchecked: u64,
        /// Bytes that an earlier run verified and that this run found wrong.
        damaged: u64,
        /// Bytes a second.
        rate: f64,
        /// Seconds left at that rate.
        seconds_left: Option<f64>,
        /// Seconds until the next try, while waiting.
        retry_seconds: Option<f64>,
        /// The last problem.
        problem: Option<&'a str>,
        /// Each source.
        sources: Vec<SourceView>,
    },
    /// The state of a folder. It leaves out unfinished files with their own reports.
    Folder {
        /// `starting`, `downloading`, `checking`, `waiting`, `paused`, `complete`, `failed`.
        state: &'a str,
        /// Whether everything in it is listed, so that `files` and `bytes` are final.
        listed: bool,
        /// Files in it.
        files: u32,
        /// Bytes in them.
        bytes: u64,
        /// Files that are here.
        files_done: u32,
        /// Bytes in them.
        bytes_done: u64,
        /// The part of them that an earlier run stored and that was not read back yet.
        bytes_unchecked: u64,
        /// Files that failed.
        files_failed: u32,
        /// Bytes a second.
        rate: f64,
        /// Seconds until the next try, while waiting.
        retry_seconds: Option<f64>,
    },
    /// No source can be reached before anything began.
    Waiting {
        /// Seconds until the next try.
        retry_seconds: f64,
        /// The problem.
        problem: &'a str,
    },
    /// A local file is being compared with the server's.
    Comparing {
        /// The local path.
        file: &'a str,
        /// Its bytes.
        size: u64,
        /// Bytes of it that were compared.
        compared: u64,
        /// Whether the server does not know its own hash yet.
        server_hashes: bool,
    },
    /// A file is whole and in its place.
    Saved {
        /// The local path.
        file: &'a str,
        /// Bytes.
        size: u64,
        /// Its hash.
        blake3: &'a str,
        /// Whether it was there before.
        already: bool,
    },
    /// An entry of a folder that can't be fetched and is left out.
    Skipped {
        /// The path on the server.
        path: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// An entry has another name here than on the server.
    Renamed {
        /// The path on the server.
        path: &'a str,
        /// The local path.
        file: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// A failure.
    Failed {
        /// The local path of the file, if it is about one.
        file: Option<&'a str>,
        /// The exit code for it.
        code: u8,
        /// The problem.
        what: &'a str,
        /// The remedy.
        advice: &'a str,
    },
    /// The end of a folder.
    Summary {
        /// Files that are whole and in place.
        files: u64,
        /// Bytes in them.
        bytes: u64,
        /// Files that failed.
        failed: u64,
    },
}

/// A source in a line of JSON.
#[derive(Debug, Serialize)]
pub struct SourceView {
    address: String,
    connections: u32,
    rate: f64,
    /// `good`, `waiting`, `benched`, `given_up`.
    standing: &'static str,
    /// Its last problem, in a clause.
    problem: Option<String>,
}

impl SourceView {
    pub(super) fn of(source: &SourceProgress, place: &Place, last_words: Option<&Failure>) -> Self {
        let standing = match source.standing {
            Standing::Good => "good",
            Standing::Waiting(_) => "waiting",
            Standing::Benched => "benched",
            Standing::GivenUp => "given_up",
        };
        let problem = source.problem.as_ref().map(|problem| source_problem(problem, place, last_words));
        Self { address: place.label(), connections: source.connections, rate: source.rate, standing, problem }
    }
}
