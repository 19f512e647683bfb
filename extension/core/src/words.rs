//! Faults in words, with the user's remedy.

use wasm_bindgen::prelude::*;
use wstp_client::address::AddressError;
use wstp_client::diagnosis;
use wstp_client::words::{self, FrontEnd, Words, reason};
use wstp_engine::StoreError;
use wstp_engine::folder::{FolderProblem, LeftOut};
use wstp_messages::{Problem, WaitReason, is_link};
use wstp_protocol::ErrorCode;
use wstp_words::{Arg, Phrase, key, phrase};

/// A problem from its two sentences.
pub fn problem(what: impl Into<Phrase>, advice: impl Into<Phrase>) -> Problem {
    Problem { what: what.into(), advice: advice.into() }
}

/// The sentences that are the extension's own.
pub const EXTENSION: FrontEnd = FrontEnd {
    name: key!(the_extension),
    here: key!(this_browser),
    example: key!(address_example),
    name_a_path: key!(type_server_alone),
    look: key!(open_folder_again),
    not_a_folder: key!(go_back_and_open),
    share_gone: key!(share_gone_advice),
    get_again: key!(download_it_again),
    update: key!(update_advice),
    lost: key!(lost_advice),
    silent: key!(retrying_sentence),
    log_in: key!(log_in_to_go_on),
    log_in_to_proxy: key!(log_in_to_proxy),
    other_proxy: key!(other_proxy),
};

/// A problem in words that all front ends have.
pub fn told(Words { what, advice }: Words) -> Problem {
    Problem { what, advice }
}

/// Why a text is no address.
pub fn address_problem(error: &AddressError) -> Problem {
    told(words::address(error, &EXTENSION))
}

/// Something else than a WSTP server answers at the address shown as `label`.
pub fn not_wstp(label: &str, reason: &Phrase) -> Problem {
    told(diagnosis::not_wstp(label, reason))
}

/// Somebody told Chrome that a file is not to be saved.
pub fn cancelled_problem() -> Problem {
    problem(phrase!(saving_cancelled), phrase!(saving_cancelled_advice))
}

/// Chrome waits for somebody before it goes on with this file, or with so many of a folder.
pub fn waiting_problem(reason: WaitReason, of_folder: Option<usize>) -> Problem {
    let files = match of_folder {
        None => phrase!(this_file),
        Some(count) => phrase!(of_the_files, Arg::Count(count as u64)),
    };
    match reason {
        WaitReason::Keep => problem(phrase!(chrome_asks_keep, &files), phrase!(chrome_asks_keep_advice)),
        WaitReason::Paused => problem(phrase!(paused_in_chrome, &files), phrase!(paused_in_chrome_advice)),
        WaitReason::Name => problem(phrase!(chrome_waits_for_name, &files), phrase!(chrome_waits_for_name_advice)),
    }
}

/// Chrome saved a file, or one of a folder, elsewhere than it was told to.
pub fn misplaced_problem(path: &str, is_of_folder: bool) -> Problem {
    let what = if is_of_folder { phrase!(one_misplaced, path) } else { phrase!(file_misplaced, path) };
    problem(what, phrase!(misplaced_advice))
}

/// Chrome would save the files of a folder elsewhere than it was told to.
pub fn renamed_problem() -> Problem {
    problem(phrase!(names_changed), phrase!(names_changed_advice))
}

/// Chrome asks for every single file.
pub fn asked_problem() -> Problem {
    problem(phrase!(asks_for_each), phrase!(asks_for_each_advice))
}

/// The engine's problem with a server that is called `label`.
pub fn engine_problem(found: &wstp_engine::Problem, label: &str) -> Problem {
    told(words::engine(found, label, &EXTENSION, stored))
}

/// The engine's problem that it waits to pass.
pub fn passing_problem(found: &wstp_engine::Problem, label: &str) -> Problem {
    let advice = match found {
        wstp_engine::Problem::Storage(_) => phrase!(continues_with_space),
        _ => phrase!(continues_with_server),
    };
    Problem { advice, ..engine_problem(found, label) }
}

