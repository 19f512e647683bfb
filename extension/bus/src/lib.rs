//! The `BroadcastChannel` that all contexts share, typed.
//!
//! It carries arrays of a message's topic and its bytes, and ignores anything that is not a [`Message`]. A context
//! receives only the topics it asked for, because decoding all messages would cost it more than its own work. Nothing
//! else touches the channel.

#![cfg_attr(not(test), deny(clippy::unwrap_used))]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails where it panics"))]

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, MessageEvent};
use wstp_messages::{CHANNEL, Inner, Message, decode, encode};

/// One end of the channel. Dropping it closes it.
pub struct Bus {
    channel: BroadcastChannel,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Bus {
    /// Opens the channel and hands every message on one of the `topics` ([`Message::topic`]) to `on_message`. This end
    /// does not receive its own messages.
    ///
    /// # Errors
    ///
    /// When the browser has no such channel.
    pub fn open(
        topics: &'static [&'static str],
        mut on_message: impl FnMut(Message) + 'static,
    ) -> Result<Self, JsValue> {
        let channel = BroadcastChannel::new(CHANNEL)?;
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(message) = heard(&event.data(), topics) {
                on_message(message);
            }
        });
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Ok(Self { channel, _on_message: on_message })
    }

    /// Sends a message to all other contexts.
    pub fn send(&self, message: &Message) {
        let said = Array::of2(&message.topic().into(), &Uint8Array::from(encode(message).as_slice()));
        if let Err(error) = self.channel.post_message(&said) {
            web_sys::console::error_1(&error);
        }
    }

    /// Sends a message to the contexts without a user interface.
    pub fn send_inner(&self, inner: Inner) {
        self.send(&Message::Inner(inner));
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.close();
    }
}

fn heard(data: &JsValue, topics: &[&str]) -> Option<Message> {
    let said = data.dyn_ref::<Array>()?;
    let topic = said.get(0).as_string()?;
    if topics.contains(&topic.as_str()) { decode(&said.get(1).dyn_into::<Uint8Array>().ok()?.to_vec()) } else { None }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use super::*;
    use futures_channel::mpsc;
    use futures_util::StreamExt;
    use wasm_bindgen_test::wasm_bindgen_test;
    use wstp_messages::{Command, CommandId, TransferId};

    #[wasm_bindgen_test]
    async fn messages_arrive_as_they_were_sent_and_only_on_the_topics_asked_for() {
        let (sender, mut heard) = mpsc::unbounded();
        let _listener = Bus::open(&["Command", "Lost"], move |message| {
            sender.unbounded_send(message).unwrap();
        });
        let speaker = Bus::open(&[], |_| {}).unwrap();
        let lost = Message::Inner(Inner::Lost(TransferId("7".into())));
        let size = u64::MAX - 1;
        let command = Command::Download { address: "a".into(), path: "<b>".into(), size, modified_ms: None };
        let command = Message::Command { id: CommandId("1".into()), command };
        speaker.send_inner(Inner::Hail);
        speaker.send(&command);
        speaker.channel.post_message(&"no message of ours".into()).unwrap();
        speaker.channel.post_message(&Array::of2(&"Lost".into(), &Uint8Array::from([255].as_slice()))).unwrap();
        speaker.send(&lost);
        assert_eq!(heard.next().await, Some(command));
        assert_eq!(heard.next().await, Some(lost));
    }
}
