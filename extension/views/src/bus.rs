//! This page's end of the `BroadcastChannel` all contexts share, typed. What is not for views is not even decoded.

use js_sys::{Object, Reflect};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, MessageEvent};
use wstp_messages::{CHANNEL, Message};

/// What views listen to, as the names of variants of [`Message`].
const TOPICS: [&str; 2] = ["Reply", "Event"];

/// One end of the channel; it closes when dropped.
pub struct Bus {
    channel: BroadcastChannel,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Bus {
    /// Opens the channel and hands replies and events to `on_message`.
    ///
    /// # Errors
    ///
    /// When the browser has no such channel.
    pub fn open(mut on_message: impl FnMut(Message) + 'static) -> Result<Self, JsValue> {
        let channel = BroadcastChannel::new(CHANNEL)?;
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let data = event.data();
            let is_wanted = data.dyn_ref::<Object>().is_some_and(|object| {
                TOPICS.iter().any(|topic| Reflect::has(object, &JsValue::from_str(topic)).unwrap_or(false))
            });
            if is_wanted && let Ok(message) = serde_wasm_bindgen::from_value(data) {
                on_message(message);
            }
        });
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Ok(Self { channel, _on_message: on_message })
    }

    /// Says something to all other contexts. 64-bit numbers travel as BigInt, so that none is rounded.
    ///
    /// # Errors
    ///
    /// When the channel is closed.
    pub fn send(&self, message: &Message) -> Result<(), JsValue> {
        let serializer = Serializer::new().serialize_large_number_types_as_bigints(true);
        self.channel.post_message(&message.serialize(&serializer)?)
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.close();
    }
}
