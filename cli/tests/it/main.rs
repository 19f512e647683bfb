//! The real `wstp` against real servers. All integration tests are one binary, because each binary is linked anew.

#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod codes;
mod connections;
mod disk;
mod durability;
mod folders;
mod get;
mod hostile;
mod limits;
mod logins;
mod looking;
mod names;
mod odd_shares;
mod output;
mod own_links;
mod prefixes;
mod reaching;
mod small_files;
mod sources;
mod sparse;
mod stored;
mod support;
mod survival;
mod terminal;
mod web_servers;
