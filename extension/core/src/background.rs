//! The service worker: everything that only chrome.* can do, and nothing that must be remembered.
//!
//! Chrome ends it after half a minute without events and starts it again for the next one, so each entry point stands alone. That
//! something is left to do is remembered by an alarm of Chrome's, which is there from the creation of the offscreen document until that says it
//! is idle.

use std::cell::{OnceCell, RefCell};
use std::collections::HashSet;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo_timers::future::sleep;
use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wstp_bus::Bus;
use wstp_messages::{ContextName, Inner, Knock, Message, SaveOutcome, TransferId};

use crate::chrome::{self, Change, Download, Sender};
use crate::chrome_downloads::{Downloads, End};
use crate::words::{cancelled_problem, problem};

const ALARM: &str = "watch";
/// How long a catalogue may take to read its journal.
const PATIENCE: Duration = Duration::from_secs(20);
/// Downloads of one transfer that are looked at after a restart: more than the journal may not know of yet.
const LAST_DOWNLOADS: u32 = 256;

thread_local! {
    static BUS: OnceCell<Bus> = const { OnceCell::new() };
    static CREATING: RefCell<Option<Promise>> = const { RefCell::new(None) };
    /// Downloads this worker has begun. It need not remember them: Chrome can be asked for any.
    static DOWNLOADS: RefCell<Downloads> = RefCell::default();
    static AWAITING: RefCell<Vec<oneshot::Sender<()>>> = const { RefCell::new(Vec::new()) };
}

/// The browser started, or the extension was installed or updated: go on with what was left, in the offscreen document that is `creating`.
///
/// # Errors
///
/// What Chrome says.
#[wasm_bindgen]
pub async fn handle_start(creating: Promise) -> Result<(), JsValue> {
    let is_first = CREATING.with_borrow(Option::is_none);
    if is_first {
        CREATING.set(Some(creating.clone()));
    }
    chrome::set_alarm(ALARM).await?;
    // It fails if somebody else was faster, which is as good.
    let _ = chrome::settled(creating).await;
    if is_first {
        CREATING.set(None);
    }
    ensure_offscreen().await
}

/// Half a minute passed with something left to do: the offscreen document must be there.
///
/// # Errors
///
/// What Chrome says.
#[wasm_bindgen]
pub async fn handle_alarm() -> Result<(), JsValue> {
    ensure_offscreen().await
}

/// The user clicked a notice: show the list.
///
/// # Errors
///
/// What Chrome says.
#[wasm_bindgen]
pub async fn handle_click(notice: String) -> Result<(), JsValue> {
    chrome::clear_notice(&notice).await?;
    chrome::open_tab("manager.html").await
}

/// A download of Chrome's changed, perhaps one of ours.
///
/// # Errors
///
/// What Chrome says.
#[wasm_bindgen]
pub async fn handle_download(change: JsValue) -> Result<(), JsValue> {
    let change: Change = serde_wasm_bindgen::from_value(change)?;
    match DOWNLOADS.with_borrow_mut(|downloads| downloads.handle(&change)) {
        End::Open => Ok(()),
        End::Saved(transfer, file, path) => say(Inner::Saving { transfer, file, outcome: SaveOutcome::Saved { path } }),
        End::Unknown => look_up(change.id).await,
    }
}

/// Tells how a download stands, if it is one of ours or nobody can say.
async fn look_up(id: i32) -> Result<(), JsValue> {
    let Some(download) = chrome::find_download(id).await? else { return say(Inner::Forgotten(id)) };
    match download.saves() {
        Some((transfer, file)) => say(Inner::Saving { transfer, file, outcome: outcome(&download) }),
        None => Ok(()),
    }
}

/// A page of the extension knocks.
///
/// # Errors
///
/// When the sender is somebody else, or Chrome can't do it.
#[wasm_bindgen]
pub async fn handle_message(message: JsValue, sender: JsValue) -> Result<(), JsValue> {
    let sender: Sender = serde_wasm_bindgen::from_value(sender)?;
    if !sender.is_ours() {
        return Err(JsError::new("only the extension's own pages may knock").into());
    }
    match serde_wasm_bindgen::from_value(message)? {
        Knock::Wake => wake().await,
        Knock::Save { transfer, file, url, filename } => save(transfer, file, &url, &filename).await,
        Knock::Ask { transfer } => ask(transfer).await,
        Knock::StopSaving { transfer } => stop_saving(&transfer).await,
        Knock::Badge { text } => chrome::set_badge(&text).await,
        Knock::Notify { transfer, title, text } => chrome::notify(&transfer.0, &title, &text).await,
        Knock::Idle => rest().await,
    }
}

/// Sees to it that the catalogue runs and listens.
async fn wake() -> Result<(), JsValue> {
    ensure_offscreen().await?;
    if !catalogue_answers().await? {
        let _ = chrome::close_offscreen().await;
        ensure_offscreen().await?;
        if !catalogue_answers().await? {
            return Err(JsError::new("the list of downloads could not be opened").into());
        }
    }
    Ok(())
}

async fn catalogue_answers() -> Result<bool, JsValue> {
    let (sender, answer) = oneshot::channel();
    AWAITING.with_borrow_mut(|awaiting| awaiting.push(sender));
    say(Inner::Hail)?;
    Ok(matches!(select(answer, Box::pin(sleep(PATIENCE))).await, Either::Left((Ok(()), _))))
}

