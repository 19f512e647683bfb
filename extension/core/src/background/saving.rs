//! Has Chrome save files, and tells the catalogue what came of each.
//!
//! Other extensions may have a say in the names of downloads. If Chrome names one of ours otherwise than asked, it is
//! undone and begun once more with a listener of our own. That one wins over the listeners of extensions that were
//! installed before. A folder is tried before any of its files, by a download of no bytes with the folder's name. It
//! shows whether the name is free, whether it would be changed, and whether Chrome asks the user.

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::select;
use gloo_timers::callback::Timeout;
use gloo_timers::future::sleep;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use wstp_messages::{Inner, MAX_MISSING, MissingFile, Placed, Problem, SaveOutcome, TransferId, WaitReason};
use wstp_words::phrase;

use super::say;
use crate::chrome::{self, Change, Download, Purpose, Saves};
use crate::chrome_downloads::{Downloads, End, Stage};
use crate::placed::{folder_for, placed};
use crate::words::{asked_problem, cancelled_problem, problem, renamed_problem};

/// Downloads of one transfer that are looked at after a restart: more than the journal may not know of yet.
const LAST_DOWNLOADS: u32 = 256;
/// Chrome names a download at once, unless somebody has to be asked.
const NAMING: Duration = Duration::from_secs(5);
/// Chrome looks at most every ten seconds, in whole seconds, whether files are still there.
const LOOK_AGAIN_MS: u32 = 11_500;
/// After Chrome told of one missing file it may tell of more.
const LOOK_SOON_MS: u32 = 300;
/// How long our own listener stays after the last download that needed it.
const LISTENING_MS: u32 = 3000;

thread_local! {
    /// Downloads this worker has begun. It need not remember them: Chrome can be asked for any.
    static DOWNLOADS: RefCell<Downloads> = RefCell::default();
    /// The next look at which files are missing.
    static LOOK: RefCell<Option<Timeout>> = const { RefCell::new(None) };
    /// Our own listener is there until this ends.
    static LISTENING: RefCell<Option<Timeout>> = const { RefCell::new(None) };
}

/// A download of Chrome's changed, perhaps one of ours.
///
/// # Errors
///
/// The error that Chrome returns.
#[wasm_bindgen]
pub async fn handle_download(change: JsValue) -> Result<(), JsValue> {
    let change: Change = serde_wasm_bindgen::from_value(change)?;
    if change.exists.is_some() {
        look_after(LOOK_SOON_MS);
    }
    match DOWNLOADS.with_borrow_mut(|downloads| downloads.handle(&change)) {
        End::Open => Ok(()),
        End::Saved { transfer, file, path, placed } => {
            say(Inner::Saving { transfer, file, outcome: SaveOutcome::Saved { path, placed } })
        }
        End::Unknown => look_up(change.id).await,
    }
}

/// Somebody took a download from Chrome's list, perhaps one of ours that was under way.
///
/// # Errors
///
/// When nobody can be told.
#[wasm_bindgen]
pub async fn handle_erased(id: i32) -> Result<(), JsValue> {
    let is_told = DOWNLOADS.with_borrow_mut(|downloads| downloads.erased(id));
    if is_told { say(Inner::Forgotten(id)) } else { Ok(()) }
}

/// Tells which saved files are missing, and once more when Chrome can have looked again.
pub(super) async fn look_now() -> Result<(), JsValue> {
    look_after(LOOK_AGAIN_MS);
    look().await
}

fn look_after(milliseconds: u32) {
    let look = || {
        spawn_local(async {
            if let Err(error) = look().await {
                web_sys::console::warn_1(&error);
            }
        });
    };
    LOOK.replace(Some(Timeout::new(milliseconds, look)));
}

async fn look() -> Result<(), JsValue> {
    let missing = chrome::missing_downloads(MAX_MISSING).await?.into_iter();
    let file = |download: Download| Some(MissingFile { transfer: download.saves()?.transfer, path: download.filename });
    say(Inner::Missing(missing.filter_map(file).collect()))
}