/// The engine's problem with one of several servers, called `label`.
pub fn source_problem(found: &wstp_engine::Problem, label: &str) -> Problem {
    use wstp_engine::Problem as P;
    match found {
        P::Changed => problem(phrase!(source_other_file), phrase!(source_other_file_advice)),
        P::BadBlocks => problem(phrase!(source_bad_blocks), phrase!(source_bad_blocks_advice)),
        P::Protocol(text) => {
            problem(phrase!(source_not_understood, &reason(text)), phrase!(source_not_understood_advice))
        }
        P::Connection => problem(phrase!(source_no_connection), phrase!(retrying_sentence)),
        P::Stalled => problem(phrase!(source_silent), phrase!(retrying_sentence)),
        found => engine_problem(found, label),
    }
}

/// The engine's problem with a link of plain HTTP to a file at `label`.
pub fn link_problem(found: &wstp_engine::Problem, label: &str) -> Problem {
    use wstp_engine::Problem as P;
    match found {
        P::Server { text, .. } => problem(reason(text), phrase!(other_link_advice)),
        P::Changed => problem(phrase!(link_other_file), phrase!(other_link_advice)),
        found => source_problem(found, label),
    }
}

/// Describes a problem that the engine met with a folder on a server called `label`.
pub fn folder_problem(found: &FolderProblem, label: &str) -> Problem {
    told(words::tree(found, label, &EXTENSION, stored))
}

/// Describes a problem that the engine met with a file or folder within a folder. Its row is narrow, and names it
/// already.
pub fn member_problem(found: &FolderProblem, label: &str) -> Problem {
    let FolderProblem::Source(wstp_engine::Problem::Server { code, .. }) = found else {
        return folder_problem(found, label);
    };
    match code {
        ErrorCode::NotFound => problem(phrase!(member_gone), phrase!(member_gone_advice)),
        ErrorCode::NotAFile => problem(phrase!(member_no_file), phrase!(member_changed_advice)),
        ErrorCode::NotADirectory => problem(phrase!(member_no_folder), phrase!(member_changed_advice)),
        ErrorCode::Forbidden => problem(phrase!(member_forbidden), phrase!(member_allow_advice)),
        ErrorCode::UsedUp => problem(phrase!(member_used_up), phrase!(member_used_up_advice)),
        ErrorCode::InvalidPath => problem(phrase!(member_name_refused), phrase!(member_allow_advice)),
        ErrorCode::Io => problem(phrase!(member_disk_failed), phrase!(member_disk_failed_advice)),
        ErrorCode::Changed => problem(phrase!(member_changes), phrase!(member_changes_advice)),
        _ => folder_problem(found, label),
    }
}

/// Why something was left out of a folder, unless nothing is missed by that.
pub fn left_out_problem(reason: LeftOut) -> Option<Problem> {
    reason.is_missed().then(|| told(words::left_out(reason)))
}

/// A server called `label` refuses who the user is. `had_login` says whether the user was logged in there.
pub fn unauthorized_problem(label: &str, had_login: bool) -> Problem {
    if is_link(label) {
        return problem(phrase!(link_has_password), phrase!(link_has_password_advice));
    }
    let what = if had_login { phrase!(login_ended, label) } else { phrase!(login_wanted, label) };
    problem(what, EXTENSION.log_in)
}

/// A download waits for a login.
pub fn login_problem(label: &str, had_login: bool) -> Problem {
    let advice = if is_link(label) { phrase!(link_password_to_continue) } else { phrase!(log_in_to_continue) };
    Problem { advice, ..unauthorized_problem(label, had_login) }
}

/// The refusal of a server called `label`, and its reason.
pub fn server_problem(code: ErrorCode, text: &str, label: &str) -> Problem {
    told(words::refused(code, text, label, &EXTENSION))
}

/// Why the sandbox could not keep something.
pub fn store_problem(error: StoreError) -> Problem {
    told(stored(error))
}

fn stored(error: StoreError) -> Words {
    match error {
        StoreError::Full => Words::new(phrase!(computer_full), phrase!(computer_full_advice)),
        StoreError::TooLarge => Words::new(phrase!(size_impossible), phrase!(size_impossible_advice)),
        StoreError::Missing => Words::new(phrase!(sandbox_copy_gone), phrase!(sandbox_copy_gone_advice)),
        StoreError::Io => Words::new(phrase!(sandbox_failed), phrase!(sandbox_failed_advice)),
    }
}

