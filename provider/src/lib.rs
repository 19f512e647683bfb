//! The serving half of the protocol without I/O: what a peer may ask, and how it is answered.
//!
//! Read [`PeerState`] and [`Offer`] first. A [`PeerState`] takes the messages of one peer, checks them against all
//! bounds, and gives out the [`Task`]s that are left. [`perform`] does one with any [`Offer`]. [`PeerState::finish`]
//! makes the answer of the outcome.
//!
//! This crate opens no socket and no file, reads no clock and needs no runtime. The server answers with it, and so can
//! a browser that has a file.

mod bundle;
mod compressibility;
mod hits;
mod known_zeros;
mod offer;
mod page;
mod peer_state;
mod read;
mod refusal;

pub use bundle::Bundle;
pub use compressibility::Compressibility;
pub use hits::Hits;
pub use known_zeros::KnownZeros;
pub use offer::{Offer, OfferedFile, Outcome, Task, perform};
pub use page::Page;
pub use peer_state::{Answer, Malformed, PeerState, Step};
pub use read::Read;
pub use refusal::Refusal;