/// Tells how a download stands, if it is one of ours or nobody can say.
async fn look_up(id: i32) -> Result<(), JsValue> {
    let Some(download) = chrome::find_download(id).await? else { return say(Inner::Forgotten(id)) };
    match download.saves() {
        Some(saves) => {
            let outcome = outcome(&download, &saves);
            say(Inner::Saving { transfer: saves.transfer, file: saves.file, outcome })
        }
        None => Ok(()),
    }
}

pub(super) async fn save(transfer: TransferId, purpose: Purpose, url: &str, filename: &str) -> Result<(), JsValue> {
    if purpose.file() == 0 {
        chrome::forget_missing(&transfer).await?;
    }
    let begun = begin(&transfer, purpose, url, filename).await;
    let mut told = match begun {
        Ok(id) => {
            let end = DOWNLOADS.with_borrow_mut(|downloads| downloads.judged(id));
            tell_end(transfer, purpose.file(), id, end).await
        }
        Err(error) => Err(error),
    };
    // Whatever came of this one, the others that ended meanwhile are to be told of.
    for id in DOWNLOADS.with_borrow_mut(Downloads::take_unclaimed) {
        told = told.and(look_up(id).await);
    }
    told
}

/// Has Chrome begin a download, and waits until it has a name or somebody seems to be asked for one.
async fn begin(transfer: &TransferId, purpose: Purpose, url: &str, filename: &str) -> Result<i32, JsValue> {
    loop {
        let is_listening = LISTENING.with_borrow(Option::is_some);
        if is_listening {
            listen();
        }
        let id = start(transfer, purpose, url, filename).await?;
        wait(id, Stage::Named).await;
        let is_elsewhere = DOWNLOADS.with_borrow(|downloads| {
            downloads.path(id).is_some_and(|path| placed(filename, path) == Placed::Elsewhere)
        });
        if is_listening || !is_elsewhere {
            return Ok(id);
        }
        undo(id).await?;
        listen();
    }
}

async fn start(transfer: &TransferId, purpose: Purpose, url: &str, filename: &str) -> Result<i32, JsValue> {
    DOWNLOADS.with_borrow_mut(Downloads::starting);
    let begun = chrome::download(transfer, purpose, url, filename).await;
    DOWNLOADS.with_borrow_mut(|downloads| match &begun {
        Ok(id) => downloads.started(*id, transfer.clone(), purpose.file(), filename),
        Err(_) => downloads.refused(),
    });
    begun
}

/// Waits until a download gets so far; not for ever.
async fn wait(id: i32, stage: Stage) {
    let reached = DOWNLOADS.with_borrow_mut(|downloads| downloads.when(id, stage));
    select(reached, Box::pin(sleep(NAMING))).await;
}

/// Takes a download back, as if it had never been.
async fn undo(id: i32) -> Result<(), JsValue> {
    DOWNLOADS.with_borrow_mut(|downloads| downloads.undone(id));
    chrome::undo_download(id).await
}

/// Names our own downloads for the next while.
fn listen() {
    let end = Timeout::new(LISTENING_MS, || {
        // The timer is done; dropping it later would do nothing.
        LISTENING.take().map(Timeout::forget);
        chrome::name_downloads(false);
    });
    if LISTENING.replace(Some(end)).is_none() {
        chrome::name_downloads(true);
    }
}

async fn tell_end(transfer: TransferId, file: u32, id: i32, end: End) -> Result<(), JsValue> {
    let outcome = match end {
        End::Open if DOWNLOADS.with_borrow(|downloads| downloads.path(id).is_some()) => {
            SaveOutcome::Begun { download: id }
        }
        End::Open => SaveOutcome::Waits { download: id, reason: WaitReason::Name },
        End::Saved { path, placed, .. } => SaveOutcome::Saved { path, placed },
        End::Unknown => match chrome::find_download(id).await? {
            Some(download) => match download.saves() {
                Some(saves) => outcome(&download, &saves),
                None => return Ok(()),
            },
            None => SaveOutcome::Failed { problem: cancelled_problem() },
        },
    };
    say(Inner::Saving { transfer, file, outcome })
}

