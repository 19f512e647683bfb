//! The problems of a save into a picked folder, in words.

use wasm_bindgen::JsValue;
use wstp_messages::Problem;
use wstp_words::{Phrase, phrase};

use super::files::error_name;

/// Chrome asks for no folder.
pub(super) fn cant_ask(error: &JsValue) -> Problem {
    match error_name(error).as_str() {
        "NotAllowedError" => told(phrase!(chrome_asks_already), phrase!(answer_there)),
        name => told(phrase!(chrome_asks_not, name), phrase!(press_again).and(&phrase!(copy_kept))),
    }
}

/// A file can't be written.
pub(super) fn cant_write(error: &JsValue) -> Problem {
    let advised = |what, advice: Phrase| told(what, advice.and(&phrase!(copy_kept)));
    match error_name(error).as_str() {
        "QuotaExceededError" => advised(phrase!(folder_disk_full), phrase!(room_or_other_folder)),
        // Chrome has this one name for a full disk, a failed one, and one that was taken away.
        "NotReadableError" => advised(phrase!(folder_disk_failed), phrase!(room_or_other_folder)),
        "NoModificationAllowedError" => advised(phrase!(folder_read_only), phrase!(pick_another)),
        "NotAllowedError" => advised(phrase!(folder_not_allowed), phrase!(folder_not_allowed_advice)),
        "NotFoundError" => advised(phrase!(folder_moved), phrase!(folder_moved_advice)),
        name => advised(phrase!(file_not_written, name), phrase!(save_again_or_pick)),
    }
}

/// A problem in words.
pub(super) const fn told(what: Phrase, advice: Phrase) -> Problem {
    Problem { what, advice }
}
