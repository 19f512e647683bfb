//! Faults between this machine and a server in words, with the remedy and the exit status.

pub mod connecting;

use std::time::Duration;

use wstp_client::words::{FrontEnd, Words, engine, left_out, tree};
use wstp_engine::folder::{FolderProblem, LeftOut};
use wstp_engine::{Problem, StoreError};
use wstp_protocol::{EntryKind, ErrorCode};

pub use wstp_client::words::clause;

use crate::exit::{Code, Failure};
use crate::place::Place;

/// The sentences that are `wstp`'s own.
pub const WSTP: FrontEnd = FrontEnd {
    name: "wstp",
    here: "this computer",
    example: "Type one like 192.168.1.5:3000/path/to/file or wss://files.example.org/path.",
    name_a_path: "A path is names joined by single slashes, as `wstp ls` shows them.",
    look: "See with `wstp ls` what is there.",
    not_a_folder: "Leave out what follows it.",
    share_gone: "Ask who runs the server, and run the same command again when it is back.",
    get_again: "Run it again.",
    update: "Run it again with --update to get it as it is now; what still matches is kept.",
    lost: "Check that the server runs.",
    silent: "Check that the server runs, and try again.",
    log_in: "Log in with `wstp login HOST`, or give a token or a link's password with --token-file or in WSTP_TOKEN.",
    log_in_to_proxy: "Put them into the proxy's address in the environment: http_proxy=http://NAME:PASSWORD@HOST:PORT.",
    other_proxy: "",
};

impl Failure {
    /// A failure in words that all front ends have.
    #[must_use]
    pub fn of(code: Code, words: Words) -> Self {
        Self::new(code, words.what.say(), words.advice.say())
    }
}

/// The refusal of a server called `label`, and its reason.
#[must_use]
pub fn refused(code: ErrorCode, text: &str, label: &str) -> Failure {
    let words = wstp_client::words::refused(code, text, label, &WSTP);
    let failure = Failure::of(code_of(code), words);
    // No other file comes either until the user logs in.
    Failure { refusal: Some(code), ends_all: failure.ends_all || code == ErrorCode::Unauthorized, ..failure }
}

/// How a command ends that a server refused something.
const fn code_of(refusal: ErrorCode) -> Code {
    match refusal {
        ErrorCode::NotFound
        | ErrorCode::NotAFile
        | ErrorCode::NotADirectory
        | ErrorCode::Forbidden
        | ErrorCode::UsedUp
        | ErrorCode::InvalidPath
        | ErrorCode::Unauthorized => Code::NotFound,
        ErrorCode::Busy | ErrorCode::ShuttingDown | ErrorCode::ShareGone => Code::Unreachable,
        ErrorCode::Changed => Code::Changed,
        _ => Code::Failed,
    }
}

/// Why a link of this kind leads to nothing that a server serves; `None` for anything else.
#[must_use]
pub fn astray(kind: EntryKind, refusal: Option<ErrorCode>) -> Option<Failure> {
    let reason = match kind {
        EntryKind::Dangling => LeftOut::Dangling,
        EntryKind::LeadsOut => LeftOut::LeadsOut,
        EntryKind::Circle => LeftOut::Circle,
        EntryKind::Directory | EntryKind::File | EntryKind::Unreadable => return None,
    };
    Some(Failure { refusal, ..Failure::of(Code::NotFound, left_out(reason)) })
}

/// The engine's problem with servers called `label`.
#[must_use]
pub fn engine_problem(problem: &Problem, label: &str) -> Failure {
    let code = match problem {
        Problem::Connection | Problem::Stalled => Code::Unreachable,
        Problem::Protocol(_) | Problem::BadBlocks => Code::Failed,
        Problem::Server { code, text } => return refused(*code, text, label),
        Problem::Changed => Code::Changed,
        Problem::Storage(_) => Code::Disk,
    };
    let failure = Failure::of(code, engine(problem, label, &WSTP, storage));
    Failure { ends_all: failure.ends_all || *problem == Problem::Storage(StoreError::Full), ..failure }
}

/// The engine's problem with the listing of a folder on the server called `label`.
#[must_use]
pub fn folder_problem(problem: &FolderProblem, label: &str) -> Failure {
    Failure::of(Code::Failed, tree(problem, label, &WSTP, storage))
}

/// Why an entry is left out of a folder, and what can be done, in a clause.
#[must_use]
pub fn left_out_clause(reason: LeftOut) -> String {
    let Words { what, advice } = left_out(reason);
    format!("{}; {}", clause(&what.say()), clause(&advice.say()))
}

