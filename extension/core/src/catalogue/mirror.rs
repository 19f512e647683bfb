//! A server that has a transfer's file beside the one it was found on.
//!
//! The address tells what the server speaks. Older records tell by a mirror's number who named it, newer ones have a
//! field for that: see [`super::model::Model::written`]. New numbers still follow that rule, so that an older build
//! never takes the word of a server for the user's.

use serde::{Deserialize, Serialize};
use wstp_messages::{NamedBy, SourceKind, SourceTask};

use super::address::FileUrl;

/// The number of the first mirror that a server named. Those that the user named count from 1.
const FIRST_OF_SERVERS: u32 = 1 << 31;

/// One mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Recorded", into = "Recorded")]
pub struct Mirror {
    /// Identifies it within its transfer, and is never 0, which is the server the file was found on.
    pub id: u32,
    /// Who named it.
    pub named_by: NamedBy,
    /// The server's WebSocket URL, or the file's URL on a server of plain HTTP.
    pub address: String,
    /// The file's path on the server. For plain HTTP, the URL says it.
    pub path: String,
}

/// A mirror within a record. No field can be added here, because others follow.
#[derive(Serialize, Deserialize)]
struct Recorded {
    id: u32,
    address: String,
    path: String,
}

impl From<Recorded> for Mirror {
    fn from(Recorded { id, address, path }: Recorded) -> Self {
        let named_by = if id < FIRST_OF_SERVERS { NamedBy::User } else { NamedBy::Server };
        Self { id, named_by, address, path }
    }
}

impl From<Mirror> for Recorded {
    fn from(Mirror { id, named_by: _, address, path }: Mirror) -> Self {
        Self { id, address, path }
    }
}

impl Mirror {
    /// A further mirror of a transfer that has `others`.
    pub fn new(others: &[Self], named_by: NamedBy, address: String, path: String) -> Self {
        let numbers = match named_by {
            NamedBy::User => 1..FIRST_OF_SERVERS,
            NamedBy::Server => FIRST_OF_SERVERS..u32::MAX,
        };
        let last = others.iter().map(|other| other.id).filter(|id| numbers.contains(id)).max();
        Self { id: last.map_or(numbers.start, |last| last + 1), named_by, address, path }
    }

    /// The part that a worker has to know.
    pub fn task(&self) -> SourceTask {
        let Self { id, named_by, address, path } = self.clone();
        let kind = if FileUrl::parse(&address).is_some() { SourceKind::Http } else { SourceKind::Wstp };
        SourceTask { id, kind, named_by, address, path, credential: None }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_who_named_a_mirror_and_what_it_speaks() {
        let mut mirrors = Vec::new();
        for (named_by, address, kind) in [
            (NamedBy::User, "ws://a:3000/ws", SourceKind::Wstp),
            (NamedBy::Server, "http://a/file", SourceKind::Http),
            (NamedBy::User, "https://b/file?x=1", SourceKind::Http),
            (NamedBy::Server, "wss://b:443/ws", SourceKind::Wstp),
        ] {
            let mirror = Mirror::new(&mirrors, named_by, address.to_owned(), "p".to_owned());
            let task = mirror.task();
            assert_eq!((task.named_by, task.kind, task.address.as_str()), (named_by, kind, address));
            assert!(mirror.id > 0 && mirrors.iter().all(|other: &Mirror| other.id != mirror.id), "{mirror:?}");
            mirrors.push(mirror);
        }
    }
}
