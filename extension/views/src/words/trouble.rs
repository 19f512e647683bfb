//! The trouble with a transfer, and the user's way out of it.

use wstp_messages::{MAX_MISSING, RoomView, TransferView};
use wstp_ui::format::{bytes, count, grouped};
use wstp_ui::transfer_row::Trouble;

use super::{is_complete, is_gone};

pub(super) fn trouble(view: &TransferView) -> Option<Trouble> {
    let told = view.problem.as_ref();
    let told = told.map(|problem| Trouble { what: problem.what.clone(), advice: problem.advice.clone() });
    let lacking = view.folder.map_or(0, |folder| folder.problems);
    let missing = || (view.missing > 0).then(|| moved_away(view));
    let beside = || (view.beside > 0 && is_complete(view)).then(|| beside(view));
    told.or_else(missing)
        .or_else(beside)
        .or_else(|| view.lacks.as_ref().filter(|lacks| lacks.needed > 0).map(room))
        .or_else(|| {
            (lacking > 0).then(|| Trouble {
                what: format!("{} could not be downloaded.", count(lacking, "file or folder", "files or folders")),
                advice: "Open this row to see which and why, then try again.".to_owned(),
            })
        })
}

/// Says that files of a folder have a second copy.
fn beside(view: &TransferView) -> Trouble {
    let again = if view.in_sandbox { " Save it again to get all of it in a new folder." } else { "" };
    Trouble {
        what: format!("{} in that folder also under a second name, such as a (1).txt.", are(view.beside)),
        advice: format!(
            "A file of the first name was there: cut off when the browser ended, or yours. It was left as it is. \
             The file of the second name is complete.{again}"
        ),
    }
}

fn are(files: u64) -> String {
    if files == 1 { "One file is".to_owned() } else { format!("{} files are", grouped(files)) }
}

/// Says that a saved file is no longer in its place.
fn moved_away(view: &TransferView) -> Trouble {
    let place = view.saved_as.as_deref().unwrap_or_default();
    let what = match view.folder {
        None => format!("This was saved as {place} and is no longer there."),
        Some(_) if is_gone(view) => format!("This was saved in {place}, and its files are no longer there."),
        Some(_) if view.missing == 1 => format!("One of the files saved in {place} is no longer there."),
        Some(_) => format!("{} of the files saved in {place} are no longer there.", missing_count(view)),
    };
    let again = match (view.in_sandbox, view.folder.is_some()) {
        (true, false) => "The browser still has a copy: save it again if you need it.",
        (true, true) => "The browser still has a copy: save it again to get all of it in a new folder.",
        (false, _) if view.server.is_empty() => "The browser's copy was freed when it was saved.",
        (false, _) => "The browser's copy was freed when it was saved: download it again if you need it.",
    };
    Trouble { what, advice: format!("You or another program moved, renamed or deleted it. {again}") }
}

fn missing_count(view: &TransferView) -> String {
    let least = if view.missing >= u64::from(MAX_MISSING) { "At least " } else { "" };
    format!("{least}{}", grouped(view.missing))
}

/// There is no room for a transfer to begin.
pub(super) fn room(lacks: &RoomView) -> Trouble {
    let RoomView { needed, to_save, is_least, free, promised } = *lacks;
    let least = if is_least { "at least " } else { "" };
    let again = if needed == to_save { "as much".to_owned() } else { bytes(to_save) };
    let others = match promised {
        0 => String::new(),
        promised => format!(", and other downloads still need {} of that", bytes(promised)),
    };
    Trouble {
        what: format!("This needs {least}{} in the browser, and {again} again while it is saved.", bytes(needed)),
        advice: format!(
            "{} are free on the browser's disk{others}. It starts when there is space, or when you choose Start anyway.",
            bytes(free)
        ),
    }
}
