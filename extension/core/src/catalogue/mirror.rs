//! A server that has a transfer's file beside the one it was found on, in the form of the list's records.
//!
//! A record holds a mirror's number, address and path. Two facts follow from them, here and nowhere else: the address
//! tells what the server speaks, and the number tells who named it. [`Mirror::task`] makes types of both.

use serde::{Deserialize, Serialize};
use wstp_messages::{NamedBy, SourceKind, SourceTask};

use super::address::FileUrl;

/// The number of the first mirror that a server named. Those that the user named count from 1.
const FIRST_OF_SERVERS: u32 = 1 << 31;

/// One mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// Identifies it within its transfer, and is never 0, which is the server the file was found on.
    pub id: u32,
    /// The server's WebSocket URL, or the file's URL on a server of plain HTTP.
    pub address: String,
    /// The file's path on the server. For plain HTTP, the URL says it.
    pub path: String,
}

impl Mirror {
    /// A further mirror of a transfer that has `others`.
    pub fn new(others: &[Self], named_by: NamedBy, address: String, path: String) -> Self {
        let last = others.iter().filter(|other| other.named_by() == named_by).map(|other| other.id).max();
        let first = match named_by {
            NamedBy::User => 1,
            NamedBy::Server => FIRST_OF_SERVERS,
        };
        Self { id: last.map_or(first, |last| last.saturating_add(1)), address, path }
    }

    /// The part that a worker has to know.
    pub fn task(&self) -> SourceTask {
        let Self { id, address, path } = self.clone();
        let kind = if FileUrl::parse(&address).is_some() { SourceKind::Http } else { SourceKind::Wstp };
        SourceTask { id, kind, named_by: self.named_by(), address, path, credential: None }
    }

    const fn named_by(&self) -> NamedBy {
        if self.id < FIRST_OF_SERVERS { NamedBy::User } else { NamedBy::Server }
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
