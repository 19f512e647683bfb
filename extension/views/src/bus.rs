//! This page's end of the `BroadcastChannel` all contexts share, typed. What is not for views is not even decoded.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, MessageEvent};
use wstp_messages::{CHANNEL, Message, decode, encode};

/// What views listen to, as [`Message::topic`] calls it.
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
            if let Some(message) = heard(&event.data()) {
                on_message(message);
            }
        });
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Ok(Self { channel, _on_message: on_message })
    }

    /// Says something to all other contexts.
    ///
    /// # Errors
    ///
    /// When the channel is closed.
    pub fn send(&self, message: &Message) -> Result<(), JsValue> {
        self.channel.post_message(&Array::of2(&message.topic().into(), &Uint8Array::from(encode(message).as_slice())))
    }
}

fn heard(data: &JsValue) -> Option<Message> {
    let said = data.dyn_ref::<Array>()?;
    let topic = said.get(0).as_string()?;
    if TOPICS.contains(&topic.as_str()) { decode(&said.get(1).dyn_into::<Uint8Array>().ok()?.to_vec()) } else { None }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.close();
    }
}
