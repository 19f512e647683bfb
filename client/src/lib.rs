//! The part of a client that every front end shares: `wstp` and the extension build upon it.
//!
//! It parses what a person types to name a server ([`address`]), makes the names of a server safe for a disk ([`names`]), and tells which characters
//! of a stranger's text mislead a person ([`text`]).
//! A front end passes its differences as data. The crate opens no socket, touches no disk, and knows neither tokio nor the browser.

pub mod address;
pub mod names;
pub mod text;
