//! The extension's API of the browser, as far as it is used here. The only module that touches chrome.*.

use js_sys::{Array, Object, Promise, Reflect, decode_uri_component, encode_uri_component};
use serde::{Deserialize, Serialize};
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wstp_messages::{Knock, Login, TransferId, encode_text};
use wstp_words::shown;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["chrome", "runtime"], js_name = id, thread_local_v2)]
    static RUNTIME_ID: String;
    #[wasm_bindgen(js_namespace = ["chrome", "runtime"], js_name = getURL)]
    fn runtime_url(path: &str) -> String;
    #[wasm_bindgen(js_namespace = ["chrome", "runtime"], js_name = sendMessage, catch)]
    async fn runtime_send(message: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "runtime"], js_name = getContexts, catch)]
    async fn runtime_contexts(filter: &JsValue) -> Result<JsValue, JsValue>;
    /// Creates the offscreen document; the service worker's script, which has this function, does so by itself when the
    /// browser starts.
    ///
    /// # Errors
    ///
    /// When there is one, or Chrome can't; of that the promise tells.
    #[wasm_bindgen(js_name = createOffscreen, catch)]
    pub fn create_offscreen() -> Result<Promise, JsValue>;
    /// Begins or ends to name our own downloads, in the service worker's script.
    #[wasm_bindgen(js_name = nameDownloads)]
    pub fn name_downloads(on: bool);
    #[wasm_bindgen(js_namespace = ["chrome", "offscreen"], js_name = closeDocument, catch)]
    async fn offscreen_close() -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "downloads"], js_name = download, catch)]
    async fn downloads_download(options: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "downloads"], js_name = search, catch)]
    async fn downloads_search(query: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "downloads"], js_name = cancel, catch)]
    async fn downloads_cancel(id: i32) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "downloads"], js_name = removeFile, catch)]
    async fn downloads_remove_file(id: i32) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "downloads"], js_name = erase, catch)]
    async fn downloads_erase(query: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "alarms"], js_name = create, catch)]
    async fn alarms_create(name: &str, info: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "alarms"], js_name = clear, catch)]
    async fn alarms_clear(name: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "action"], js_name = setBadgeText, catch)]
    async fn action_badge(details: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "notifications"], js_name = create, catch)]
    async fn notifications_create(id: &str, options: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "notifications"], js_name = clear, catch)]
    async fn notifications_clear(id: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "storage", "local"], js_name = set, catch)]
    async fn storage_set(items: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "storage", "local"], js_name = get, catch)]
    async fn storage_get(key: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "storage", "local"], js_name = setAccessLevel, catch)]
    async fn storage_access(level: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "tabs"], js_name = create, catch)]
    async fn tabs_create(properties: &JsValue) -> Result<JsValue, JsValue>;
}

/// The name of the copy in chrome.storage.
const COPY: &str = "list";
/// The name of the logins there.
const LOGINS: &str = "logins";

/// Who sent a message.
#[derive(Debug, Deserialize)]
pub struct Sender {
    id: Option<String>,
    url: Option<String>,
}

impl Sender {
    /// Whether it is a page of this extension.
    pub fn is_ours(&self) -> bool {
        let ours = RUNTIME_ID.with(|id| self.id.as_deref() == Some(id.as_str()));
        ours && self.url.as_deref().is_some_and(|url| url.starts_with(&runtime_url("")))
    }
}

/// A download of Chrome's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Download {
    /// Chrome's id of it.
    pub id: i32,
    url: String,
    /// `in_progress`, `interrupted` or `complete`.
    pub state: String,
    /// The path on the user's disk.
    pub filename: String,
    /// Why it was interrupted.
    pub error: Option<String>,
    danger: String,
    paused: bool,
    by_extension_id: Option<String>,
}

/// The file that a download of ours saves.
#[derive(Debug)]
pub struct Saves {
    /// The transfer.
    pub transfer: TransferId,
    /// Which file of it.
    pub file: u32,
    /// Target path, relative to the downloads folder; empty if an older build began the download.
    pub asked: String,
}

