//! The line to the server: its state as it comes, and requests.

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{EventSource, Headers, MessageEvent, RequestInit, Response};
use wstp_admin_messages::{Action, Done, REQUEST_FIELD, Refused, State, Visit};
use wstp_ui::toast::Toasts;

/// The connection to the server; cheap to copy.
#[derive(Clone, Copy)]
pub struct Server {
    /// The first thing to show; `None` until the server has answered.
    pub visit: RwSignal<Option<Visit>>,
    /// The newest state; `None` until the first one.
    pub state: RwSignal<Option<State>>,
    /// Whether states come at the moment.
    pub is_live: RwSignal<bool>,
    /// Short notes.
    pub toasts: Toasts,
    stream: StoredValue<Option<EventSource>, LocalStorage>,
}

impl Server {
    /// Asks who is logged in.
    pub fn open() -> Self {
        let server = Self {
            visit: RwSignal::new(None),
            state: RwSignal::new(None),
            is_live: RwSignal::new(false),
            toasts: Toasts::new(),
            stream: StoredValue::new_local(None),
        };
        server.look();
        server
    }

    /// Asks who is logged in, and begins to listen if somebody is. Asks again later if the server does not answer.
    pub fn look(self) {
        spawn_local(async move {
            match get::<Visit>("api/visit").await {
                Ok(visit) => {
                    if matches!(visit, Visit::In { .. }) {
                        self.listen();
                    }
                    self.visit.set(Some(visit));
                }
                Err(_) => {
                    self.is_live.set(false);
                    set_timeout(move || self.look(), std::time::Duration::from_secs(2));
                }
            }
        });
    }

    fn listen(self) {
        let Ok(stream) = EventSource::new("api/state") else { return };
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            let state = event.data().as_string().and_then(|text| serde_json::from_str::<State>(&text).ok());
            if let Some(state) = state {
                self.is_live.set(true);
                self.state.set(Some(state));
            }
        });
        // The stream ends with the server, and with the login. Asking again tells which.
        let on_error = Closure::<dyn Fn()>::new(move || {
            self.close();
            set_timeout(move || self.look(), std::time::Duration::from_secs(1));
        });
        stream.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        stream.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        on_message.forget();
        on_error.forget();
        self.close();
        self.stream.set_value(Some(stream));
    }

    fn close(self) {
        self.is_live.set(false);
        self.stream.update_value(|stream| {
            if let Some(stream) = stream.take() {
                stream.set_onmessage(None);
                stream.set_onerror(None);
                stream.close();
            }
        });
    }

    /// Ends the login.
    pub fn log_out(self) {
        spawn_local(async move {
            let _is_out = post::<_, serde_json::Value>("api/logout", &serde_json::json!({})).await;
            self.close();
            self.state.set(None);
            self.look();
        });
    }

    /// Has the server do something. Says why if it does not, and `words` if it does.
    pub fn act(self, action: Action, words: impl Into<String>) {
        let words = words.into();
        self.ask(action, move |_| self.toasts.show(words, None));
    }

    /// Has the server do something, and hands over its answer.
    pub fn ask(self, action: Action, then: impl FnOnce(Done) + 'static) {
        spawn_local(async move {
            match post::<_, Done>("api/do", &action).await {
                Ok(done) => then(done),
                Err(words) => self.toasts.show(words, None),
            }
        });
    }
}

/// Reads something.
pub async fn get<T: DeserializeOwned>(path: &str) -> Result<T, String> {
    send(path, &RequestInit::new()).await
}

/// Sends something, and returns the answer or the reason in words.
pub async fn post<B: Serialize, T: DeserializeOwned>(path: &str, body: &B) -> Result<T, String> {
    let init = RequestInit::new();
    init.set_method("POST");
    let headers = Headers::new().map_err(|_| unreachable())?;
    for (name, value) in [("content-type", "application/json"), (REQUEST_FIELD, "1")] {
        headers.set(name, value).map_err(|_| unreachable())?;
    }
    init.set_headers(&headers);
    let text = serde_json::to_string(body).map_err(|error| error.to_string())?;
    init.set_body(&JsValue::from_str(&text));
    send(path, &init).await
}

async fn send<T: DeserializeOwned>(path: &str, init: &RequestInit) -> Result<T, String> {
    let response = JsFuture::from(window().fetch_with_str_and_init(path, init)).await.map_err(|_| unreachable())?;
    let response: Response = response.dyn_into().map_err(|_| unreachable())?;
    let text = response.text().map_err(|_| unreachable())?;
    let text = JsFuture::from(text).await.map_err(|_| unreachable())?.as_string().unwrap_or_default();
    if response.ok() {
        serde_json::from_str(&text).map_err(|_| unreachable())
    } else {
        Err(serde_json::from_str::<Refused>(&text).map_or_else(|_| unreachable(), |refused| refused.error))
    }
}

fn unreachable() -> String {
    "The server does not answer. Is it running?".to_owned()
}
