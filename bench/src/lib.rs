//! WSTP's speed and cost beside its peers, on one machine, in one run.
//!
//! [`catalogue::BENCHMARKS`] lists the figures and their targets; `benchmarks/` has a file for each. Their basis:
//! `corpus` makes the files, `text` those that compress. `ours` and `peers` start the programs, `private` has the
//! user and the certificate of those with TLS, and `load` is a client that keeps nothing. `wire` is a network of the kernel's own TCP, and `browser` is a Chromium that downloads. `cost`
//! says what processes took; `figure` and `report` are the outcome.
//!
//! Invariants:
//! - a peer runs in the same run as ours, round by round in turn, with the same file, and each round begins with
//!   another program;
//! - received data is compared with the expected data in every round, and a wrong round fails its benchmark;
//! - every process and folder made here ends with its owner, everything listens on loopback, every buffer has a bound.

mod benchmarks;
mod browser;
pub mod catalogue;
mod corpus;
mod cost;
mod figure;
mod http;
mod load;
mod ours;
mod peers;
mod plan;
mod private;
pub mod report;
mod text;
mod tools;
pub mod wire;

pub use figure::{Figure, Measured, Target};
pub use plan::Plan;

/// A mebibyte.
const MIB: u64 = 1 << 20;
/// A gibibyte.
const GIB: u64 = 1 << 30;
