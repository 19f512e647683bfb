//! What went wrong between here and a server, in words, with what can be done and how the command ends.

use wstp_engine::{Problem, StoreError};
use wstp_protocol::ErrorCode;

use crate::exit::{Code, Failure};

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
            format!("{label} wants to know who you are."),
            "Ask who runs the server for an invitation.",
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
        ErrorCode::Changed => (Code::Changed, "The file changed on the server.".to_owned(), "Run it again."),
        _ => (Code::Failed, format!("{label} refused: {}", sentence(text)), "Try again."),
    };
    Failure { refusal: Some(code), ..Failure::new(kind, what, advice) }
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

/// What answers does not speak the protocol.
#[must_use]
pub fn not_wstp(label: &str, reason: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Failed, format!("What answers at {label} is not a WSTP server ({reason})."), CHECK_ADDRESS)
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

/// The person stopped it.
#[must_use]
pub fn interrupted(advice: impl Into<String>) -> Failure {
    Failure::new(Code::Interrupted, "Stopped.", advice)
}

fn storage(error: StoreError) -> Failure {
    let (what, advice) = match error {
        StoreError::Full => (
            "There is no space left on the disk.",
            "Make room and run the same command again. Nothing that arrived is lost.",
        ),
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
    fn a_strangers_words_stay_short_and_harmless() {
        let shown = refused(ErrorCode::Unknown(999), &"\u{1b}[2J\n".repeat(1000), "host").to_string();
        assert!(shown.len() < 1000 && !shown.contains(['\n', '\u{1b}']));
    }
}
