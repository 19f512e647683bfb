//! The configuration, and the defaults.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wstp_protocol::limits::{EARLY_REQUESTS, MAX_PAGE_NODES, MAX_RUN_BLOCKS};
use wstp_protocol::{Limits, MirrorUrl, SharePath};

use crate::Congestion;
use crate::access::{Allowance, Rights};
use crate::acme::Acme;
use crate::base::Base;
use crate::forwarded::Proxies;
use crate::tls;

/// Everything that a server needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// The shared folders. One without a name is the only one, and lies at the root.
    pub shares: Vec<Share>,
    /// The file that the settings came from, if there is one.
    pub file: Option<PathBuf>,
    /// The prefix of every path.
    pub base: Base,
    /// From which places the administration page answers.
    pub admin: Audience,
    /// From which places the figures at `/metrics` can be read without logging in.
    pub metrics: Audience,
    /// The files of the certificate; `None` encrypts nothing.
    pub tls: Option<tls::Files>,
    /// How these files are got and renewed, if that is by ACME.
    pub acme: Option<Acme>,
    /// The proxies in front of the server.
    pub proxies: Proxies,
    /// The folder for block hashes between runs; `None` keeps them only while the server runs.
    pub cache_dir: Option<PathBuf>,
    /// Most bytes the kept hashes may take.
    pub cache_limit: u64,
    /// Most protocol connections at once; further clients are told to come back later.
    pub max_connections: usize,
    /// The most that each caller may hold on all its connections together, if it has no allowance of its own. Without
    /// users a caller is a network address. Several people may share one, so there is no bound by default.
    pub per_caller: Allowance,
    /// Bytes a second that all callers together get at most. They share them evenly.
    pub rate: Option<NonZeroU64>,
    /// The same for single shares, by their names.
    pub share_rates: BTreeMap<String, NonZeroU64>,
    /// Most bytes that are read for one connection and not yet taken by its client.
    pub send_budget: u32,
    /// Names, besides those of the machine, `localhost` and IP addresses, under which the server trusts requests. Its
    /// pages may open connections there, and it serves files over plain HTTP.
    pub allowed_hosts: Vec<String>,
    /// Other places of the folder, named to clients that ask; at most
    /// [`MAX_MIRRORS`](wstp_protocol::limits::MAX_MIRRORS).
    pub mirrors: Vec<MirrorUrl>,
    /// Which congestion control the system is asked for on each connection.
    pub congestion: Congestion,
    /// Requests under way on one connection.
    pub max_requests: u32,
    /// Handles open on one connection.
    pub max_handles: u32,
    /// The server's patience.
    pub timeouts: Timeouts,
}

/// A shared folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The first name of each path in it; `None` if the share lies at the root.
    pub name: Option<String>,
    /// The folder.
    pub path: PathBuf,
    /// Whether everybody may read it, without logging in.
    pub public: bool,
    /// Whether names that begin with a dot are listed and opened.
    pub hidden: bool,
    /// Whether it is shared at the moment. The share at the root always is.
    pub on: bool,
}

/// The places from which a page about the server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// From nowhere.
    Off,
    /// From this machine alone.
    #[default]
    Local,
    /// From every address that reaches the server.
    Everywhere,
}

/// How long the server waits for each kind of event.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the head of an HTTP request.
    pub head: Duration,
    /// For the body of an HTTP request, which is small.
    pub body: Duration,
    /// For the client's `Hello` once the WebSocket is open.
    pub handshake: Duration,
    /// For the next frame of a client that has nothing under way.
    pub idle: Duration,
    /// For a client to take at least some of the sent data: players pause.
    pub write: Duration,
    /// Least pause for which a connection is evicted when all places are taken and another client comes.
    pub grace: Duration,
    /// For requests under way when the server stops.
    pub drain: Duration,
    /// Before hashing is cancelled for a file that no client has open.
    pub linger: Duration,
}

impl Config {
    /// The default configuration for sharing `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let share = Share { name: None, path: root.into(), public: false, hidden: false, on: true };
        Self { shares: vec![share], ..Self::default() }
    }

    /// The places that everybody may read.
    #[must_use]
    pub fn public(&self) -> Rights {
        let public = self.shares.iter().filter(|share| share.public);
        Rights::of(public.filter_map(|share| SharePath::parse(share.name.as_deref().unwrap_or_default()).ok()))
    }

    /// Whether a client may make requests before it is welcome.
    pub(crate) fn takes_early(&self) -> bool {
        self.max_requests as usize >= EARLY_REQUESTS
    }

    /// The limits that a client is told.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            requests: self.max_requests,
            handles: self.max_handles,
            run_blocks: MAX_RUN_BLOCKS,
            page_nodes: MAX_PAGE_NODES,
            idle_timeout_ms: u32::try_from(self.timeouts.idle.as_millis()).unwrap_or(u32::MAX),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            shares: Vec::new(),
            file: None,
            base: Base::default(),
            admin: Audience::default(),
            metrics: Audience::default(),
            tls: None,
            acme: None,
            proxies: Proxies::default(),
            cache_dir: None,
            cache_limit: 4 << 30,
            max_connections: 256,
            per_caller: Allowance::default(),
            rate: None,
            share_rates: BTreeMap::new(),
            send_budget: 4 << 20,
            allowed_hosts: Vec::new(),
            mirrors: Vec::new(),
            congestion: Congestion::default(),
            max_requests: 64,
            max_handles: 64,
            timeouts: Timeouts::default(),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            write: Duration::from_secs(600),
            grace: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            linger: Duration::from_secs(30),
        }
    }
}
