//! Something that arrived on a connection.

use bytes::Bytes;
use wstp_protocol::{DecodeError, ServerMessage};

/// A server's message: a frame as a socket carries it, or the message itself from a source that speaks another
/// protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A frame that is still to be decoded.
    Frame(Bytes),
    /// A message that was never a frame.
    Message(ServerMessage),
}

impl Incoming {
    /// The message.
    pub(crate) fn decode(self) -> Result<ServerMessage, DecodeError> {
        match self {
            Self::Frame(frame) => ServerMessage::decode(frame),
            Self::Message(message) => Ok(message),
        }
    }
}

impl From<Bytes> for Incoming {
    fn from(frame: Bytes) -> Self {
        Self::Frame(frame)
    }
}

impl From<ServerMessage> for Incoming {
    fn from(message: ServerMessage) -> Self {
        Self::Message(message)
    }
}
