//! The serving half of the protocol without I/O: what a peer may ask, and how it is answered.
//!
//! This crate opens no socket and no file, reads no clock and needs no runtime. It compiles for browsers, where a peer
//! that has a file answers other peers.

mod bundle;
mod page;
mod read;
mod refusal;

pub use bundle::Bundle;
pub use page::Page;
pub use read::Read;
pub use refusal::Refusal;
