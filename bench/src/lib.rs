//! WSTP's speed and cost beside its peers, on one machine, in one run.
//!
//! [`catalogue::BENCHMARKS`] lists what is measured and what is aimed at; `benchmarks/` has a file for each. What they stand on: `corpus` makes the
//! files, `ours` and `peers` start the programs, `load` is a client that keeps nothing, `link` a worse network than loopback, `browser` a Chromium
//! that downloads, `figure` and `report` the outcome.
//!
//! What always holds:
//! - a peer runs in the same process run as ours, round by round in turn, with the same file, and who begins changes with the round;
//! - what arrived is compared with what was to arrive, in every round, and a round that fails this fails its benchmark;
//! - every process and folder made here ends with its owner, everything listens on loopback, every buffer has a bound.

mod benchmarks;
mod browser;
pub mod catalogue;
mod child;
mod corpus;
mod figure;
mod http;
mod link;
mod load;
mod ours;
mod peers;
mod plan;
pub mod report;
mod tools;

pub use figure::{Figure, Measured, Target};
pub use plan::Plan;

/// A mebibyte.
const MIB: u64 = 1 << 20;
/// A gibibyte.
const GIB: u64 = 1 << 30;
