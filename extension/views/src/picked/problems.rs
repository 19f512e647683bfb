//! The problems of a save into a picked folder, in words.

use wasm_bindgen::JsValue;
use wstp_messages::Problem;

use super::files::error_name;

/// Chrome asks for no folder.
pub(super) fn cant_ask(error: &JsValue) -> Problem {
    match error_name(error).as_str() {
        "NotAllowedError" => told(
            "Chrome already asks for a folder.",
            "Answer there, or press the button again in a moment. Nothing was saved yet.",
        ),
        name => told(
            format!("Chrome does not ask for a folder ({name})."),
            "Press the button again. The copy in the browser is kept.",
        ),
    }
}

/// A file can't be written.
pub(super) fn cant_write(error: &JsValue) -> Problem {
    const KEPT: &str = "The copy in the browser is kept.";
    let advised = |what: &str, advice: &str| told(what, &format!("{advice} {KEPT}"));
    match error_name(error).as_str() {
        "QuotaExceededError" => advised(
            "There is no space left on the disk of that folder.",
            "Make room or pick another folder, and save it again.",
        ),
        // Chrome has this one name for a full disk, a failed one, and one that was taken away.
        "NotReadableError" => advised(
            "A file could not be written. The disk of that folder is full, or failed.",
            "Make room or pick another folder, and save it again.",
        ),
        "NoModificationAllowedError" => advised(
            "That folder takes no new files: it is read-only, or another program locks it.",
            "Pick another folder.",
        ),
        "NotAllowedError" => {
            advised("Chrome may not write into that folder.", "Save it again and allow that, or pick another folder.")
        }
        "NotFoundError" => advised("That folder was moved or deleted.", "Save it again into a folder that is there."),
        name => advised(&format!("A file could not be written ({name})."), "Save it again, or pick another folder."),
    }
}

/// A problem in words.
pub(super) fn told(what: impl Into<String>, advice: &str) -> Problem {
    Problem { what: what.into(), advice: advice.to_owned() }
}
