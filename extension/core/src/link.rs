//! The real connection of a transfer: a carrier to a server of the protocol, or requests to one of plain HTTP.

use wasm_bindgen::prelude::*;
use wstp_messages::{SourceKind, SourceTask};
use wstp_protocol::ClientMessage;

use crate::carrier::{Carrier, Purpose};
use crate::fetching::Endpoint;
use crate::plain::Plain;
use crate::socket::Happening;

/// A connection. Dropping it closes it, without any further event.
pub enum Link {
    /// To a server of the protocol.
    Carrier(Carrier),
    /// To a server of plain HTTP.
    Plain(Plain),
}

impl Link {
    /// Begins to connect.
    ///
    /// # Errors
    ///
    /// When the browser does not take the address.
    pub fn connect(source: &SourceTask, happened: impl Fn(Happening) + 'static) -> Result<Self, JsValue> {
        match source.kind {
            SourceKind::Wstp => {
                let endpoint = Endpoint { url: source.address.clone(), credential: source.credential.clone() };
                Carrier::connect(endpoint, Purpose::Blocks, happened).map(Self::Carrier)
            }
            SourceKind::Http => Ok(Self::Plain(Plain::connect(&source.address, source.credential.clone(), happened))),
        }
    }

    /// Sends a message. On a closed connection it is lost, and the close event follows.
    pub fn send(&self, message: &ClientMessage) {
        match self {
            Self::Carrier(carrier) => carrier.send(&message.encode()),
            Self::Plain(plain) => plain.send(message),
        }
    }
}
