//! What programs are told: objects of JSON, one a line.

use serde::Serialize;
use wstp_engine::{SourceProgress, Standing};

use crate::exit::Failure;
use crate::place::Place;
use crate::words::source_problem;

/// A line of JSON; `docs/cli.md` describes them for users.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// How a file stands.
    Progress {
        /// The local path.
        file: &'a str,
        /// `starting`, `downloading`, `checking`, `verifying`, `waiting`, `paused`, `complete`, `failed`.
        state: &'a str,
        /// Bytes, once known.
        size: Option<u64>,
        /// Bytes verified.
        verified: u64,
        /// Bytes here and not verified yet.
        received: u64,
        /// Those of them that an earlier run stored and that were not read back yet.
        unchecked: u64,
        /// Bytes a second.
        rate: f64,
        /// Seconds left at that rate.
        seconds_left: Option<f64>,
        /// Seconds until the next try, while waiting.
        retry_seconds: Option<f64>,
        /// What went wrong last.
        problem: Option<&'a str>,
        /// Each source.
        sources: Vec<SourceView>,
    },
    /// How a folder stands. What is under way of files that are told of by themselves is not in it.
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
        /// Those of them that an earlier run stored and that were not read back yet.
        bytes_unchecked: u64,
        /// Files that can't be had.
        files_failed: u32,
        /// Bytes a second.
        rate: f64,
        /// Seconds until the next try, while waiting.
        retry_seconds: Option<f64>,
    },
    /// Nobody can be reached before anything began.
    Waiting {
        /// Seconds until the next try.
        retry_seconds: f64,
        /// What went wrong.
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
        /// Whether the server does not know the hash of its own yet.
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
    /// Something of a folder that can't be fetched and is left out.
    Skipped {
        /// The path on the server.
        path: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// Something has another name here than on the server.
    Renamed {
        /// The path on the server.
        path: &'a str,
        /// The local path.
        file: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// Something failed.
    Failed {
        /// The local path of the file, where it is about one.
        file: Option<&'a str>,
        /// The exit code that stands for it.
        code: u8,
        /// What happened.
        what: &'a str,
        /// What can be done.
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
    /// What went wrong with it last, in a clause.
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