impl Download {
    /// The file that it saves, if this extension began it.
    pub fn saves(&self) -> Option<Saves> {
        let is_ours = RUNTIME_ID.with(|id| self.by_extension_id.as_deref() == Some(id.as_str()));
        let (_, mark) = self.url.rsplit_once('#').filter(|_| is_ours)?;
        let mut parts = mark.split('/');
        let (transfer, file) = (parts.next()?, parts.next()?);
        let asked = parts.next().and_then(|asked| decode_uri_component(asked).ok()).map(String::from);
        Some(Saves {
            transfer: TransferId(transfer.to_owned()),
            file: file.parse().ok()?,
            asked: asked.unwrap_or_default(),
        })
    }

    /// Whether Chrome is not done with it.
    pub fn is_open(&self) -> bool {
        self.state == "in_progress"
    }

    /// Whether somebody paused it.
    pub fn is_paused(&self) -> bool {
        self.is_open() && self.paused
    }

    /// Whether Chrome does not know yet what the file is to be called.
    pub fn is_nameless(&self) -> bool {
        self.is_open() && self.filename.is_empty()
    }

    /// Whether Chrome waits for the user to say that it is to be kept. Chrome has many words for why, and more with
    /// each year.
    pub fn is_held(&self) -> bool {
        let passes = [
            "safe",
            "accepted",
            "allowlistedByPolicy",
            "asyncScanning",
            "asyncLocalPasswordScanning",
            "deepScannedSafe",
        ];
        self.is_open() && !passes.contains(&self.danger.as_str())
    }
}

/// The changes of a download.
#[derive(Debug, Deserialize)]
pub struct Change {
    /// Chrome's id of the download.
    pub id: i32,
    /// Its state.
    pub state: Option<Delta<String>>,
    /// The path on the user's disk.
    pub filename: Option<Delta<String>>,
    /// The danger that Chrome sees in it.
    pub danger: Option<Delta<String>>,
    /// Whether somebody paused it.
    pub paused: Option<Delta<bool>>,
    /// Whether its file is still on the disk.
    pub exists: Option<Delta<bool>>,
}

/// The new value.
#[derive(Debug, Deserialize)]
pub struct Delta<T> {
    /// The new value.
    pub current: Option<T>,
}

/// The purpose of a download.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// To save the file of this number in a transfer.
    File(u32),
    /// To find out under which name a folder can be saved.
    Folder,
}

impl Purpose {
    /// Number of the file, 0 for a whole folder.
    pub const fn file(self) -> u32 {
        match self {
            Self::File(number) => number,
            Self::Folder => 0,
        }
    }
}

/// The URL with a mark that says what it is for and where it is to go. Chrome keeps it with the download, so nobody
/// else has to. The script of the service worker reads the path too.
fn marked(url: &str, transfer: &TransferId, purpose: Purpose, path: &str) -> String {
    let path = encode_uri_component(path);
    match purpose {
        Purpose::File(number) => format!("{url}#{}/{number}/{path}", transfer.0),
        Purpose::Folder => format!("{url}#{}/folder/{path}", transfer.0),
    }
}

/// Sends a knock to the service worker and waits until it has done it.
///
/// # Errors
///
/// When it could not, or ended before it had.
pub async fn knock(knock: &Knock) -> Result<(), JsValue> {
    let answer = runtime_send(&encode_text(knock).into()).await?;
    match Reflect::get(&answer, &"error".into()) {
        Ok(error) if error.is_string() => Err(error),
        Ok(_) => Ok(()),
        Err(_) => Err(JsError::new("the service worker did not answer").into()),
    }
}

/// How many contexts of these kinds the extension has open.
///
/// # Errors
///
/// Chrome's error.
pub async fn count_contexts(kinds: &[&str]) -> Result<u32, JsValue> {
    let kinds: Array = kinds.iter().map(|kind| JsValue::from(*kind)).collect();
    Ok(Array::from(&runtime_contexts(&object(&[("contextTypes", kinds.into())])).await?).length())
}

