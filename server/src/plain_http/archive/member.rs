//! The entries of an archive, before they have a format.

use bytes::Bytes;
use wstp_protocol::FileVersion;

/// An entry.
pub struct Member {
    /// The path in the folder, as the protocol spells it. The folder itself has an empty one.
    pub path: Box<str>,
    /// The kind, and the source of the bytes.
    pub data: Data,
    /// Bytes.
    pub size: u64,
    /// The last change, in milliseconds since 1970; `None` if unknown.
    pub modified_ms: Option<i64>,
}

/// The kind of an entry.
pub enum Data {
    /// A folder.
    Folder,
    /// This version of a file of the store.
    File(FileVersion),
    /// A file that the server itself adds.
    Text(Bytes),
}

impl Member {
    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        matches!(self.data, Data::Folder)
    }

    /// The last change in whole seconds since 1970.
    pub fn modified_seconds(&self) -> Option<i64> {
        self.modified_ms.map(|ms| ms.div_euclid(1000))
    }
}
