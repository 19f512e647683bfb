//! The part of a client that every front end shares: `wstp` and the extension build upon it.
//!
//! It parses the address that a person types ([`address`]) and makes the names of a server safe for a disk ([`names`]).
//! It says in words what went wrong ([`words`]), who answers if no WSTP server does ([`diagnosis`]), and why nobody is
//! logged in ([`login`]). It finds out whether a WebSocket or HTTP gets through ([`carrier`]), and puts frames into HTTP
//! exchanges ([`exchanges`]). It stores the blocks, hashes and journal of a transfer ([`store`]) in files that the front
//! end opens. A front end passes its differences as data. The crate opens no socket and no file, and knows neither tokio
//! nor the browser.

pub mod address;
pub mod carrier;
pub mod diagnosis;
pub mod exchanges;
pub mod login;
pub mod names;
pub mod store;
pub mod words;
