//! The service worker: everything that only chrome.* can do, and nothing that must be remembered.
//!
//! Chrome ends it after half a minute without events and starts it again for the next one, so each entry point stands
//! alone. An alarm of Chrome's remembers that work is left. It exists from the creation of the offscreen document until
//! that document says it is idle.

use std::cell::{OnceCell, RefCell};
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo_timers::future::sleep;
use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wstp_bus::Bus;
use wstp_messages::{ContextName, Inner, Knock, Message, decode_text};

use crate::chrome::{self, Purpose, Sender};

mod saving;

const ALARM: &str = "watch";
/// How long a catalogue may take to read its journal.
const PATIENCE: Duration = Duration::from_secs(20);

thread_local! {
    static BUS: OnceCell<Bus> = const { OnceCell::new() };
    static CREATING: RefCell<Option<Promise>> = const { RefCell::new(None) };
    static AWAITING: RefCell<Vec<oneshot::Sender<()>>> = const { RefCell::new(Vec::new()) };
}

/// The browser started, or the extension was installed or updated: go on with what was left, in the offscreen document
/// that is `creating`.
///
/// # Errors
///
/// Chrome's error.
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
/// Chrome's error.
#[wasm_bindgen]
pub async fn handle_alarm() -> Result<(), JsValue> {
    ensure_offscreen().await
}

/// The user clicked a notice: show the list.
///
/// # Errors
///
/// Chrome's error.
#[wasm_bindgen]
pub async fn handle_click(notice: String) -> Result<(), JsValue> {
    chrome::clear_notice(&notice).await?;
    chrome::open_tab("manager.html").await
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
    let knock = message.as_string().and_then(|text| decode_text(&text));
    match knock.ok_or_else(|| JsError::new("this is no knock"))? {
        Knock::Wake => wake().await,
        Knock::Look => saving::look_now().await,
        Knock::Save { transfer, file, url, filename } => {
            saving::save(transfer, Purpose::File(file), &url, &filename).await
        }
        Knock::TryFolder { transfer, url, folder } => saving::try_folder(transfer, &url, &folder).await,
        Knock::Ask { transfer } => saving::ask(transfer).await,
        Knock::StopSaving { transfer } => saving::stop(&transfer).await,
        Knock::Badge { text } => chrome::set_badge(&text).await,
        Knock::Notify { transfer, title, text } => chrome::notify(&transfer.0, &title.say(), &text.say()).await,
        Knock::KeepCopy { copy } => chrome::keep_copy(&copy).await,
        Knock::KeepLogins { logins } => chrome::keep_logins(&logins).await,
        Knock::AskLogins => say(Inner::Logins(chrome::logins().await?)),
        Knock::AskCopy => say(Inner::Copy(chrome::copy().await?)),
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

fn say(inner: Inner) -> Result<(), JsValue> {
    BUS.with(|bus| {
        if bus.get().is_none() {
            let _ = bus.set(Bus::open(&["Alive"], |message| {
                if message == Message::Inner(Inner::Alive(ContextName::Catalogue)) {
                    for awaiting in AWAITING.take() {
                        // The caller may have lost patience.
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
