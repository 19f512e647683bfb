//! The trouble with a transfer, and the user's way out of it.

use wstp_messages::{MAX_MISSING, RoomView, TransferView};
use wstp_ui::transfer_row::Trouble;
use wstp_words::{Arg, Phrase, phrase, say};

use super::{is_complete, is_gone};

pub(super) fn trouble(view: &TransferView) -> Option<Trouble> {
    let told = view.problem.as_ref();
    let told = told.map(|problem| Trouble { what: problem.what.say(), advice: problem.advice.say() });
    let lacking = view.folder.map_or(0, |folder| folder.problems);
    let missing = || (view.missing > 0).then(|| moved_away(view));
    let beside = || (view.beside > 0 && is_complete(view)).then(|| beside(view));
    told.or_else(missing)
        .or_else(beside)
        .or_else(|| view.lacks.as_ref().filter(|lacks| lacks.needed > 0).map(room))
        .or_else(|| {
            let what = || say!(entries_not_downloaded, Arg::Count(lacking));
            (lacking > 0).then(|| Trouble { what: what(), advice: say!(open_this_row) })
        })
}

/// Says that files of a folder have a second copy.
fn beside(view: &TransferView) -> Trouble {
    let again = if view.in_sandbox { phrase!(save_all_again) } else { Phrase::default() };
    Trouble { what: say!(files_beside, Arg::Count(view.beside)), advice: phrase!(files_beside_why).and(&again).say() }
}

/// Says that a saved file is no longer in its place.
fn moved_away(view: &TransferView) -> Trouble {
    let place = view.saved_as.as_deref().unwrap_or_default();
    let missing = Arg::Count(view.missing);
    let what = match view.folder {
        None => phrase!(file_gone, place),
        Some(_) if is_gone(view) => phrase!(folder_gone, place),
        Some(_) if view.missing >= u64::from(MAX_MISSING) => phrase!(files_gone_at_least, missing, place),
        Some(_) => phrase!(files_gone, missing, place),
    };
    let again = match (view.in_sandbox, view.folder.is_some()) {
        (true, false) => phrase!(file_still_here),
        (true, true) => phrase!(folder_still_here),
        (false, _) if view.server.is_empty() => phrase!(copy_freed),
        (false, _) => phrase!(copy_freed_download_again),
    };
    Trouble { what: what.say(), advice: phrase!(moved_by_someone).and(&again).say() }
}

/// There is no room for a transfer to begin.
pub(super) fn room(lacks: &RoomView) -> Trouble {
    let RoomView { needed, to_save, is_least, free, promised } = *lacks;
    let size = if is_least { phrase!(at_least, Arg::Bytes(needed)) } else { phrase!(size, Arg::Bytes(needed)) };
    let what = match needed == to_save {
        true => phrase!(needs_room_twice, &size),
        false => phrase!(needs_room, &size, Arg::Bytes(to_save)),
    };
    let free = match promised {
        0 => phrase!(room_free, Arg::Bytes(free)),
        promised => phrase!(room_promised, Arg::Bytes(free), Arg::Bytes(promised)),
    };
    Trouble { what: what.say(), advice: free.and(&phrase!(starts_with_room)).say() }
}
