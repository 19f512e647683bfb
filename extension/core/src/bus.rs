//! The `BroadcastChannel` that all contexts share, typed.
//!
//! A message that is not a [`Message`] is ignored: the extension's pages are the only ones on the channel, but an older page may outlive
//! an update. A context hears only the topics it asked for, since decoding what others say would cost it more than its own work.

use js_sys::{Object, Reflect};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, MessageEvent};
use wstp_messages::{CHANNEL, Inner, Message};

/// One end of the channel. Dropping it closes it.
pub struct Bus {
    channel: BroadcastChannel,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Bus {
    /// Opens the channel and hands every message on one of the `topics` to `on_message`. A topic is the name of a variant of
    /// [`Message`], or of [`Inner`] for what is said among the contexts. What this end sends does not come back to it.
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
            let data = event.data();
            if topic(&data).is_some_and(|topic| topics.contains(&topic.as_str()))
                && let Ok(message) = serde_wasm_bindgen::from_value(data)
            {
                on_message(message);
            }
        });
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Ok(Self { channel, _on_message: on_message })
    }

    /// Says something to all other contexts.
    pub fn send(&self, message: &Message) {
        if let Err(error) = to_js(message).and_then(|message| self.channel.post_message(&message)) {
            web_sys::console::error_1(&error);
        }
    }

    /// Says something to the contexts without a face.
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

/// A value as JavaScript sees it, 64-bit numbers as BigInt so that none is rounded.
///
/// # Errors
///
/// When the value can't be told in JavaScript, which no message type can cause.
pub fn to_js(value: &impl Serialize) -> Result<JsValue, JsValue> {
    Ok(value.serialize(&Serializer::new().serialize_large_number_types_as_bigints(true))?)
}

fn topic(data: &JsValue) -> Option<String> {
    let kind = variant(data)?;
    if kind == "Inner" { variant(&Reflect::get(data, &kind.into()).ok()?) } else { Some(kind) }
}

/// The name of the variant of an enum as serde writes it: a text, or the only key of an object.
fn variant(data: &JsValue) -> Option<String> {
    data.as_string().or_else(|| Object::keys(data.dyn_ref::<Object>()?).get(0).as_string())
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
        speaker.send(&lost);
        assert_eq!(heard.next().await, Some(command));
        assert_eq!(heard.next().await, Some(lost));
    }
}
