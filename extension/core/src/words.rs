//! Faults in words, with the user's remedy.

use wasm_bindgen::prelude::*;
use wstp_client::address::AddressError;
use wstp_client::diagnosis;
use wstp_client::words::{self, FrontEnd, Words};
use wstp_engine::StoreError;
use wstp_engine::folder::{FolderProblem, LeftOut};
use wstp_messages::{Problem, WaitReason};
use wstp_protocol::ErrorCode;
use wstp_text::strangers::sentence;

/// A problem from its two sentences.
pub fn problem(what: impl Into<String>, advice: impl Into<String>) -> Problem {
    Problem { what: what.into(), advice: advice.into() }
}

/// The sentences that are the extension's own.
pub const EXTENSION: FrontEnd = FrontEnd {
    name: "the extension",
    here: "this browser",
    fetch: "Download",
    example: "Type one like 192.168.1.5:3000 or files.example.org.",
    name_a_path: "Type the server alone, and open its folders.",
    look: "Open the folder again to see what is there.",
    not_a_folder: "Go back and open the folder again.",
    share_gone: "Ask who runs the server. Downloads go on when it is back.",
    get_again: "Download it again.",
    update: "Update to get it as it is now; what still matches is kept.",
    lost: "Retrying automatically. If this does not help, check that the server runs.",
    silent: "Retrying automatically.",
    log_in: "Log in to go on.",
    log_in_to_proxy: "Open any page in a tab, log in to the proxy there, and try again.",
    other_proxy: " A proxy that your browser uses can be the cause too.",
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
pub fn not_wstp(label: &str, reason: &str) -> Problem {
    told(diagnosis::not_wstp(label, reason))
}

/// Somebody told Chrome that a file is not to be saved.
pub fn cancelled_problem() -> Problem {
    problem("Saving was cancelled in Chrome.", "The file is still here; save it again when you like.")
}

/// Chrome waits for somebody before it goes on with this file, or with so many of a folder.
pub fn waiting_problem(reason: WaitReason, of_folder: Option<usize>) -> Problem {
    let files = match of_folder {
        None => "this file".to_owned(),
        Some(1) => "one of the files".to_owned(),
        Some(count) => format!("{count} of the files"),
    };
    match reason {
        WaitReason::Keep => problem(format!("Chrome asks whether to keep {files}."), "Answer in Chrome's downloads."),
        WaitReason::Paused => problem(
            format!("You or another extension paused {files} in Chrome."),
            "Resume it in Chrome's downloads. Nothing is lost.",
        ),
        WaitReason::Name => problem(
            format!("Chrome waits for a name for {files}."),
            "Answer if it asks where to save. If it does not ask, another extension holds the download.",
        ),
    }
}

/// Chrome saved a file, or one of a folder, elsewhere than it was told to.
pub fn misplaced_problem(path: &str, is_of_folder: bool) -> Problem {
    let file = if is_of_folder { "one of them" } else { "this" };
    problem(
        format!("Chrome saved {file} as {path}, under another name or in another folder than it should."),
        "Another extension probably changed that. The copy in the browser is kept: save it into a folder that you choose, or switch that extension off.",
    )
}

/// Chrome would save the files of a folder elsewhere than it was told to.
pub fn renamed_problem() -> Problem {
    problem(
        "Another extension changes the names of downloads, so the files of this folder would lose theirs.",
        "Nothing was saved. Save it into a folder that you choose, or switch that extension off.",
    )
}

/// Chrome asks for every single file.
pub fn asked_problem() -> Problem {
    problem(
        "Chrome asks where to save each file, or another extension stopped this.",
        "Nothing was saved. Save it into a folder that you choose once for all files.",
    )
}

/// The engine's problem with a server that is called `label`.
pub fn engine_problem(found: &wstp_engine::Problem, label: &str) -> Problem {
    told(words::engine(found, label, &EXTENSION, stored))
}

/// The engine's problem that it waits to pass.
pub fn passing_problem(found: &wstp_engine::Problem, label: &str) -> Problem {
    let advice = match found {
        wstp_engine::Problem::Storage(_) => "It continues once there is space. Nothing that arrived is lost.",
        _ => "It continues once the server has it again. Nothing that arrived is lost.",
    };
    Problem { advice: advice.to_owned(), ..engine_problem(found, label) }
}

/// The engine's problem with one of several servers, called `label`.
pub fn source_problem(found: &wstp_engine::Problem, label: &str) -> Problem {
    use wstp_engine::Problem as P;
    match found {
        P::Changed => problem("It has another file of this name.", "Remove it, or add it again with the right path."),
        P::BadBlocks => problem("It sent bytes that do not belong to this file.", "They were thrown away."),
        P::Protocol(text) => problem(
            format!("What it says can't be understood ({text})."),
            "Remove it, or ask who runs it to update the server.",
        ),
        P::Connection => problem("There is no connection to it.", "Retrying automatically."),
        P::Stalled => problem("It does not answer.", "Retrying automatically."),
        found => engine_problem(found, label),
    }
}

/// The engine's problem with a link of plain HTTP to a file at `label`.
pub fn link_problem(found: &wstp_engine::Problem, label: &str) -> Problem {
    use wstp_engine::Problem as P;
    match found {
        P::Server { text, .. } => problem(sentence(text), "Remove it, or add it again with another link."),
        P::Changed => problem("It has another file under this link.", "Remove it, or add it again with another link."),
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
    const ALLOW: &str = "Ask who runs the server to allow it, then try again.";
    let FolderProblem::Source(wstp_engine::Problem::Server { code, .. }) = found else {
        return folder_problem(found, label);
    };
    match code {
        ErrorCode::NotFound => {
            problem("Gone from the server.", "It was listed, and then moved or deleted. Try again when it is back.")
        }
        ErrorCode::NotAFile => {
            problem("Not a file any more.", "It changed after it was listed. Download the folder again.")
        }
        ErrorCode::NotADirectory => {
            problem("Not a folder any more.", "It changed after it was listed. Download the folder again.")
        }
        ErrorCode::Forbidden => problem("The server may not read it.", ALLOW),
        ErrorCode::UsedUp => {
            problem("What was allowed is used up.", "Ask who runs the server for more, then try again.")
        }
        ErrorCode::InvalidPath => problem("The server refuses this name.", ALLOW),
        ErrorCode::Io => {
            problem("The server's disk failed.", "Ask who runs the server to look at its log, then try again.")
        }
        ErrorCode::Changed => problem("It changes all the time.", "Try again when nobody writes to it."),
        _ => folder_problem(found, label),
    }
}

/// Why something was left out of a folder, unless nothing is missed by that.
pub fn left_out_problem(reason: LeftOut) -> Option<Problem> {
    reason.is_missed().then(|| told(words::left_out(reason, &EXTENSION)))
}

/// A server called `label` refuses who the user is. `had_login` says whether the user was logged in there.
pub fn unauthorized_problem(label: &str, had_login: bool) -> Problem {
    let what = match had_login {
        true => format!("Your login to {label} has ended."),
        false => format!("{label} wants to know who you are."),
    };
    problem(what, EXTENSION.log_in)
}

/// A download waits for a login.
pub fn login_problem(label: &str, had_login: bool) -> Problem {
    Problem {
        advice: "Log in to continue. Nothing that arrived is lost.".to_owned(),
        ..unauthorized_problem(label, had_login)
    }
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
        StoreError::Full => Words::new(
            "There is no space left on this computer.",
            "Make room, then try again. Nothing that arrived is lost.",
        ),
        StoreError::TooLarge => {
            Words::new("The server names a size that no file can have.", "Ask who runs the server what it is.")
        }
        StoreError::Missing => Words::new("The copy in the sandbox is gone.", "Try again to fetch it anew."),
        StoreError::Io => Words::new("The browser could not write to its sandbox.", "Check the disk, then try again."),
    }
}

/// The error for a transfer's files that another version of the extension wrote; this version does not touch them.
pub fn other_version() -> JsValue {
    JsError::new("another version of this extension wrote it").into()
}

/// Why what the sandbox has of a transfer can't be opened.
pub fn unopened_problem(reason: &str) -> Problem {
    problem(
        format!("The browser's copy can't be opened ({}).", sentence(reason)),
        "Try again, or restart the browser. If that does not help, remove it and download it again.",
    )
}

/// The problem to show when a transfer's former files are gone or damaged.
pub fn begun_anew_problem() -> Problem {
    problem("What had arrived of this is missing or damaged.", "The download starts again from the beginning.")
}

/// Why a complete transfer is verified anew.
pub fn recheck_problem() -> Problem {
    problem(
        "The browser's copy may have changed since it was verified.",
        "It is checked before it is saved. Wrong parts are downloaded again.",
    )
}

/// A complete transfer was verified anew, and something was wrong. `found` keeps it from being fetched again.
pub fn refetch_problem(found: Option<Problem>) -> Problem {
    const WRONG: &str = "Part of the browser's copy changed after it was verified.";
    match found {
        None => problem(WRONG, "That part is downloaded again before it is saved. Other downloads are not affected."),
        Some(found) => problem(
            format!("{WRONG} That part can't be downloaded again now. {}", found.what),
            format!("This is not saved until it is right. Other downloads are not affected. {}", found.advice),
        ),
    }
}

/// A transfer was verified anew, and its stored files are not as they were then either.
pub fn changing_problem() -> Problem {
    problem(
        "The browser's copy changed again after it was checked.",
        "It was not saved. Make room on the disk, end other programs that touch the browser's files, then save it again.",
    )
}

/// A transfer of unknown origin has to be fetched again.
pub fn sourceless_problem() -> Problem {
    problem("Nobody knows where this download came from.", "Remove it, and download it again from its server.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_within_a_folder_is_said_in_a_narrow_row() {
        for code in ErrorCode::ALL.iter().copied() {
            let found = wstp_engine::Problem::Server { code, text: "Odd.".to_owned() };
            let told = member_problem(&FolderProblem::Source(found), "a.long.host.example.org:3000");
            assert!(told.what.ends_with('.') && told.advice.ends_with('.'), "{told:?}");
            let ends_the_download = matches!(
                code,
                ErrorCode::Unauthorized
                    | ErrorCode::UnsupportedVersion
                    | ErrorCode::Busy
                    | ErrorCode::ShuttingDown
                    | ErrorCode::ShareGone
            );
            assert!(ends_the_download || told.what.len() <= 30 || told.what.contains("refused"), "{told:?}");
        }
    }

    #[test]
    fn a_source_that_lies_is_told_alike_whatever_it_speaks() {
        use wstp_engine::Problem as P;
        for found in [P::BadBlocks, P::Protocol("x".to_owned()), P::Connection, P::Stalled] {
            let told = [source_problem(&found, "host:3000"), link_problem(&found, "host:3000")];
            assert_eq!(told[0], told[1]);
            // It stands in a row that begins with its name.
            assert!(!told[0].what.contains("host"), "{told:?}");
        }
    }
}