/// Creates the offscreen document if it is not there. Two calls at once create one.
async fn ensure_offscreen() -> Result<(), JsValue> {
    if let Some(creating) = CREATING.with_borrow(Clone::clone)
        && chrome::settled(creating).await.is_ok()
    {
        return Ok(());
    }
    if chrome::count_contexts(&["OFFSCREEN_DOCUMENT"]).await? > 0 {
        return Ok(());
    }
    let creating = match CREATING.with_borrow(Clone::clone) {
        Some(creating) => creating,
        None => {
            let creating = chrome::create_offscreen()?;
            CREATING.set(Some(creating.clone()));
            creating
        }
    };
    let created = chrome::settled(creating).await;
    CREATING.set(None);
    created?;
    chrome::set_alarm(ALARM).await
}

/// Nothing is left to do; unless somebody watches, the offscreen document is closed.
async fn rest() -> Result<(), JsValue> {
    if chrome::count_contexts(&["TAB", "POPUP"]).await? == 0 {
        chrome::clear_alarm(ALARM).await?;
        chrome::close_offscreen().await?;
    }
    Ok(())
}

async fn save(transfer: TransferId, file: u32, url: &str, filename: &str) -> Result<(), JsValue> {
    DOWNLOADS.with_borrow_mut(Downloads::starting);
    let begun = chrome::download(&transfer, file, url, filename).await;
    // A small file may be there already.
    let end = DOWNLOADS.with_borrow_mut(|downloads| match begun {
        Ok(id) => Ok((id, downloads.started(id, transfer.clone(), file))),
        Err(error) => {
            downloads.refused();
            Err(error)
        }
    });
    let mut told = match end {
        Ok((id, end)) => tell_end(transfer, file, id, end).await,
        Err(error) => Err(error),
    };
    // Whatever came of this one, the others that ended meanwhile are to be told of.
    for id in DOWNLOADS.with_borrow_mut(Downloads::take_unclaimed) {
        told = told.and(look_up(id).await);
    }
    told
}

async fn tell_end(transfer: TransferId, file: u32, id: i32, end: End) -> Result<(), JsValue> {
    let outcome = match end {
        End::Open => SaveOutcome::Begun,
        End::Saved(_, _, path) => SaveOutcome::Saved { path },
        End::Unknown => match chrome::find_download(id).await? {
            Some(download) => outcome(&download),
            None => SaveOutcome::Failed { problem: problem("Chrome forgot about saving this.", "Save it again.") },
        },
    };
    say(Inner::Saving { transfer, file, outcome })
}

/// Tells what Chrome knows of a save that was under way when everything stopped. What ended with the browser is as good as not begun.
async fn ask(transfer: TransferId) -> Result<(), JsValue> {
    let mut seen = HashSet::new();
    for download in chrome::last_downloads(&transfer, LAST_DOWNLOADS).await? {
        let Some((transfer, file)) = download.saves() else { continue };
        let ended_with_browser = matches!(download.error.as_deref(), Some("CRASH" | "USER_SHUTDOWN"));
        if seen.insert(file) && !ended_with_browser {
            say(Inner::Saving { transfer, file, outcome: outcome(&download) })?;
        }
    }
    say(Inner::Asked(transfer))
}

async fn stop_saving(transfer: &TransferId) -> Result<(), JsValue> {
    for download in chrome::last_downloads(transfer, LAST_DOWNLOADS).await? {
        if download.is_open() && download.saves().is_some() {
            chrome::cancel_download(download.id).await?;
        }
    }
    Ok(())
}

fn outcome(download: &Download) -> SaveOutcome {
    match download.state.as_str() {
        "complete" => SaveOutcome::Saved { path: download.filename.clone() },
        "interrupted" => SaveOutcome::Failed { problem: interruption(download.error.as_deref().unwrap_or_default()) },
        _ if download.is_held() => SaveOutcome::Held { download: download.id },
        _ => SaveOutcome::Begun,
    }
}

fn interruption(reason: &str) -> wstp_messages::Problem {
    match reason {
        "USER_CANCELED" => cancelled_problem(),
        "FILE_NO_SPACE" => problem("There is no space left on the disk.", "Make room, then save it again."),
        "FILE_ACCESS_DENIED" => problem(
            "Chrome may not write to the downloads folder.",
            "Choose another folder in Chrome's settings, then save again.",
        ),
        "FILE_NAME_TOO_LONG" => problem(
            "The name of the file is too long for this disk.",
            "Choose a shorter downloads folder, then save again.",
        ),
        _ => problem("Chrome did not finish saving the file.", "Save it again."),
    }
}

fn say(inner: Inner) -> Result<(), JsValue> {
    BUS.with(|bus| {
        if bus.get().is_none() {
            let _ = bus.set(Bus::open(&["Alive"], |message| {
                if message == Message::Inner(Inner::Alive(ContextName::Catalogue)) {
                    for awaiting in AWAITING.take() {
                        // Whoever asked may have lost patience.
                        let _ = awaiting.send(());
                    }
                }
            })?);
        }
        if let Some(bus) = bus.get() {
            bus.send_inner(inner);
        }
        Ok(())
    })
}
