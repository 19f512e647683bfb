//! The share: the one folder that is served, its listings and its open files.

mod buffers;
mod bundle;
mod file;
mod files;
mod folder;
mod links;
mod listing;
mod reader;
mod refusal;
mod root;
mod stamp;
mod stream;
mod versions;
mod walk;

pub use file::{HashState, SharedFile};
pub use files::{Files, Found};
pub use folder::Share;
pub use reader::Reader;
pub use refusal::Refusal;
pub use stream::FileStream;
pub use walk::Walk;
