//! A [`BlockFile`] without a disk, and the behaviour of every store as one suite over all of them.

mod conformance;
mod memory_file;

pub use self::conformance::{Case, cases};
pub use self::memory_file::{MemoryFile, Power};
