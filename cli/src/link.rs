//! The real connection of a transfer: a carrier to a server of the protocol, or requests to one of plain HTTP.

use tokio::sync::mpsc;
use wstp_protocol::ClientMessage;

use crate::arrivals::Arrivals;
use crate::carrier::{Carrier, Full, Happening};
use crate::credentials;
use crate::place::Place;
use crate::plain::Plain;

/// A connection. Dropping it closes it.
#[derive(Debug)]
pub enum Link {
    /// To a server of the protocol.
    Carrier(Carrier),
    /// To a server of plain HTTP.
    Plain(Plain),
}

impl Link {
    /// Begins to connect to a place that the user named, or another server. Its events come out of `happenings` together
    /// with `name`.
    pub fn connect<N>(place: Place, is_users: bool, name: N, happenings: mpsc::Sender<(N, Happening)>) -> Self
    where
        N: Copy + Send + Sync + 'static,
    {
        match place {
            Place::Wstp(source) => Self::Carrier(Carrier::connect(source.address, name, happenings)),
            Place::Http(url) => {
                let server = url.on_server().ok().filter(|_| is_users).map(|source| source.address);
                let credential = server.and_then(|server| credentials::of(&server));
                Self::Plain(Plain::connect(url, credential, name, happenings))
            }
        }
    }

    /// The count of bytes that arrive on the connection.
    pub fn arrivals(&self) -> &Arrivals {
        match self {
            Self::Carrier(carrier) => carrier.arrivals(),
            Self::Plain(plain) => plain.arrivals(),
        }
    }

    /// Sends a message. False means that the connection is of no use any more.
    pub fn send(&self, message: &ClientMessage) -> Result<(), Full> {
        match self {
            Self::Carrier(carrier) => carrier.send(message),
            Self::Plain(plain) => plain.send(message),
        }
    }
}
