//! A fault as phrases: what happened, and what the person can do.
//!
//! The same fault has the same words in every front end. Only the advice may differ: a command line has an option, a
//! page has a button. A front end passes its own sentences as a [`FrontEnd`].

use wstp_engine::folder::{FolderProblem, LeftOut, MAX_DEPTH};
use wstp_engine::{Problem, StoreError};
use wstp_protocol::{ErrorCode, PathError};
use wstp_text::strangers::{is_unsafe, sentence};
use wstp_words::{Arg, Phrase, phrase};

use crate::address::AddressError;

/// Two phrases of whole sentences: what happened, and what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The event.
    pub what: Phrase,
    /// The advice.
    pub advice: Phrase,
}

impl Words {
    /// Words from their two phrases.
    pub fn new(what: impl Into<Phrase>, advice: impl Into<Phrase>) -> Self {
        Self { what: what.into(), advice: advice.into() }
    }
}

/// The phrases that are a front end's own: plain text, or [`wstp_words::key!`].
#[derive(Clone, Copy, Debug)]
pub struct FrontEnd {
    /// The program, as it stands within a sentence.
    pub name: &'static str,
    /// The place where it runs, as it stands within a sentence.
    pub here: &'static str,
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
    let no_path = |why: &Phrase| Words::new(phrase!(no_such_path, why), front.name_a_path);
    match error {
        E::Empty => Words::new(phrase!(address_empty), front.example),
        E::TooLong => Words::new(phrase!(address_too_long), front.name_a_path),
        E::Scheme(scheme) => Words::new(phrase!(address_scheme, scheme), phrase!(address_scheme_advice)),
        E::Credentials => {
            Words::new(phrase!(address_credentials), phrase!(address_credentials_advice).and(&front.log_in.into()))
        }
        E::Port => Words::new(phrase!(address_port), phrase!(address_port_advice)),
        E::Host => Words::new(phrase!(not_an_address), front.example),
        E::Path(error) => no_path(&path(*error)),
        E::Encoding => no_path(&phrase!(path_encoding)),
    }
}

/// Why a text is no path, within a sentence.
#[must_use]
pub fn path(error: PathError) -> Phrase {
    match error {
        PathError::TooLong => phrase!(path_too_long),
        PathError::EmptyName => phrase!(path_empty_name),
        PathError::RelativeName => phrase!(path_relative_name),
        PathError::Nul => phrase!(path_nul),
    }
}

/// A stranger's reason, or that there is none.
#[must_use]
pub fn reason(text: &str) -> Phrase {
    if text.chars().all(|c| is_unsafe(c) || c.is_whitespace()) {
        return phrase!(no_reason_told);
    }
    phrase!(text, &sentence(text))
}

/// The refusal of a server called `label`, which said `text`.
#[must_use]
pub fn refused(code: ErrorCode, text: &str, label: &str, front: &FrontEnd) -> Words {
    match code {
        ErrorCode::NotFound => Words::new(phrase!(server_lacks_name, label), front.look),
        ErrorCode::NotAFile => Words::new(phrase!(not_a_file), front.look),
        ErrorCode::NotADirectory => Words::new(phrase!(not_a_folder), front.not_a_folder),
        ErrorCode::Forbidden => Words::new(phrase!(server_may_not_read, label), phrase!(ask_to_allow)),
        ErrorCode::InvalidPath => Words::new(phrase!(server_refuses_name, label), front.look),
        ErrorCode::Unauthorized => Words::new(phrase!(login_wanted_or_ended, label), front.log_in),
        ErrorCode::UnsupportedVersion => {
            Words::new(phrase!(other_version, label), phrase!(other_version_advice, &Phrase::from(front.name)))
        }
        ErrorCode::Busy => Words::new(phrase!(server_busy, label), phrase!(try_in_a_moment)),
        ErrorCode::ShuttingDown => Words::new(phrase!(server_stopping, label), phrase!(try_when_back)),
        ErrorCode::Io => Words::new(phrase!(server_disk_unread, label), phrase!(ask_to_look_at_log)),
        ErrorCode::ShareGone => Words::new(phrase!(share_gone, label), front.share_gone),
        ErrorCode::UsedUp => Words::new(reason(text), phrase!(ask_for_more)),
        ErrorCode::Changed => Words::new(phrase!(file_changed), front.get_again),
        _ => Words::new(phrase!(server_refused, label, &reason(text)), phrase!(try_again_sentence)),
    }
}

/// The engine's problem with a server called `label`. `stored` words what the front end's own storage ran into.
#[must_use]
pub fn engine(problem: &Problem, label: &str, front: &FrontEnd, stored: impl FnOnce(StoreError) -> Words) -> Words {
    match problem {
        Problem::Connection => Words::new(phrase!(connection_lost, label), front.lost),
        Problem::Stalled => silent(label, front),
        Problem::Protocol(text) => Words::new(phrase!(not_understood, label, &reason(text)), phrase!(check_up_to_date)),
        Problem::BadBlocks => Words::new(phrase!(bad_blocks, label), phrase!(bad_blocks_advice)),
        Problem::Server { code, text } => refused(*code, text, label, front),
        Problem::Changed => Words::new(phrase!(file_changed_since), front.update),
        Problem::Storage(error) => stored(*error),
    }
}

/// The engine's problem with a folder on a server called `label`. `stored` is as for [`engine`].
#[must_use]
pub fn tree(problem: &FolderProblem, label: &str, front: &FrontEnd, stored: impl FnOnce(StoreError) -> Words) -> Words {
    match problem {
        FolderProblem::Source(problem) => engine(problem, label, front, stored),
        FolderProblem::TooManyEntries => Words::new(phrase!(too_many_entries), phrase!(download_folder_itself)),
        FolderProblem::EndlessListing => Words::new(phrase!(endless_listing, label), phrase!(ask_server)),
    }
}

/// The reason why an entry was left out of a folder, and what can be done.
#[must_use]
pub fn left_out(reason: LeftOut) -> Words {
    match reason {
        LeftOut::Dangling => Words::new(phrase!(left_out_dangling), phrase!(ask_to_mend_link)),
        LeftOut::LeadsOut => Words::new(phrase!(left_out_leads_out), phrase!(ask_to_mend_link)),
        LeftOut::Circle => Words::new(phrase!(left_out_circle), phrase!(ask_to_mend_link)),
        LeftOut::Unreadable => Words::new(phrase!(left_out_unreadable), phrase!(ask_to_allow)),
        LeftOut::TooDeep => {
            Words::new(phrase!(left_out_too_deep, Arg::Number(MAX_DEPTH as u64)), phrase!(download_itself))
        }
        LeftOut::PathTooLong => Words::new(phrase!(left_out_path_too_long), phrase!(download_around_itself)),
    }
}

/// The server called `label` says nothing.
#[must_use]
pub fn silent(label: &str, front: &FrontEnd) -> Words {
    Words::new(phrase!(server_silent, label), front.silent)
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
        assert!(words.what.say().ends_with('.') && words.advice.say().ends_with('.'), "{words:?}");
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
        let shown = refused(ErrorCode::Unknown(999), &"\u{1b}[2J\n\u{202e}".repeat(1000), "host", &FRONT).what.say();
        assert!(shown.len() < 1000 && !shown.contains(wstp_text::strangers::is_unsafe), "{shown}");
        assert_eq!(refused(ErrorCode::Unknown(9), " ", "host", &FRONT).what.say(), "host refused: it did not say why.");
    }
}
