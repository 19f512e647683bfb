//! The parts that tests and measurements of all crates share: files, programs, and a network with faults.
//!
//! [`Proxy`] stands between a client and a server. It counts, holds and cuts bytes, so that *half-way* is a place and
//! not a matter of luck; on a bad line it spoils messages. [`Link`] is a longer way: it delays, and models how TCP's
//! windows grow. [`Hostile`] is a server that lies, and [`WebServer`] one of plain HTTP that is not ours. [`Server`],
//! [`Wstp`], [`Driver`] and [`Program`] start real programs, [`Authority`] one that gives certificates, and [`Service`]
//! one as systemd does. Each listens on a port that the system chooses and ends with its owner, also when a test panics.
//! Waiting is for a condition with a limit.
//!
//! No product depends on this crate: `cargo xtask check-arrows` sees to it.

mod authority;
mod canned;
mod child;
mod driver;
mod fuzz;
mod hashed;
mod hostile;
mod link;
mod listener;
mod paths;
mod process;
mod program;
mod proxy;
mod random;
mod sample;
mod server;
mod service;
mod visitor;
mod wait;
mod web_server;
mod wstp;

pub use authority::Authority;
pub use canned::Canned;
pub use child::{Child, free_address};
pub use driver::Driver;
pub use fuzz::fuzz;
pub use hashed::Hashed;
pub use hostile::{Bait, Hostile, binary, entry};
pub use link::{Cuts, Link, Shape};
pub use listener::Listener;
pub use paths::{target, workspace};
pub use process::Tree;
pub use program::Program;
pub use proxy::{Fault, Proxy, Rate, Sums};
pub use random::Random;
pub use sample::{Contents, hash_file, make_samples};
pub use server::{Listening, Server, listening};
pub use service::Service;
pub use visitor::Visitor;
pub use wait::{LONG, LONGEST, SHORT, until};
pub use web_server::{Manner, WebServer};
pub use wstp::{Ended, Wstp, on_record};