/// Closes the offscreen document.
///
/// # Errors
///
/// When there is none.
pub async fn close_offscreen() -> Result<(), JsValue> {
    offscreen_close().await.map(drop)
}

/// Lets Chrome save a `blob:` URL of a transfer under a path relative to the downloads folder; gives Chrome's id of the
/// download. It never overwrites a file: nobody can read what is there, and so nobody can prove that it is ours.
///
/// # Errors
///
/// When Chrome does not take the path, or can't.
pub async fn download(transfer: &TransferId, purpose: Purpose, url: &str, filename: &str) -> Result<i32, JsValue> {
    let options = object(&[
        ("url", marked(url, transfer, purpose, filename).into()),
        ("filename", filename.into()),
        ("conflictAction", "uniquify".into()),
        ("saveAs", false.into()),
    ]);
    Ok(serde_wasm_bindgen::from_value(downloads_download(&options).await?)?)
}

/// Looks a download up.
///
/// # Errors
///
/// Chrome's error.
pub async fn find_download(id: i32) -> Result<Option<Download>, JsValue> {
    let found = downloads_search(&object(&[("id", id.into())])).await?;
    let mut found: Vec<Download> = serde_wasm_bindgen::from_value(found)?;
    Ok(found.pop())
}

/// The last downloads of a transfer, at most so many, the newest first.
///
/// # Errors
///
/// Chrome's error.
pub async fn last_downloads(transfer: &TransferId, most: u32) -> Result<Vec<Download>, JsValue> {
    let order = Array::of1(&"-startTime".into());
    let mark = format!("#{}/[0-9]+(/|$)", transfer.0);
    let query = object(&[("urlRegex", mark.into()), ("orderBy", order.into()), ("limit", most.into())]);
    Ok(serde_wasm_bindgen::from_value(downloads_search(&query).await?)?)
}

/// Downloads of ours whose files are gone, as far as Chrome has looked; at most so many. Chrome looks again because it
/// is asked, later than it answers and at most every ten seconds, and tells what it finds with a [`Change`].
///
/// # Errors
///
/// The error that Chrome returns.
pub async fn missing_downloads(most: u32) -> Result<Vec<Download>, JsValue> {
    let query = missing("#[0-9a-f]{32}/[0-9]+(/|$)", &[("limit", most.into())]);
    Ok(serde_wasm_bindgen::from_value(downloads_search(&query).await?)?)
}

/// Takes the downloads of a transfer whose files are gone from Chrome's list. Chrome goes on to say so when there is a
/// file in their place again.
///
/// # Errors
///
/// The error that Chrome returns.
pub async fn forget_missing(transfer: &TransferId) -> Result<(), JsValue> {
    downloads_erase(&missing(&format!("#{}/[0-9]+(/|$)", transfer.0), &[])).await.map(drop)
}

fn missing(mark: &str, more: &[(&str, JsValue)]) -> JsValue {
    let missing = [("urlRegex", mark.into()), ("state", "complete".into()), ("exists", false.into())];
    object(&[&missing, more].concat())
}

/// Has Chrome give a download up and remove what it wrote. One that ended already stays as it is.
///
/// # Errors
///
/// Chrome's error.
pub async fn cancel_download(id: i32) -> Result<(), JsValue> {
    downloads_cancel(id).await.map(drop)
}

/// Has Chrome give a download up, remove what it wrote, and take it from its list.
///
/// # Errors
///
/// The error that Chrome returns.
pub async fn undo_download(id: i32) -> Result<(), JsValue> {
    downloads_cancel(id).await?;
    // There is a file only where it was complete before it could be given up.
    let _ = downloads_remove_file(id).await;
    erase_download(id).await
}

/// Takes a download from Chrome's list. Chrome removes the partial file of one that was interrupted.
///
/// # Errors
///
/// The error that Chrome returns.
pub async fn erase_download(id: i32) -> Result<(), JsValue> {
    downloads_erase(&object(&[("id", id.into())])).await.map(drop)
}

