//! The WSTP server: lists shared folders and serves blocks of their files.
//!
//! [`run`] takes a bound listener and a shutdown signal, so that tests and other programs can embed it. The way of a
//! request:
//!
//! - `accept` admits a TCP connection and speaks HTTP, `places` evicts a connection when there is no room;
//! - `base` takes the prefix off the path of a request, if the server lies below one;
//! - `routes` answers pages and upgrades `/ws`, `plain_http` serves `/files/` to everything else;
//! - `session` speaks the protocol over a `carrier`: a `socket`, or an `exchange` of HTTP after the other, or a socket
//!   for the client's frames with one long response for the server's;
//! - `access` names the caller and bounds what it holds, `bandwidth` divides what all share, `registry` knows the sessions, and [`Control`] holds both and
//!   the settings of a running server;
//! - `links` are the pages of share links, `own_links` lets users make them, `login` gives tokens for passwords, and
//!   `denied` says why either does not;
//! - [`tls`] encrypts, and [`acme`] gets and renews the certificate;
//! - `admin` is the administration page, which holds the same [`Control`], and [`events`] are what it can tell later;
//! - `compression` makes answers shorter where the line is slow (`docs/decisions/0011-compression.md`);
//! - `search` looks for entries by words of their names;
//! - `files` are the open files that clients share, `hashing` computes and keeps their block hashes;
//! - [`store`] resolves paths, lists folders and reads files: `store/local/` on this machine, `store/memory.rs` in
//!   memory. `store/shares.rs` makes one store of all shares, and shows each caller what it may read;
//! - [`settings`] are read from `wstp.toml` and the command line, and become a [`Config`]; [`args`]
//!   are the command line.
//!
//! Invariants:
//! - nothing outside the shares is reachable: every path is resolved beneath a shared folder, which is looked up for
//!   each request;
//! - nothing in the share stays open while nobody reads, so an idle server keeps no disk from being unmounted;
//! - every queue, cache and table has a bound, and nothing is read for a client that does not take its data;
//! - bytes of two versions of a file never go out under one handle;
//! - file system calls that may wait for the disk never run on the async threads
//!   (`docs/decisions/0003-cached-reads-on-the-network-threads.md`).

mod accept;
pub mod access;
pub mod accounts;
pub mod acme;
mod admin;
pub mod args;
mod authorization;
mod bandwidth;
mod base;
mod blocking;
mod body;
mod carrier;
mod compression;
mod config;
mod congestion;
mod control;
mod denied;
pub mod events;
mod exchange;
mod files;
mod folders;
pub mod forwarded;
mod guarded_io;
mod hashing;
mod kept_file;
mod line;
mod links;
mod login;
mod markup;
mod metrics;
mod origin;
mod own_links;
mod own_names;
mod pace;
mod places;
mod plain_http;
mod registry;
mod routes;
mod search;
pub mod secret;
mod server;
mod session;
pub mod settings;
mod socket;
pub mod store;
pub mod tls;

pub use base::Base;
pub use config::{Audience, Config, Share, Timeouts};
pub use congestion::{Congestion, Refused};
pub use control::Control;
pub use folders::Folders;
pub use registry::{BUCKETS, Registry, SessionView, WHOLE};
pub use server::{StartError, run, run_store};

/// The parts for the fuzz targets (`server/fuzz`) alone.
#[doc(hidden)]
pub mod fuzzed {
    pub use crate::plain_http::{Wanted, wanted};

    /// Settings as they are printed.
    #[must_use]
    pub fn printed(settings: &crate::settings::Settings) -> String {
        toml::to_string(settings).unwrap_or_default()
    }
}

/// Program and version, as told to clients and shown to people.
pub const AGENT: &str = concat!("wstp-server/", env!("CARGO_PKG_VERSION"));
