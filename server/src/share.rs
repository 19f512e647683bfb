//! The share: the one folder that is served, its listings and its open files.

mod buffers;
mod bundle;
mod file;
mod files;
mod folder;
mod listing;
mod refusal;
mod stamp;
mod walk;

pub use file::{HashState, SharedFile};
pub use files::{Files, Found};
pub use folder::Share;
pub use refusal::Refusal;
pub use walk::Walk;
