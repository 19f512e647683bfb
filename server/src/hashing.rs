//! Block hashes: computed once per file version in the background, kept between runs, served in pages.
//!
//! Files come from any [store](crate::store), trees go to any place that keeps [`Trees`].

mod disk_trees;
mod job;
mod layout;
mod open_file;
mod queue;
mod tree;
mod trees;
mod voids;

pub use disk_trees::DiskTrees;
pub use open_file::{HashState, OpenFile};
pub use queue::Hashing;
pub use tree::PageError;
pub use trees::{PassingTrees, Trees};
