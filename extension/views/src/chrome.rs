//! The extension's API of the browser, as far as views use it. The only module of this crate that touches chrome.*.

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::prelude::*;
use wstp_messages::Knock;

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
}

/// Asks the service worker for something and waits until it is done.
///
/// # Errors
///
/// What it says, or Chrome where it can't be reached.
pub async fn knock(knock: &Knock) -> Result<(), String> {
    let message = serde_wasm_bindgen::to_value(knock).map_err(|error| error.to_string())?;
    let answer = runtime_send(&message).await.map_err(|error| words(&error))?;
    match Reflect::get(&answer, &"error".into()) {
        Ok(error) if !error.is_undefined() => Err(words(&error)),
        _ => Ok(()),
    }
}

/// Opens a page of the extension, or any other, in a tab of its own.
///
/// # Errors
///
/// What Chrome says.
pub async fn open_tab(page: &str) -> Result<(), String> {
    tabs_create(&object("url", &page.into())).await.map(drop).map_err(|error| words(&error))
}

/// Shows a file that Chrome saved, or one in a folder that it saved, in the system's file manager.
///
/// # Errors
///
/// When Chrome knows no such file any more.
pub async fn show_saved(path: &str) -> Result<(), String> {
    let query = Array::of1(&path.into());
    let found = downloads_search(&object("query", &query)).await.map_err(|error| words(&error))?;
    let last = Array::from(&found).pop();
    let id = Reflect::get(&last, &"id".into()).ok().and_then(|id| id.as_f64());
    let id = id.ok_or_else(|| "Chrome no longer lists it.".to_owned())?;
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
    message.or_else(|| error.as_string()).unwrap_or_else(|| "Chrome gave no reason.".to_owned())
}
