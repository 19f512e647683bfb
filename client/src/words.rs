//! A fault in words: what happened, and what the person can do.
//!
//! The same fault has the same words in every front end. Only the advice may differ: a command line has an option, a
//! page has a button. A front end passes its own sentences as a [`FrontEnd`].

use wstp_engine::folder::{FolderProblem, LeftOut, MAX_DEPTH};
use wstp_engine::{Problem, StoreError};
use wstp_protocol::ErrorCode;

use crate::address::AddressError;
use wstp_text::strangers::sentence;

const ASK: &str = "Ask who runs the server.";
const ALLOW: &str = "Ask who runs the server to allow it.";

/// Two texts of whole sentences: what happened, and what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The event.
    pub what: String,
    /// The advice.
    pub advice: String,
}

impl Words {
    /// Words from their two texts.
    pub fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: advice.into() }
    }
}

/// The sentences that are a front end's own.
#[derive(Clone, Copy, Debug)]
pub struct FrontEnd {
    /// The program, as it stands within a sentence.
    pub name: &'static str,
    /// The place where it runs, as it stands within a sentence.
    pub here: &'static str,
    /// The verb that begins an advice to fetch something.
    pub fetch: &'static str,
    /// Addresses like those that can be typed.
    pub example: &'static str,
    /// How to name something on a server.
    pub name_a_path: &'static str,
    /// How to see what a server has.
    pub look: &'static str,
    /// Advice about a file that was taken for a folder.
    pub not_a_folder: &'static str,
    /// Advice for when the shared folder is away.
    pub share_gone: &'static str,
    /// How to get a file as it is now.
    pub get_again: &'static str,
    /// How to go on with a download whose file changed.
    pub update: &'static str,
    /// Advice about a lost connection.
    pub lost: &'static str,
    /// Advice about a server that does not answer.
    pub silent: &'static str,
    /// How to log in to a server.
    pub log_in: &'static str,
    /// How to log in to a proxy.
    pub log_in_to_proxy: &'static str,
    /// Other things that may keep WebSockets away, or nothing.
    pub other_proxy: &'static str,
}

/// Why a text is no address.
#[must_use]
pub fn address(error: &AddressError, front: &FrontEnd) -> Words {
    use AddressError as E;
    let no_path =
        |why: &str| Words::new(format!("No folder or file on a server has this path: {why}."), front.name_a_path);
    match error {
        E::Empty => Words::new("No address was typed.", front.example),
        E::TooLong => Words::new("That is too long for an address.", front.name_a_path),
        E::Scheme(scheme) => Words::new(
            format!("An address can't begin with {scheme}://."),
            "Type one like 192.168.1.5:3000, ws://192.168.1.5:3000 or wss://files.example.org.",
        ),
        E::Credentials => Words::new(
            "An address can't hold a user's name or password.",
            format!("Leave out what stands before the @. {}", front.log_in),
        ),
        E::Port => {
            Words::new("That is not a port.", "After the colon comes a number from 1 to 65535, for example 3000.")
        }
        E::Host => Words::new("That is not an address.", front.example),
        E::Path(error) => no_path(&error.to_string()),
        E::Encoding => no_path("it is percent-encoded in a wrong way"),
    }
}

/// The refusal of a server called `label`, which said `text`.
#[must_use]
pub fn refused(code: ErrorCode, text: &str, label: &str, front: &FrontEnd) -> Words {
    let (what, advice) = match code {
        ErrorCode::NotFound => (format!("{label} has nothing of that name."), front.look),
        ErrorCode::NotAFile => ("This is not a file.".to_owned(), front.look),
        ErrorCode::NotADirectory => ("This is not a folder.".to_owned(), front.not_a_folder),
        ErrorCode::Forbidden => (format!("{label} may not read this."), ALLOW),
        ErrorCode::InvalidPath => (format!("{label} can't have such a name."), front.look),
        ErrorCode::Unauthorized => {
            return Words::new(format!("{label} wants to know who you are, or your login has ended."), front.log_in);
        }
        ErrorCode::UnsupportedVersion => {
            let advice = format!("Update {} or the server, whichever is older.", front.name);
            return Words::new(format!("{label} speaks another version of WSTP."), advice);
        }
        ErrorCode::Busy => (format!("{label} is busy."), "Try again in a moment."),
        ErrorCode::ShuttingDown => (format!("{label} is stopping."), "Try again when it is back."),
        ErrorCode::Io => {
            (format!("{label} could not read this from its disk."), "Ask who runs the server to look at its log.")
        }
        ErrorCode::ShareGone => (
            format!(
                "The folder that {label} shares is not there at the moment: it was removed, or its disk is not mounted."
            ),
            front.share_gone,
        ),
        ErrorCode::UsedUp => (sentence(text), "Ask who runs the server for more."),
        ErrorCode::Changed => ("The file changed on the server.".to_owned(), front.get_again),
        _ => (format!("{label} refused: {}", sentence(text)), "Try again."),
    };
    Words::new(what, advice)
}

