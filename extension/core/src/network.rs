//! Whether the browser has a network, and an event when the network is back. A document gets that event; a worker can
//! only look.

use js_sys::Reflect;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = addEventListener)]
    fn add_event_listener(event: &str, listener: &Closure<dyn FnMut()>);

    #[wasm_bindgen(js_name = removeEventListener)]
    fn remove_event_listener(event: &str, listener: &Closure<dyn FnMut()>);
}

/// Calls back each time the browser goes online, until it is dropped.
pub struct Online(Closure<dyn FnMut()>);

impl Online {
    /// Listens from now on.
    pub fn listen(on_online: impl FnMut() + 'static) -> Self {
        let listener = Closure::new(on_online);
        add_event_listener("online", &listener);
        Self(listener)
    }
}

impl Drop for Online {
    fn drop(&mut self) {
        remove_event_listener("online", &self.0);
    }
}

/// Whether the browser says that it has no network. If it says nothing, it counts as online.
pub fn is_offline() -> bool {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into());
    let on_line = navigator.and_then(|navigator| Reflect::get(&navigator, &"onLine".into()));
    on_line.is_ok_and(|on_line| on_line.as_bool() == Some(false))
}
