//! The contexts of the extension that have no face: service worker, offscreen document, catalogue worker and transfer
//! workers.
//!
//! One wasm file serves all four. The JavaScript shims in `manifest/` call the entry points below. They decide only
//! that a browser that starts gets its offscreen document at once. Decisions that need no browser are in modules
//! without a binding and are tested natively: the queue ([`catalogue::Queue`]), addresses, journal records and names.
//! `chrome` is the only module that touches chrome.*, `opfs` the only one that opens files.

#![cfg_attr(not(test), deny(clippy::unwrap_used))]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails where it panics"))]

mod alarm;
mod background;
mod carrier;
pub mod catalogue;
mod chrome;
mod chrome_downloads;
mod clock;
mod downstream;
mod exchange;
mod fetching;
mod folder_layout;
mod link;
pub mod names;
mod network;
mod offscreen;
mod opfs;
mod panic;
mod placed;
mod plain;
mod seal;
mod socket;
mod stored;
pub mod words;
mod worker;

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use wstp_messages::{WorkerTask, decode};

// Sync access handles are there only in workers.
#[cfg(all(test, target_arch = "wasm32"))]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// The program's name and version, told to servers.
const AGENT: &str = concat!("wstp-extension/", env!("CARGO_PKG_VERSION"));

/// Runs the supervisor in the offscreen document.
///
/// # Errors
///
/// When the browser refuses what it needs; the document is then loaded again.
#[wasm_bindgen]
pub fn offscreen() -> Result<(), JsValue> {
    panic::report();
    offscreen::run()
}

/// Becomes the catalogue (`kind` is `catalogue`) or runs a transfer (`transfer`, with its [`WorkerTask`]).
///
/// # Errors
///
/// When `kind` or `task` is none of these; the supervisor then ends the worker.
#[wasm_bindgen]
pub fn worker(kind: &str, task: JsValue) -> Result<(), JsValue> {
    panic::report();
    match kind {
        "catalogue" => catalogue::run(),
        "transfer" => {
            let task = task.dyn_into::<Uint8Array>().ok().and_then(|bytes| decode::<WorkerTask>(&bytes.to_vec()));
            worker::run(task.ok_or_else(|| JsError::new("this is no task"))?);
        }
        other => return Err(JsError::new(&format!("no worker is called {other}")).into()),
    }
    Ok(())
}