/// Says in a clause what is wrong with one source among several. `words` are why there was no connection to it last.
#[must_use]
pub fn source_problem(problem: &Problem, place: &Place, words: Option<&Failure>) -> String {
    match (problem, place) {
        (Problem::Connection, _) => {
            words.map_or_else(|| "there is no connection to it".to_owned(), |words| clause(&words.what))
        }
        (Problem::Changed, _) => "it has another file".to_owned(),
        // A web server knows no codes of the protocol; the words about its answers are the engine's own.
        (Problem::Server { text, .. }, Place::Http(_)) => clause(text),
        (other, _) => clause(&engine_problem(other, "it").what),
    }
}

/// The other side does not speak the protocol.
#[must_use]
pub fn not_wstp(label: &str, reason: impl std::fmt::Display) -> Failure {
    let words = wstp_client::diagnosis::not_wstp(label, &wstp_client::words::reason(&reason.to_string()));
    Failure { lasting: true, ..Failure::of(Code::Failed, words) }
}

/// The server says nothing.
#[must_use]
pub fn silent(label: &str) -> Failure {
    Failure::of(Code::Unreachable, wstp_client::words::silent(label, &WSTP))
}

/// There is no connection, for a reason that begins a clause.
#[must_use]
pub fn no_connection(reason: &str) -> Failure {
    let mut what = reason.to_owned();
    if let Some(first) = what.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Failure::new(
        Code::Unreachable,
        format!("{what}."),
        "Check the address, and that the server runs and can be reached from here.",
    )
}

/// Nothing arrived for as long as was to be waited, for this reason, where one is known.
#[must_use]
pub fn nothing_arrived(reason: Option<Failure>, patience: Duration) -> Failure {
    let nothing = no_connection(&format!("nothing arrived for {} s", patience.as_secs()));
    let Some(reason) = reason else { return nothing };
    Failure { what: format!("{} {}", reason.what, nothing.what), ..reason }
}

/// The remedy when nothing arrives any more; `kept` says how much is kept.
#[must_use]
pub fn go_on_later(kept: &str) -> String {
    format!(
        "{kept} Check that the server runs, and run the same command again to go on; with `--timeout 0` it waits for ever."
    )
}

/// The person stopped it.
#[must_use]
pub fn interrupted(advice: impl Into<String>) -> Failure {
    Failure::new(Code::Interrupted, "Stopped.", advice)
}

fn storage(error: StoreError) -> Words {
    match error {
        StoreError::Full => Words::new(
            "There is no space left on the disk.",
            "Make room and run the same command again: it goes on from what was kept.",
        ),
        StoreError::TooLarge => {
            Words::new("The server names a size that no file can have.", "Ask who runs the server what it is.")
        }
        StoreError::Missing => {
            Words::new("The data downloaded before is gone from the disk.", "Run the same command again.")
        }
        StoreError::Io => Words::new("The disk failed.", "Check it, or choose another place with -o."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_sentence_and_an_advice() {
        for code in ErrorCode::ALL.iter().copied().chain([ErrorCode::Unknown(999)]) {
            let failure = refused(code, "", "host:3000");
            assert!(failure.what.ends_with('.') && failure.advice.ends_with('.'), "{code:?}");
            assert_ne!(failure.code, Code::Ok);
        }
    }

    #[test]
    fn a_server_that_wants_a_login_says_how_to_log_in() {
        let refused = refused(ErrorCode::Unauthorized, "", "host:3000").to_string();
        assert!(refused.contains("who you are") && refused.contains("wstp login"), "{refused}");
    }

    #[test]
    fn what_is_wrong_with_a_source_is_a_clause() {
        let server = |code| Problem::Server { code, text: "The server says.".to_owned() };
        let places = ["ws://h/f", "http://h/f"].map(|typed| Place::parse(typed).unwrap());
        for (problem, words, words_of_link) in [
            (Problem::Changed, "it has another file", "it has another file"),
            (server(ErrorCode::NotFound), "it has nothing of that name", "the server says"),
            (server(ErrorCode::NotAFile), "this is not a file", "the server says"),
        ] {
            assert_eq!(
                [&places[0], &places[1]].map(|place| source_problem(&problem, place, None)),
                [words, words_of_link]
            );
        }
        let protocol = Problem::Protocol("x".to_owned());
        assert_eq!(source_problem(&protocol, &places[0], None), "what it says can't be understood (x)");
    }

    #[test]
    fn that_nothing_arrived_is_said_once() {
        let words = |reason| nothing_arrived(reason, Duration::from_secs(60)).what;
        assert_eq!(words(None), "Nothing arrived for 60 s.");
        assert_eq!(words(Some(silent("h:1"))), "h:1 does not answer. Nothing arrived for 60 s.");
    }

    #[test]
    fn a_strangers_words_stay_short_and_harmless() {
        let shown = refused(ErrorCode::Unknown(999), &"\u{1b}[2J\n".repeat(1000), "host").to_string();
        assert!(shown.len() < 1000 && !shown.contains(['\n', '\u{1b}']));
    }
}