/// Finds out under which name Chrome would save a folder.
pub(super) async fn try_folder(transfer: TransferId, url: &str, folder: &str) -> Result<(), JsValue> {
    chrome::forget_missing(&transfer).await?;
    let id = begin(&transfer, Purpose::Folder, url, folder).await?;
    let path = DOWNLOADS.with_borrow(|downloads| downloads.path(id).map(str::to_owned));
    let folder = match path {
        Some(path) => folder_for(folder, &path).ok_or_else(renamed_problem),
        None => Err(nameless(id).await?),
    };
    if folder.is_ok() {
        // It is removed only when it is there. A name that Chrome fears may never be: then it is cancelled.
        chrome::cancel_download(id).await?;
        wait(id, Stage::Ended).await;
    }
    undo(id).await?;
    say(Inner::FolderTried { transfer, folder })
}

/// Why a download got no name.
async fn nameless(id: i32) -> Result<Problem, JsValue> {
    let error = chrome::find_download(id).await?.and_then(|download| download.error);
    Ok(match error.as_deref() {
        None | Some("USER_CANCELED") => asked_problem(),
        Some(reason) => interruption(reason),
    })
}

/// Tells what Chrome knows of a save that was under way when everything stopped.
pub(super) async fn ask(transfer: TransferId) -> Result<(), JsValue> {
    let mut seen = HashSet::new();
    for download in chrome::last_downloads(&transfer, LAST_DOWNLOADS).await? {
        let Some(saves) = download.saves() else { continue };
        if !seen.insert(saves.file) {
            continue;
        }
        let ended_with_browser = matches!(download.error.as_deref(), Some("CRASH" | "USER_SHUTDOWN"));
        if ended_with_browser {
            // The file is saved once more. Chrome removes the partial file.
            chrome::erase_download(download.id).await?;
            continue;
        }
        let outcome = outcome(&download, &saves);
        say(Inner::Saving { transfer: saves.transfer, file: saves.file, outcome })?;
    }
    say(Inner::Asked(transfer))
}

pub(super) async fn stop(transfer: &TransferId) -> Result<(), JsValue> {
    for download in chrome::last_downloads(transfer, LAST_DOWNLOADS).await? {
        if download.is_open() && download.saves().is_some() {
            chrome::cancel_download(download.id).await?;
        }
    }
    Ok(())
}

fn outcome(download: &Download, saves: &Saves) -> SaveOutcome {
    let id = download.id;
    match download.state.as_str() {
        "complete" => {
            let placed =
                if saves.asked.is_empty() { Placed::AsAsked } else { placed(&saves.asked, &download.filename) };
            SaveOutcome::Saved { path: download.filename.clone(), placed }
        }
        "interrupted" => SaveOutcome::Failed { problem: interruption(download.error.as_deref().unwrap_or_default()) },
        _ if download.is_held() => SaveOutcome::Waits { download: id, reason: WaitReason::Keep },
        _ if download.is_paused() => SaveOutcome::Waits { download: id, reason: WaitReason::Paused },
        _ if download.is_nameless() => SaveOutcome::Waits { download: id, reason: WaitReason::Name },
        _ => SaveOutcome::Begun { download: id },
    }
}

fn interruption(reason: &str) -> Problem {
    let (what, advice) = match reason {
        "USER_CANCELED" => return cancelled_problem(),
        "FILE_NO_SPACE" => (phrase!(disk_full), phrase!(disk_full_advice)),
        "FILE_ACCESS_DENIED" => (phrase!(downloads_not_allowed), phrase!(downloads_not_allowed_advice)),
        "FILE_NAME_TOO_LONG" => (phrase!(name_too_long), phrase!(name_too_long_advice)),
        "FILE_VIRUS_INFECTED" | "FILE_BLOCKED" | "FILE_SECURITY_CHECK_FAILED" => {
            (phrase!(saving_blocked), phrase!(saving_blocked_advice))
        }
        _ => (phrase!(saving_unfinished), phrase!(saving_unfinished_advice)),
    };
    problem(what, advice.and(&phrase!(copy_kept)))
}
