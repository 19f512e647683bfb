//! Block hashes: computed once per file version in the background, kept on disk, served in pages.

mod cache;
mod job;
mod layout;
mod queue;
mod tree;

pub use cache::TreeCache;
pub use queue::Hashing;
pub use tree::{HashTree, PageError};