/// The error for a transfer's files that another version of the extension wrote; this version does not touch them.
pub fn other_version() -> JsValue {
    JsError::new("another version of this extension wrote it").into()
}

/// Why what the sandbox has of a transfer can't be opened.
pub fn unopened_problem(error: &str) -> Problem {
    problem(phrase!(copy_not_opened, &reason(error)), phrase!(copy_not_opened_advice))
}

/// The problem to show when a transfer's former files are gone or damaged.
pub fn begun_anew_problem() -> Problem {
    problem(phrase!(arrived_damaged), phrase!(arrived_damaged_advice))
}

/// Why a complete transfer is verified anew.
pub fn recheck_problem() -> Problem {
    problem(phrase!(copy_may_have_changed), phrase!(copy_may_have_changed_advice))
}

/// A complete transfer was verified anew, and something was wrong. `found` keeps it from being fetched again.
pub fn refetch_problem(found: Option<Problem>) -> Problem {
    let wrong = phrase!(copy_part_changed);
    match found {
        None => problem(wrong, phrase!(copy_part_refetched).and(&phrase!(others_not_affected))),
        Some(found) => problem(
            wrong.and(&phrase!(copy_part_unavailable)).and(&found.what),
            phrase!(not_saved_until_right).and(&phrase!(others_not_affected)).and(&found.advice),
        ),
    }
}

/// A transfer was verified anew, and its stored files are not as they were then either.
pub fn changing_problem() -> Problem {
    problem(phrase!(copy_changed_again), phrase!(copy_changed_again_advice))
}

/// A transfer of unknown origin has to be fetched again.
pub fn sourceless_problem() -> Problem {
    problem(phrase!(origin_unknown), phrase!(origin_unknown_advice))
}

/// The worker can't go on, and nobody knows why.
pub fn stuck_problem() -> Problem {
    problem(phrase!(download_cant_go_on), phrase!(try_again_sentence))
}

#[cfg(test)]
mod tests {
    use wstp_client::address::Address;

    use super::*;

    #[test]
    fn a_link_that_has_a_password_is_told_from_a_server_that_wants_a_login() {
        for (address, expected) in [("ws://nas:80/s/CODE/ws", "This link has a password."), ("nas", "who you are")] {
            let address = Address::parse(address).unwrap();
            assert_eq!(is_link(&address.to_string()), address.is_link());
            for told in [unauthorized_problem(&address.short(), false), login_problem(&address.short(), false)] {
                assert!(told.what.say().contains(expected), "{told:?}");
            }
        }
    }

    #[test]
    fn what_is_wrong_within_a_folder_is_said_in_a_narrow_row() {
        for code in ErrorCode::ALL.iter().copied() {
            let found = wstp_engine::Problem::Server { code, text: "Odd.".to_owned() };
            let told = member_problem(&FolderProblem::Source(found), "a.long.host.example.org:3000");
            assert!(told.what.say().ends_with('.') && told.advice.say().ends_with('.'), "{told:?}");
            let ends_the_download = matches!(
                code,
                ErrorCode::Unauthorized
                    | ErrorCode::UnsupportedVersion
                    | ErrorCode::Busy
                    | ErrorCode::ShuttingDown
                    | ErrorCode::ShareGone
            );
            assert!(
                ends_the_download || told.what.say().len() <= 30 || told.what.say().contains("refused"),
                "{told:?}"
            );
        }
    }

    #[test]
    fn a_source_that_lies_is_told_alike_whatever_it_speaks() {
        use wstp_engine::Problem as P;
        for found in [P::BadBlocks, P::Protocol("x".to_owned()), P::Connection, P::Stalled] {
            let told = [source_problem(&found, "host:3000"), link_problem(&found, "host:3000")];
            assert_eq!(told[0], told[1]);
            // It stands in a row that begins with its name.
            assert!(!told[0].what.say().contains("host"), "{told:?}");
        }
    }
}
