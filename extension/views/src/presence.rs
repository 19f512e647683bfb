//! Which of the remembered servers are down.
//!
//! A visible page asks the first few servers for nothing but an answer, one after the other and rarely. A hidden page
//! asks nobody, not even the rest of a round. The server that is shown is known to be there.

use std::collections::HashSet;
use std::time::Duration;

use leptos::ev::visibilitychange;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortSignal, RequestCache, RequestCredentials, RequestInit, Response};
use wstp_messages::ServerView;

use crate::browse::Browse;
use crate::store::Store;

/// Servers that are asked.
const MOST: usize = 8;
/// The time between two rounds.
const EVERY: Duration = Duration::from_secs(60);
/// The least time between two rounds, in milliseconds, however often the page is hidden and shown.
const LEAST_MS: f64 = 15_000.0;
/// The time that a server has to answer, in milliseconds.
const PATIENCE: u32 = 4000;

/// The findings so far; cheap to copy.
#[derive(Clone, Copy)]
pub struct Presence {
    browse: Browse,
    store: Store,
    down: RwSignal<HashSet<String>>,
    is_asking: StoredValue<bool>,
    /// When the last round began, in milliseconds since the page began.
    asked_ms: StoredValue<f64>,
}

impl Presence {
    /// Asks from now on, while the page is visible.
    pub fn watch(browse: Browse, store: Store) -> Self {
        let presence = Self {
            browse,
            store,
            down: RwSignal::default(),
            is_asking: StoredValue::new(false),
            asked_ms: StoredValue::new(f64::NEG_INFINITY),
        };
        let seen = window_event_listener(visibilitychange, move |_| presence.ask());
        let ticking = set_interval_with_handle(move || presence.ask(), EVERY);
        let is_ready = Memo::new(move |_| store.is_ready.get());
        Effect::new(move |_| {
            if is_ready.get() {
                presence.ask();
            }
        });
        on_cleanup(move || {
            seen.remove();
            if let Ok(ticking) = ticking {
                ticking.clear();
            }
        });
        presence
    }

    /// Whether a server did not answer. Tracks what is known.
    pub fn is_down(self, address: &str) -> bool {
        let is_shown = self.browse.place.with(|place| place.as_ref().is_some_and(|place| place.address == address));
        !is_shown && self.down.with(|down| down.contains(address))
    }

    /// Asks each server once, unless that is going on or was done just now.
    fn ask(self) {
        let now_ms = window().performance().map_or(0.0, |clock| clock.now());
        let is_due = is_due(now_ms, self.asked_ms.get_value());
        if document().hidden() || self.is_asking.get_value() || !is_due {
            return;
        }
        self.asked_ms.set_value(now_ms);
        let shown = self.browse.place.with_untracked(|place| place.as_ref().map(|place| place.address.clone()));
        let others = asked(self.store.servers.get_untracked(), shown.as_deref());
        self.is_asking.set_value(true);
        spawn_local(async move {
            for address in others {
                if document().hidden() {
                    break;
                }
                let is_up = answers(&address).await;
                // The page may be closing.
                let _ = self.down.try_update(|down| if is_up { down.remove(&address) } else { down.insert(address) });
            }
            let _ = self.is_asking.try_set_value(false);
        });
    }
}

/// Whether there may be another round after the last one began.
fn is_due(now_ms: f64, asked_ms: f64) -> bool {
    now_ms >= asked_ms + LEAST_MS
}

/// The servers to ask: the first few that are not shown.
fn asked(servers: Vec<ServerView>, shown: Option<&str>) -> Vec<String> {
    let others = servers.into_iter().map(|server| server.address).filter(|address| Some(&**address) != shown);
    others.take(MOST).collect()
}

/// Whether anything answers there. A proxy that says that its server is away is no answer.
async fn answers(address: &str) -> bool {
    let options = RequestInit::new();
    options.set_method("HEAD");
    options.set_cache(RequestCache::NoStore);
    options.set_credentials(RequestCredentials::Omit);
    options.set_signal(Some(&AbortSignal::timeout_with_u32(PATIENCE)));
    // `ws` becomes `http`, and `wss` becomes `https`.
    let url = address.replacen("ws", "http", 1);
    let answer = JsFuture::from(window().fetch_with_str_and_init(&url, &options)).await;
    answer
        .ok()
        .and_then(|answer| answer.dyn_into::<Response>().ok())
        .is_some_and(|answer| !matches!(answer.status(), 502..=504))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_bounded_in_rate_and_in_servers() {
        assert!(is_due(0.0, f64::NEG_INFINITY), "the first comes at once");
        assert!(!is_due(LEAST_MS - 1.0, 0.0) && is_due(LEAST_MS, 0.0));
        let server =
            |number: usize| ServerView { address: number.to_string(), label: String::new(), agent: String::new() };
        let all = asked((0..100).map(server).collect(), Some("1"));
        assert_eq!((all.len(), all.iter().any(|address| address == "1")), (MOST, false));
    }
}
