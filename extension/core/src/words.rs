//! What went wrong, in words, and what the user can do about it.

use wasm_bindgen::prelude::*;
use wstp_client::address::AddressError;
use wstp_engine::StoreError;
use wstp_engine::tree::{LeftOut, MAX_DEPTH, TreeProblem};
use wstp_messages::{Problem, WaitReason};
use wstp_protocol::ErrorCode;

/// A problem from its two sentences.
pub fn problem(what: impl Into<String>, advice: impl Into<String>) -> Problem {
    Problem { what: what.into(), advice: advice.into() }
}

/// Why a text is no address.
pub fn address_problem(error: &AddressError) -> Problem {
    use AddressError as E;
    const EXAMPLES: &str = "Type one like 192.168.1.5:3000 or files.example.org.";
    match error {
        E::Empty => problem("No address was typed.", EXAMPLES),
        E::TooLong => problem("That is too long for an address.", "Type the server's alone, and open its folders."),
        E::Scheme(scheme) => problem(
            format!("An address can't begin with {scheme}://."),
            "Type one like 192.168.1.5:3000, ws://192.168.1.5:3000 or wss://files.example.org.",
        ),
        E::Credentials => problem(
            "An address can't hold a user's name or password.",
            "Leave out what stands before the @. The extension can't log in yet.",
        ),
        E::Port => problem("That is not a port.", "After the colon comes a number from 1 to 65535, for example 3000."),
        E::Host => problem("That is not an address.", EXAMPLES),
        E::Path(_) | E::Encoding => problem(
            "What follows the server can't be a folder or file on it.",
            "Type the server alone, and open its folders.",
        ),
    }
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

/// What the engine ran into with a server that is called `label`.
pub fn engine_problem(found: &wstp_engine::Problem, label: &str) -> Problem {
    use wstp_engine::Problem as P;
    match found {
        P::Connection => problem(
            format!("The connection to {label} was lost."),
            "It is tried again by itself. If that does not help, check that the server runs.",
        ),
        P::Protocol(text) => problem(
            format!("What {label} says can't be understood ({text})."),
            "Check that it runs wstp-server, and that both sides are up to date.",
        ),
        P::BadBlocks => problem(
            format!("{label} sent bytes that do not belong to this file."),
            "They were thrown away. Try again, or ask who runs the server.",
        ),
        P::Stalled => problem(format!("{label} does not answer."), "It is tried again by itself."),
        P::Server { code, text } => server_problem(*code, text, label),
        P::Changed => problem(
            "The file changed on the server while it was downloaded.",
            "Update to get it as it is now; what still matches is kept.",
        ),
        P::Storage(error) => store_problem(*error),
    }
}

/// What the engine ran into and waits to pass.
pub fn passing_problem(found: &wstp_engine::Problem, label: &str) -> Problem {
    let advice = match found {
        wstp_engine::Problem::Storage(_) => "It goes on by itself once there is room. Nothing that arrived is lost.",
        _ => "It goes on by itself once the server has it again. Nothing that arrived is lost.",
    };
    Problem { advice: advice.to_owned(), ..engine_problem(found, label) }
}

/// What the engine ran into with one of several servers, called `label`.
pub fn source_problem(found: &wstp_engine::Problem, label: &str) -> Problem {
    use wstp_engine::Problem as P;
    match found {
        P::Changed => problem("It has another file of this name.", "Remove it, or add it again with the right path."),
        P::BadBlocks => problem("It sent bytes that do not belong to this file.", "They were thrown away."),
        P::Protocol(text) => problem(
            format!("What it says can't be understood ({text})."),
            "Remove it, or ask who runs it to update the server.",
        ),
        P::Connection => problem("There is no connection to it.", "It is tried again by itself."),
        P::Stalled => problem("It does not answer.", "It is tried again by itself."),
        found => engine_problem(found, label),
    }
}

/// What the engine ran into with a link of plain HTTP to a file at `label`.
pub fn link_problem(found: &wstp_engine::Problem, label: &str) -> Problem {
    use wstp_engine::Problem as P;
    match found {
        P::Server { text, .. } => problem(one_line(text), "Remove it, or add it again with another link."),
        P::Changed => problem("It has another file under this link.", "Remove it, or add it again with another link."),
        found => source_problem(found, label),
    }
}

/// Describes a problem that the engine met with a folder on a server called `label`.
pub fn tree_problem(found: &TreeProblem, label: &str) -> Problem {
    match found {
        TreeProblem::Source(found) => engine_problem(found, label),
        TreeProblem::TooManyEntries => problem(
            "There are more files than can be downloaded at once. The rest of this folder is left out.",
            "Download this folder by itself.",
        ),
        TreeProblem::EndlessListing => problem(
            format!("{label} lists this folder without an end. The rest of it is left out."),
            "Ask who runs the server.",
        ),
    }
}

/// Why something was left out of a folder, unless nothing is missed by that.
pub fn left_out_problem(reason: LeftOut) -> Option<Problem> {
    match reason {
        LeftOut::Dangling | LeftOut::LeadsOut | LeftOut::Circle => None,
        LeftOut::Unreadable => Some(problem("The server may not read this.", "Ask who runs the server to allow it.")),
        LeftOut::TooDeep => {
            let what = format!("It lies more than {MAX_DEPTH} folders deep.");
            Some(problem(what, "Download it by itself. The other files are not affected."))
        }
        LeftOut::PathTooLong => Some(problem("Its path is too long.", "Download the folder it is in by itself.")),
    }
}

/// What a server called `label` refused, and why.
pub fn server_problem(code: ErrorCode, text: &str, label: &str) -> Problem {
    match code {
        ErrorCode::NotFound => {
            problem("This is no longer on the server.", "Open the folder again to see what is there.")
        }
        ErrorCode::NotAFile => problem("This is not a file.", "Open the folder again to see what is there."),
        ErrorCode::NotADirectory => problem("This is not a folder.", "Go back and open the folder again."),
        ErrorCode::Forbidden => problem("The server may not read this.", "Ask who runs the server to allow it."),
        ErrorCode::Unauthorized => problem(
            format!("{label} wants to know who you are."),
            "This version can't tell it yet. Ask who runs the server to let you in without.",
        ),
        ErrorCode::UnsupportedVersion => problem(
            format!("{label} speaks another version of WSTP."),
            "Update the extension or the server, whichever is older.",
        ),
        ErrorCode::Busy => problem(format!("{label} is busy."), "Try again in a moment."),
        ErrorCode::ShuttingDown => problem(format!("{label} is stopping."), "Try again when it is back."),
        ErrorCode::Io => {
            problem("The server could not read this from its disk.", "Ask who runs the server to look at its log.")
        }
        ErrorCode::ShareGone => problem(
            format!(
                "The folder that {label} shares is not there at the moment: it was removed, or its disk is not mounted."
            ),
            "Ask who runs the server. Downloads go on when it is back.",
        ),
        ErrorCode::Changed => problem("The file changed on the server.", "Download it again."),
        _ => problem(format!("{label} refused: {}", one_line(text)), "Try again."),
    }
}

/// Why the sandbox could not keep something.
pub fn store_problem(error: StoreError) -> Problem {
    match error {
        StoreError::Full => problem(
            "There is no space left on this computer.",
            "Make room, then try again. Nothing that arrived is lost.",
        ),
        StoreError::TooLarge => {
            problem("There can be no file of the size that the server names.", "Ask who runs the server what it is.")
        }
        StoreError::Missing => problem("The copy in the sandbox is gone.", "Try again to fetch it anew."),
        StoreError::Io => problem("The browser could not write to its sandbox.", "Check the disk, then try again."),
    }
}

/// The error for a transfer's files that another version of the extension wrote; this version does not touch them.
pub fn other_version() -> JsValue {
    JsError::new("another version of this extension wrote it").into()
}

/// Why what the sandbox has of a transfer can't be opened.
pub fn unopened_problem(reason: &str) -> Problem {
    problem(
        format!("What the browser holds of this can't be opened ({}).", one_line(reason)),
        "Try again, or restart the browser. Removed from the list, it can be downloaded anew.",
    )
}

/// The problem to show when a transfer's former files are gone or damaged.
pub fn begun_anew_problem() -> Problem {
    problem(
        "What had arrived of this is gone from the browser's storage, or damaged there.",
        "It is fetched again from the beginning.",
    )
}

/// A stranger's words on one line of bounded length.
fn one_line(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    if clean.trim().is_empty() { "it did not say why.".to_owned() } else { clean.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_sentence_and_an_advice() {
        for code in ErrorCode::ALL.iter().copied().chain([ErrorCode::Unknown(999)]) {
            let problem = server_problem(code, "", "host:3000");
            assert!(problem.what.ends_with('.'), "{code:?}");
            assert!(problem.advice.ends_with('.'), "{code:?}");
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

    #[test]
    fn a_strangers_words_stay_on_one_short_line() {
        let problem = server_problem(ErrorCode::Unknown(999), &"a\nb".repeat(1000), "host");
        assert!(!problem.what.contains('\n'));
        assert!(problem.what.len() < 300);
    }
}
