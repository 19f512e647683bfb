//! The errors of a request, as numbers that never change.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal,)*) => {
        /// The kind of an error. Codes are append-only; an unknown code keeps its number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
            /// A code of a later version.
            Unknown(u16),
        }

        impl ErrorCode {
            /// Every code this version knows.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            #[must_use]
            pub const fn to_u16(self) -> u16 {
                match self {
                    $(Self::$name => $value,)*
                    Self::Unknown(value) => value,
                }
            }

            /// The code of a number on the wire.
            #[must_use]
            pub const fn from_u16(value: u16) -> Self {
                match value {
                    $($value => Self::$name,)*
                    other => Self::Unknown(other),
                }
            }
        }
    };
}

error_codes! {
    /// The frame could not be decoded or came out of order. The connection is closed.
    Malformed = 1,
    /// No protocol version in common. The connection is closed.
    UnsupportedVersion = 2,
    /// The token is missing or wrong. The connection is closed.
    Unauthorized = 3,
    /// No entry has that path.
    NotFound = 4,
    /// The path names an entry that is not a regular file.
    NotAFile = 5,
    /// The path names an entry that is not a directory.
    NotADirectory = 6,
    /// The server may not read it, or it lies outside the share.
    Forbidden = 7,
    /// This protocol does not allow the path.
    InvalidPath = 8,
    /// The file changed since it was opened; its handle serves nothing more.
    Changed = 9,
    /// Blocks or nodes past the end of the file, or more than one message may carry.
    OutOfRange = 10,
    /// The handle is not open.
    BadHandle = 11,
    /// The server still computes the hashes; `RootReady` follows.
    NotReady = 12,
    /// Too many requests, handles or connections; try again after the given time.
    Busy = 13,
    /// Reading failed on the server.
    Io = 14,
    /// The client cancelled the request or closed its handle.
    Cancelled = 15,
    /// The server is stopping.
    ShuttingDown = 16,
    /// The request's id is already in use.
    DuplicateId = 17,
    /// The file is too large for a bundle and has to be opened.
    TooLarge = 18,
    /// The shared folder itself is not there: removed, moved, or on a disk that is not mounted. It may come back.
    ShareGone = 19,
    /// Something that the caller was given so much of is used up: downloads, or bytes a day.
    UsedUp = 20,
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.to_u16())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u16::deserialize(deserializer).map(Self::from_u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_their_numbers() {
        for value in 0..=u16::MAX {
            assert_eq!(ErrorCode::from_u16(value).to_u16(), value);
        }
        assert_eq!(ErrorCode::from_u16(999), ErrorCode::Unknown(999));
    }
}