/// Sets an alarm that wakes the service worker every 30 seconds, the shortest Chrome allows.
///
/// # Errors
///
/// Chrome's error.
pub async fn set_alarm(name: &str) -> Result<(), JsValue> {
    alarms_create(name, &object(&[("periodInMinutes", 0.5.into())])).await.map(drop)
}

/// Takes an alarm back.
///
/// # Errors
///
/// Chrome's error.
pub async fn clear_alarm(name: &str) -> Result<(), JsValue> {
    alarms_clear(name).await.map(drop)
}

/// Shows a text on the toolbar button.
///
/// # Errors
///
/// Chrome's error.
pub async fn set_badge(text: &str) -> Result<(), JsValue> {
    action_badge(&object(&[("text", text.into())])).await.map(drop)
}

/// Shows a notice.
///
/// # Errors
///
/// Chrome's error.
pub async fn notify(id: &str, title: &str, text: &str) -> Result<(), JsValue> {
    let options = object(&[
        ("type", "basic".into()),
        ("iconUrl", runtime_url("icons/128.png").into()),
        ("title", title.into()),
        ("message", shown(text).into()),
    ]);
    notifications_create(id, &options).await.map(drop)
}

/// Takes a notice away.
///
/// # Errors
///
/// Chrome's error.
pub async fn clear_notice(id: &str) -> Result<(), JsValue> {
    notifications_clear(id).await.map(drop)
}

/// Keeps the copy of the list of downloads, in place of the last one. Clearing the sandbox does not touch it.
///
/// # Errors
///
/// Chrome's error.
pub async fn keep_copy(copy: &str) -> Result<(), JsValue> {
    let items = Object::new();
    Reflect::set(&items, &COPY.into(), &copy.into())?;
    storage_set(&items).await.map(drop)
}

/// That copy, if there is one.
///
/// # Errors
///
/// Chrome's error.
pub async fn copy() -> Result<Option<String>, JsValue> {
    Ok(Reflect::get(&storage_get(COPY).await?, &COPY.into())?.as_string())
}

/// Keeps the logins, in place of those before. No content script can read them.
///
/// # Errors
///
/// Chrome's error.
pub async fn keep_logins(logins: &[Login]) -> Result<(), JsValue> {
    guard_storage().await;
    storage_set(&object(&[(LOGINS, to_js(&logins)?)])).await.map(drop)
}

/// The logins that were kept. Those that can't be understood are none.
///
/// # Errors
///
/// Chrome's error.
pub async fn logins() -> Result<Vec<Login>, JsValue> {
    guard_storage().await;
    let logins = Reflect::get(&storage_get(LOGINS).await?, &LOGINS.into())?;
    Ok(serde_wasm_bindgen::from_value(logins).unwrap_or_default())
}

/// Keeps content scripts away from what is stored. The extension has none, and an older Chrome can't do it.
async fn guard_storage() {
    let _ = storage_access(&object(&[("accessLevel", "TRUSTED_CONTEXTS".into())])).await;
}

/// Opens one of the extension's pages in a tab.
///
/// # Errors
///
/// Chrome's error.
pub async fn open_tab(page: &str) -> Result<(), JsValue> {
    tabs_create(&object(&[("url", page.into())])).await.map(drop)
}

/// A promise's value, for those who hold the promise.
///
/// # Errors
///
/// The promise's.
pub async fn settled(promise: Promise) -> Result<JsValue, JsValue> {
    JsFuture::from(promise).await
}

/// A value as JavaScript sees it, 64-bit numbers as BigInt so that none is rounded.
///
/// # Errors
///
/// When the value can't be told in JavaScript, which no message type can cause.
pub fn to_js(value: &impl Serialize) -> Result<JsValue, JsValue> {
    Ok(value.serialize(&Serializer::new().serialize_large_number_types_as_bigints(true))?)
}

fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        let _ = Reflect::set(&object, &(*name).into(), value);
    }
    object.into()
}

/// The text of an error.
pub fn error_text(error: &JsValue) -> String {
    let message = Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
    message.or_else(|| error.as_string()).unwrap_or_default()
}
