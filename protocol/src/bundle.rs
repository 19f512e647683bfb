//! Bundles: one message carries several small files of a folder, so a thousand of them cost a few round trips.

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};

use crate::limits::MAX_BUNDLE_FILES;
use crate::{ErrorCode, FileVersion, Hash, RequestId, SharePath, bounded};

/// Asks for files of one folder, answered with one [`BundleReply`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleRequest {
    /// Names this request.
    pub id: RequestId,
    /// The folder.
    pub path: SharePath,
    /// The names of the files in it, 1 to [`MAX_BUNDLE_FILES`].
    #[serde(deserialize_with = "bounded::vec::<_, _, MAX_BUNDLE_FILES>")]
    pub names: Vec<String>,
}

/// The first of the requested files, at least one, in order: as many as a frame holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleReply {
    /// The request this answers.
    pub id: RequestId,
    /// The files, at most as many as the request names.
    pub files: Vec<Bundled>,
}

/// The result for one name of a bundle. Append-only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bundled {
    /// The whole file.
    File(BundledFile),
    /// Why the server does not send it, or not in this way ([`ErrorCode::TooLarge`]).
    Refused(ErrorCode),
}

/// A whole file in a bundle, all of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundledFile {
    /// Last change, in milliseconds since 1970-01-01 UTC; `None` if unknown.
    pub modified_ms: Option<i64>,
    /// Its version, as in [`Opened`](crate::Opened).
    pub version: FileVersion,
    /// Its BLAKE3 hash.
    pub root: Hash,
    /// Its bytes, at most [`MAX_BUNDLED_FILE`](crate::limits::MAX_BUNDLED_FILE).
    pub data: Bytes,
}

impl BundleReply {
    /// Most bytes that a file of `size` bytes takes in a reply.
    #[must_use]
    pub const fn space_of(size: u64) -> u64 {
        // Kind, time, version, root, and the length of the data.
        size + 1 + 11 + 16 + 32 + 3
    }

    /// Most bytes of a reply beside its files: the tag, the id, and the number of files.
    pub const OVERHEAD: u64 = 1 + 5 + 2;

    /// The reply as it is encoded, without a copy of the data.
    pub(crate) fn borrowed(&self) -> Body<'_> {
        Body { id: self.id, files: self.files.iter().map(Item::from).collect() }
    }

    /// The reply of a body that was decoded from `frame`. It shares the data of `frame`.
    pub(crate) fn sharing(frame: &Bytes, body: Body<'_>) -> Self {
        Self { id: body.id, files: body.files.into_iter().map(|item| item.sharing(frame)).collect() }
    }
}

impl Bundled {
    /// Bytes of data.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::File(file) => file.data.len(),
            Self::Refused(_) => 0,
        }
    }
}

/// The encoded part of a [`BundleReply`].
#[derive(Serialize, Deserialize)]
pub(crate) struct Body<'a> {
    id: RequestId,
    #[serde(borrow, deserialize_with = "bounded::vec::<_, _, MAX_BUNDLE_FILES>")]
    files: Vec<Item<'a>>,
}

#[derive(Serialize, Deserialize)]
enum Item<'a> {
    File {
        modified_ms: Option<i64>,
        version: FileVersion,
        root: Hash,
        #[serde(serialize_with = "as_bytes")]
        data: &'a [u8],
    },
    Refused(ErrorCode),
}

impl<'a> From<&'a Bundled> for Item<'a> {
    fn from(bundled: &'a Bundled) -> Self {
        match bundled {
            Bundled::File(BundledFile { modified_ms, version, root, data }) => {
                Self::File { modified_ms: *modified_ms, version: *version, root: *root, data }
            }
            Bundled::Refused(code) => Self::Refused(*code),
        }
    }
}

impl Item<'_> {
    fn sharing(self, frame: &Bytes) -> Bundled {
        match self {
            Self::File { modified_ms, version, root, data } => {
                Bundled::File(BundledFile { modified_ms, version, root, data: frame.slice_ref(data) })
            }
            Self::Refused(code) => Bundled::Refused(code),
        }
    }
}

/// All at once; serde would serialise a slice byte by byte.
fn as_bytes<S: Serializer>(data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(data)
}
