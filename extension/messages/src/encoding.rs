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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, CommandId, Inner, Message, TransferId};

    #[test]
    fn what_is_said_is_what_is_heard() {
        let command =
            Command::Download { address: "a".into(), path: "<b>".into(), size: u64::MAX, modified_ms: Some(-1) };
        let message = Message::Command { id: CommandId("1".into()), command };
        assert_eq!(decode(&encode(&message)), Some(message));
    }

    #[test]
    fn what_is_cut_or_has_something_behind_it_is_not_heard() {
        let bytes = encode(&Message::Inner(Inner::Lost(TransferId("7".into()))));
        assert_eq!(decode::<Message>(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode::<Message>(&[bytes.as_slice(), &[0]].concat()), None);
    }
}
