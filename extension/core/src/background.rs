//! The service worker: everything that only chrome.* can do, and nothing that must be remembered.
//!
//! Chrome ends it after half a minute without events and starts it again for the next one, so each entry point stands alone. That
//! something is left to do is remembered by an alarm of Chrome's, which is there from the creation of the offscreen document until that says it
//! is idle.

use std::cell::{OnceCell, RefCell};
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo_timers::future::sleep;
use js_sys::{Promise, Reflect};
use wasm_bindgen::prelude::*;
use wstp_messages::{ContextName, Inner, Knock, Message, SaveOutcome, TransferId};

use crate::bus::Bus;
use crate::chrome::{self, Download, Sender};
use crate::words::problem;

const ALARM: &str = "watch";
/// How long a catalogue may take to read its journal.
const PATIENCE: Duration = Duration::from_secs(20);

thread_local! {
    static BUS: OnceCell<Bus> = const { OnceCell::new() };
    static CREATING: RefCell<Option<Promise>> = const { RefCell::new(None) };
    static AWAITING: RefCell<Vec<oneshot::Sender<()>>> = const { RefCell::new(Vec::new()) };
}

/// The browser started, or the extension was installed or updated: go on with what was left.
///
/// # Errors
///
/// What Chrome says.
#[wasm_bindgen]
pub async fn handle_start() -> Result<(), JsValue> {
    chrome::set_alarm(ALARM).await?;
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
    let id = Reflect::get(&change, &"id".into())?.as_f64().map(|id| id as i32);
    let has_new_state = Reflect::has(&change, &"state".into())?;
    if let (Some(id), true) = (id, has_new_state)
        && let Some(download) = chrome::find_download(id).await?.filter(Download::is_ours)
    {
        tell(None, id, &download)?;
    }
    Ok(())
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
        Knock::Save { transfer, url, filename } => save(transfer, &url, &filename).await,
        Knock::Ask { transfer, download } => ask(transfer, download).await,
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
    if let Some(creating) = CREATING.with_borrow(Clone::clone) {
        return chrome::settled(creating).await.map(drop);
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

async fn save(transfer: TransferId, url: &str, filename: &str) -> Result<(), JsValue> {
    let id = chrome::download(url, filename).await?;
    say(Inner::Saving { transfer: Some(transfer.clone()), download: Some(id), outcome: SaveOutcome::Begun })?;
    ask(transfer, id).await
}

/// Tells what became of a download: a small file may be saved before anybody knows its download's id.
async fn ask(transfer: TransferId, id: i32) -> Result<(), JsValue> {
    match chrome::find_download(id).await?.filter(Download::is_ours) {
        Some(download) => tell(Some(transfer), id, &download),
        None => {
            let problem = problem("Chrome forgot about saving this file.", "Save it again.");
            say(Inner::Saving {
                transfer: Some(transfer),
                download: Some(id),
                outcome: SaveOutcome::Failed { problem },
            })
        }
    }
}

fn tell(transfer: Option<TransferId>, id: i32, download: &Download) -> Result<(), JsValue> {
    let outcome = match download.state.as_str() {
        "complete" => SaveOutcome::Saved { path: download.filename.clone() },
        "interrupted" => SaveOutcome::Failed { problem: interruption(download.error.as_deref().unwrap_or_default()) },
        _ => return Ok(()),
    };
    say(Inner::Saving { transfer, download: Some(id), outcome })
}

fn interruption(reason: &str) -> wstp_messages::Problem {
    match reason {
        "USER_CANCELED" => {
            problem("Saving was cancelled in Chrome.", "The file is still here; save it again when you like.")
        }
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
