//! What went wrong between here and a server, in words, with what can be done and how the command ends.

pub mod connecting;

use std::time::Duration;

use wstp_engine::{Problem, StoreError};
use wstp_protocol::{EntryKind, ErrorCode};

use crate::exit::{Code, Failure};
use crate::place::Place;

const CHECK_ADDRESS: &str = "Check the address. WSTP servers usually listen on port 3000.";
const UPDATE_HINT: &str = "Run it again with --update to get it as it is now; what still matches is kept.";

/// What a server called `label` refused, and why.
#[must_use]
pub fn refused(code: ErrorCode, text: &str, label: &str) -> Failure {
    let (kind, what, advice) = match code {
        ErrorCode::NotFound => {
            (Code::NotFound, format!("{label} has nothing of that name."), "See with `wstp ls` what is there.")
        }
        ErrorCode::NotAFile => (Code::NotFound, "This is not a file.".to_owned(), "See with `wstp ls` what is there."),
        ErrorCode::NotADirectory => (Code::NotFound, "This is not a folder.".to_owned(), "Leave out what follows it."),
        ErrorCode::Forbidden => {
            (Code::NotFound, format!("{label} may not read this."), "Ask who runs the server to allow it.")
        }
        ErrorCode::InvalidPath => {
            (Code::NotFound, format!("{label} can't have such a name."), "See with `wstp ls` what is there.")
        }
        ErrorCode::Unauthorized => (
            Code::NotFound,
            format!("{label} wants a token."),
            "This version of wstp can't give one. Ask who runs the server to let you in without.",
        ),
        ErrorCode::UnsupportedVersion => (
            Code::Failed,
            format!("{label} speaks another version of WSTP."),
            "Update wstp or the server, whichever is older.",
        ),
        ErrorCode::Busy => (Code::Unreachable, format!("{label} is busy."), "Try again in a moment."),
        ErrorCode::ShuttingDown => (Code::Unreachable, format!("{label} is stopping."), "Try again when it is back."),
        ErrorCode::Io => (
            Code::Failed,
            format!("{label} could not read this from its disk."),
            "Ask who runs the server to look at its log.",
        ),
        ErrorCode::ShareGone => (
            Code::Unreachable,
            format!(
                "The folder that {label} shares is not there at the moment: it was removed, or its disk is not mounted."
            ),
            "Ask who runs the server, and run the same command again when it is back.",
        ),
        ErrorCode::Changed => (Code::Changed, "The file changed on the server.".to_owned(), "Run it again."),
        _ => (Code::Failed, format!("{label} refused: {}", sentence(text)), "Try again."),
    };
    Failure { refusal: Some(code), ..Failure::new(kind, what, advice) }
}

/// Why a link of this kind leads to nothing that a server called `label` serves; `None` for anything else.
#[must_use]
pub fn astray(kind: EntryKind, refusal: Option<ErrorCode>, label: &str) -> Option<Failure> {
    let what = match kind {
        EntryKind::Dangling => "This is a link that leads nowhere.".to_owned(),
        EntryKind::LeadsOut => format!("This is a link that leads out of what {label} shares; it is not followed."),
        EntryKind::Circle => "This is a link that leads round in a circle.".to_owned(),
        EntryKind::Directory | EntryKind::File | EntryKind::Unreadable => return None,
    };
    Some(Failure { refusal, ..Failure::new(Code::NotFound, what, "Ask who runs the server to mend the link.") })
}

/// What the engine ran into with servers called `label`.
#[must_use]
pub fn engine_problem(problem: &Problem, label: &str) -> Failure {
    match problem {
        Problem::Connection => Failure::new(
            Code::Unreachable,
            format!("The connection to {label} was lost."),
            "Check that the server runs.",
        ),
        Problem::Stalled => {
            Failure::new(Code::Unreachable, format!("{label} does not answer."), "Check that the server runs.")
        }
        Problem::Protocol(text) => {
            Failure::new(Code::Failed, format!("What {label} says can't be understood ({text})."), CHECK_ADDRESS)
        }
        Problem::BadBlocks => Failure::new(
            Code::Failed,
            format!("{label} sent bytes that do not belong to this file."),
            "They were thrown away. Try again, or ask who runs the server.",
        ),
        Problem::Server { code, text } => refused(*code, text, label),
        Problem::Changed => {
            Failure::new(Code::Changed, "The file is not the one this download began with.", UPDATE_HINT)
        }
        Problem::Storage(error) => storage(*error),
    }
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

/// A sentence without its full stop, to stand within another.
#[must_use]
pub fn clause(sentence: &str) -> String {
    let mut clause = sentence.trim_end_matches('.').to_owned();
    if let Some(first) = clause.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    clause
}

/// What answers does not speak the protocol.
#[must_use]
pub fn not_wstp(label: &str, reason: impl std::fmt::Display) -> Failure {
    let what = format!("What answers at {label} is not a WSTP server ({reason}).");
    Failure { lasting: true, ..Failure::new(Code::Failed, what, CHECK_ADDRESS) }
}

/// The server says nothing.
#[must_use]
pub fn silent(label: &str) -> Failure {
    Failure::new(Code::Unreachable, format!("{label} does not answer."), "Check that the server runs, and try again.")
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

/// What can be done when nothing arrives any more of something of which this sentence says how much is kept.
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

fn storage(error: StoreError) -> Failure {
    let (what, advice) = match error {
        StoreError::Full => (
            "There is no space left on the disk.",
            "Make room and run the same command again: it goes on from what was kept.",
        ),
        StoreError::TooLarge => {
            ("There can be no file of the size that the server names.", "Ask who runs the server what it is.")
        }
        StoreError::Missing => ("What was downloaded before is gone from the disk.", "Run the same command again."),
        StoreError::Io => ("The disk failed.", "Check it, or choose another place with -o."),
    };
    Failure { ends_all: error == StoreError::Full, ..Failure::new(Code::Disk, what, advice) }
}

/// A stranger's words as a sentence of bounded length.
fn sentence(text: &str) -> String {
    let clean: String = text.chars().take(200).collect();
    if clean.trim().is_empty() { "it did not say why.".to_owned() } else { clean.trim().to_owned() }
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
    fn a_server_that_wants_a_token_is_no_place_for_this_version() {
        let refused = refused(ErrorCode::Unauthorized, "", "host:3000").to_string();
        assert!(refused.contains("wants a token") && refused.contains("can't give one"), "{refused}");
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
