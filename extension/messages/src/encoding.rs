//! Messages as bytes. Both sides come from one build, so the bytes name no fields. With names, every context would
//! carry code to find them.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Encodes a message.
pub fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("a Vec grows as needed and no message type refuses to be serialised")
}

/// Decodes a message, or `None` for bytes that [`encode`] did not make from a `T`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    postcard::take_from_bytes(bytes).ok().filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

/// Encodes a message as a text with a character for each byte. Chrome's own channel between contexts carries JSON.
pub fn encode_text(value: &impl Serialize) -> String {
    encode(value).into_iter().map(char::from).collect()
}

/// Decodes a message, or `None` for a text that [`encode_text`] did not make from a `T`.
pub fn decode_text<T: DeserializeOwned>(text: &str) -> Option<T> {
    let bytes: Option<Vec<_>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    decode(&bytes?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, CommandId, Inner, Message, TransferId};

    #[test]
    fn what_is_said_is_what_is_heard() {
        let command =
            Command::Download { address: "a".into(), path: "<b>".into(), size: u64::MAX, modified_ms: Some(-1) };
        let message = Message::Command { id: CommandId("1".into()), command };
        assert_eq!(decode(&encode(&message)), Some(message.clone()));
        assert_eq!(decode_text(&encode_text(&message)), Some(message));
    }

    #[test]
    fn what_is_cut_or_has_something_behind_it_is_not_heard() {
        let bytes = encode(&Message::Inner(Inner::Lost(TransferId("7".into()))));
        assert_eq!(decode::<Message>(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode::<Message>(&[bytes.as_slice(), &[0]].concat()), None);
        assert_eq!(decode_text::<Message>("\u{101}"), None);
    }
}