/// The engine's problem with a server called `label`. `stored` words what the front end's own storage ran into.
#[must_use]
pub fn engine(problem: &Problem, label: &str, front: &FrontEnd, stored: impl FnOnce(StoreError) -> Words) -> Words {
    match problem {
        Problem::Connection => Words::new(format!("The connection to {label} was lost."), front.lost),
        Problem::Stalled => silent(label, front),
        Problem::Protocol(text) => Words::new(
            format!("What {label} says can't be understood ({}).", sentence(text)),
            "Check that it runs wstp-server, and that both sides are up to date.",
        ),
        Problem::BadBlocks => Words::new(
            format!("{label} sent bytes that do not belong to this file."),
            "They were thrown away. Try again, or ask who runs the server.",
        ),
        Problem::Server { code, text } => refused(*code, text, label, front),
        Problem::Changed => Words::new("The file changed on the server since this download began.", front.update),
        Problem::Storage(error) => stored(*error),
    }
}

/// The engine's problem with a folder on a server called `label`. `stored` is as for [`engine`].
#[must_use]
pub fn tree(problem: &FolderProblem, label: &str, front: &FrontEnd, stored: impl FnOnce(StoreError) -> Words) -> Words {
    match problem {
        FolderProblem::Source(problem) => engine(problem, label, front, stored),
        FolderProblem::TooManyEntries => Words::new(
            "There are more files than can be downloaded at once. The rest of this folder is left out.",
            format!("{} this folder by itself.", front.fetch),
        ),
        FolderProblem::EndlessListing => {
            Words::new(format!("{label} lists this folder without an end. The rest of it is left out."), ASK)
        }
    }
}

/// The reason why an entry was left out of a folder, and what can be done.
#[must_use]
pub fn left_out(reason: LeftOut, front: &FrontEnd) -> Words {
    let fetch = front.fetch;
    match reason {
        LeftOut::Dangling => Words::new("A link that leads nowhere.", MEND),
        LeftOut::LeadsOut => Words::new("A link that leads out of what is shared.", MEND),
        LeftOut::Circle => Words::new("A link that leads round in a circle.", MEND),
        LeftOut::Unreadable => Words::new("The server may not read this.", ALLOW),
        LeftOut::TooDeep => {
            Words::new(format!("It lies more than {MAX_DEPTH} folders deep."), format!("{fetch} it by itself."))
        }
        LeftOut::PathTooLong => Words::new("Its path is too long.", format!("{fetch} the folder around it by itself.")),
    }
}

const MEND: &str = "Ask who runs the server to mend the link.";

/// The server called `label` says nothing.
#[must_use]
pub fn silent(label: &str, front: &FrontEnd) -> Words {
    Words::new(format!("{label} does not answer."), front.silent)
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub const FRONT: FrontEnd = FrontEnd {
        name: "it",
        here: "this computer",
        fetch: "Fetch",
        example: "Type a name.",
        name_a_path: "Type a path.",
        look: "Look.",
        not_a_folder: "Go back.",
        share_gone: "Wait.",
        get_again: "Fetch it again.",
        update: "Update.",
        lost: "Wait.",
        silent: "Wait.",
        log_in: "Log in.",
        log_in_to_proxy: "Log in.",
        other_proxy: " Look for another.",
    };

    fn check(words: &Words) {
        assert!(words.what.ends_with('.') && words.advice.ends_with('.'), "{words:?}");
    }

    #[test]
    fn every_fault_has_sentences_about_what_happened_and_what_to_do() {
        let stored = |_| Words::new("The disk failed.", "Check it.");
        for code in ErrorCode::ALL.iter().copied().chain([ErrorCode::Unknown(999)]) {
            check(&refused(code, "", "host:3000", &FRONT));
        }
        let text = || "odd".to_owned();
        for problem in [
            Problem::Connection,
            Problem::Stalled,
            Problem::Protocol(text()),
            Problem::BadBlocks,
            Problem::Server { code: ErrorCode::Io, text: text() },
            Problem::Changed,
            Problem::Storage(StoreError::Io),
        ] {
            check(&engine(&problem, "host:3000", &FRONT, stored));
            check(&tree(&FolderProblem::Source(problem), "host:3000", &FRONT, stored));
        }
        for problem in [FolderProblem::TooManyEntries, FolderProblem::EndlessListing] {
            check(&tree(&problem, "host:3000", &FRONT, stored));
        }
        for error in [
            AddressError::Empty,
            AddressError::TooLong,
            AddressError::Scheme("ftp".to_owned()),
            AddressError::Credentials,
            AddressError::Port,
            AddressError::Host,
            AddressError::Path(wstp_protocol::PathError::Nul),
            AddressError::Encoding,
        ] {
            check(&address(&error, &FRONT));
        }
    }

    #[test]
    fn a_strangers_words_stay_on_one_short_line() {
        let shown = refused(ErrorCode::Unknown(999), &"\u{1b}[2J\n\u{202e}".repeat(1000), "host", &FRONT).what;
        assert!(shown.len() < 1000 && !shown.contains(wstp_text::strangers::is_unsafe), "{shown}");
        assert_eq!(refused(ErrorCode::Unknown(9), " ", "host", &FRONT).what, "host refused: it did not say why.");
    }
}
