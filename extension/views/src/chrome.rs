//! The extension's API of the browser, as far as views use it. The only module of this crate that touches chrome.*.

use std::time::Duration;

use futures_channel::oneshot;
use js_sys::{Array, Object, Reflect};
use leptos::prelude::set_timeout;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use wstp_messages::{Knock, encode_text};
use wstp_words::say;

/// Chrome needs no longer to look for a file.
const LOOKING: Duration = Duration::from_millis(200);

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["chrome", "runtime"], js_name = sendMessage, catch)]
    async fn runtime_send(message: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "tabs"], js_name = create, catch)]
    async fn tabs_create(properties: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "downloads"], js_name = search, catch)]
    async fn downloads_search(query: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "downloads"], js_name = show, catch)]
    fn downloads_show(id: i32) -> Result<(), JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "storage", "local"], js_name = get, catch)]
    async fn storage_get(key: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "storage", "local"], js_name = set, catch)]
    async fn storage_set(items: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "storage", "onChanged"], js_name = addListener)]
    fn on_storage_change(listener: &JsValue);
}

/// The name of the chosen language in chrome.storage; `manifest/language.js` reads it.
const LANGUAGE: &str = "language";

/// The language that the user chose; empty for the browser's.
pub async fn language() -> String {
    let stored = storage_get(LANGUAGE).await.and_then(|stored| Reflect::get(&stored, &LANGUAGE.into()));
    stored.ok().and_then(|language| language.as_string()).unwrap_or_default()
}

/// Remembers the language that the user chose. Every page begins anew in it.
pub fn keep_language(language: String) {
    spawn_local(async move {
        // A page that did not begin anew shows that it failed.
        let _ = storage_set(&object(LANGUAGE, &language.into())).await;
    });
}

/// Calls `changed` whenever the user chooses another language, for as long as the page lives.
pub fn on_language(changed: impl Fn() + 'static) {
    let listener = Closure::<dyn Fn(JsValue)>::new(move |changes: JsValue| {
        if Reflect::has(&changes, &LANGUAGE.into()) == Ok(true) {
            changed();
        }
    });
    on_storage_change(&listener.into_js_value());
}

/// Asks the service worker for something and waits until it is done.
///
/// # Errors
///
/// Its answer, or Chrome's error if it can't be reached.
pub async fn knock(knock: &Knock) -> Result<(), String> {
    let answer = runtime_send(&encode_text(knock).into()).await.map_err(|error| words(&error))?;
    match Reflect::get(&answer, &"error".into()) {
        Ok(error) if !error.is_undefined() => Err(words(&error)),
        _ => Ok(()),
    }
}

/// Opens a page of the extension, or any other, in a tab of its own.
///
/// # Errors
///
/// Chrome's error.
pub async fn open_tab(page: &str) -> Result<(), String> {
    tabs_create(&object("url", &page.into())).await.map(drop).map_err(|error| words(&error))
}

/// Bytes that the extension has stored in this browser, as far as the browser tells.
pub async fn bytes_stored() -> Option<u64> {
    let estimate = JsFuture::from(web_sys::window()?.navigator().storage().estimate().ok()?).await.ok()?;
    Reflect::get(&estimate, &"usage".into()).ok()?.as_f64().map(|bytes| bytes as u64)
}

/// Copies a text to the clipboard.
pub fn copy(text: &str) {
    let clipboard = web_sys::window().map(|window| window.navigator().clipboard());
    // A page in front may always do so.
    drop(clipboard.map(|clipboard| clipboard.write_text(text)));
}

/// Has it found out which saved files are no longer on the disk; the rows say so.
pub fn look() {
    spawn_local(async {
        // Without an answer the rows say what was known before.
        let _ = knock(&Knock::Look).await;
    });
}

/// Shows a file that Chrome saved, or one in a folder that it saved, in the system's file manager.
///
/// # Errors
///
/// When Chrome knows no such file any more, or it is no longer there.
pub async fn show_saved(path: &str) -> Result<(), String> {
    let query = object("query", &Array::of1(&path.into()));
    // Chrome looks whether files are there because it is asked, and answers before it has.
    downloads_search(&query).await.map_err(|error| words(&error))?;
    let (sender, looked) = oneshot::channel();
    let end = move || {
        // Nobody waits any more only when the page is closed.
        let _ = sender.send(());
    };
    set_timeout(end, LOOKING);
    let _ = looked.await;
    let found = downloads_search(&query).await.map_err(|error| words(&error))?;
    let found = Array::from(&found);
    let exists = |item: &JsValue| Reflect::get(item, &"exists".into()).is_ok_and(|exists| exists.is_truthy());
    let last = found.iter().rfind(exists);
    let reason = if found.length() == 0 { say!(chrome_lists_no_more) } else { say!(no_longer_there) };
    let id = last.and_then(|last| Reflect::get(&last, &"id".into()).ok()?.as_f64()).ok_or(reason)?;
    downloads_show(id as i32).map_err(|error| words(&error))
}

fn object(name: &str, value: &JsValue) -> JsValue {
    let object = Object::new();
    // Setting a property of a new plain object can't fail.
    let _ = Reflect::set(&object, &name.into(), value);
    object.into()
}

fn words(error: &JsValue) -> String {
    let message = Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
    message.or_else(|| error.as_string()).unwrap_or_else(|| say!(chrome_no_reason))
}
