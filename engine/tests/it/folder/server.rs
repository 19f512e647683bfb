//! A scripted server: it lists and bundles, honestly or not.

use std::time::Duration;

use wstp_protocol::limits::{MAX_BUNDLED_FILE, MAX_SERVER_FRAME};
use wstp_protocol::{
    BundleReply, BundleRequest, Bundled, BundledFile, ClientMessage, Entry, EntryKind, ErrorCode, Failure, FileVersion,
    Limits, ListRequest, Listing, Pong, RequestId, ServerMessage, Welcome, features,
};

use crate::compressing::compressed;
use crate::folder::share::{Share, join, root_of};
use wstp_testkit::Random;

/// The constant lie of a dishonest server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// It answers in another protocol.
    NotWstp,
    /// It lists more and more files.
    EndlessFiles,
    /// Its pages are empty and never the last.
    EmptyPages,
    /// The same page comes again and again.
    SamePage,
    /// A name comes twice.
    Twice,
    /// Every folder contains another one.
    Bottomless,
    /// Files don't have the hashes that it gives.
    WrongBytes,
    /// It sends more files than requested.
    MoreFiles,
    /// It answers without a request.
    Unasked,
    /// It answers with a listing to a request for files.
    WrongKind,
    /// It cancels requests without being asked.
    CancelsAll,
}

/// The behaviour of a server.
#[derive(Clone, Debug)]
pub struct ServerScript {
    pub bundles: bool,
    /// It compresses them.
    pub compresses: bool,
    /// It takes requests before its welcome.
    pub takes_early: bool,
    pub requests: u32,
    /// Entries in a page, at most.
    pub page: usize,
    /// The next life of the server refuses the cursors of one life.
    pub life: u32,
    /// The most time for a request. Each takes its own time, so answers overtake each other.
    pub thinking: Duration,
    /// The chance that the server refuses a request as too much for now.
    pub busy: f64,
    /// The chance that a bundle has a flipped bit.
    pub corruption: f64,
    /// The chance that a bundle is shorter than it could be.
    pub short: f64,
    pub lie: Option<Lie>,
}

impl ServerScript {
    /// Honest and quick.
    pub fn honest() -> Self {
        Self {
            bundles: true,
            compresses: false,
            takes_early: false,
            requests: 64,
            page: 1000,
            life: 0,
            thinking: Duration::from_micros(300),
            busy: 0.0,
            corruption: 0.0,
            short: 0.0,
            lie: None,
        }
    }

    /// The answers, and their delays.
    pub fn answer(
        &self,
        share: &Share,
        asked: &ClientMessage,
        calm: bool,
        random: &mut Random,
    ) -> Vec<(Duration, ServerMessage)> {
        let think = random.up_to(self.thinking);
        let answer = match asked {
            ClientMessage::Hello(hello) => self.welcome(hello.features),
            ClientMessage::Ping(ping) => ServerMessage::Pong(Pong { nonce: ping.nonce }),
            ClientMessage::List(ask) => self.listing(share, ask, random),
            ClientMessage::Bundle(ask) => self.bundle(share, ask, calm, random),
            other => panic!("a folder does not ask {other:?}"),
        };
        let mut answers = vec![(think, answer)];
        if self.lie == Some(Lie::Unasked) && matches!(asked, ClientMessage::Bundle(_)) {
            let files = vec![Bundled::Refused(ErrorCode::NotFound)];
            answers.push((think, ServerMessage::Bundle(BundleReply { id: 4_000_000, files })));
        }
        answers
    }

    fn welcome(&self, asked: u64) -> ServerMessage {
        let version = if self.lie == Some(Lie::NotWstp) { 77 } else { 1 };
        let wanted = [
            (self.bundles, features::BUNDLES),
            (self.compresses, features::COMPRESSED),
            (self.takes_early, features::EARLY),
        ];
        let features = asked & wanted.iter().filter(|(is_wanted, _)| *is_wanted).fold(0, |all, (_, bit)| all | bit);
        let limits =
            Limits { requests: self.requests, handles: 1, run_blocks: 32, page_nodes: 2048, idle_timeout_ms: 60_000 };
        ServerMessage::Welcome(Welcome { version, features, agent: "script".into(), limits })
    }

    fn listing(&self, share: &Share, ask: &ListRequest, random: &mut Random) -> ServerMessage {
        let id = ask.id;
        if random.chance(self.busy) {
            return failure(id, ErrorCode::Busy);
        }
        let cursor = ask.cursor.as_deref().map(|cursor| cursor.split_once(' ').expect("a cursor of this server"));
        if cursor.is_some_and(|(life, _)| life != self.life.to_string()) {
            return failure(id, ErrorCode::InvalidPath);
        }
        let from: usize = cursor.map_or(0, |(_, from)| from.parse().expect("a cursor of this server"));
        let next_from = |from: usize| Some(format!("{} {from}", self.life));
        let entry = |name: String, kind| Entry { name, kind, size: 1, modified_ms: None };
        let next = next_from(from + 1000);
        let pages = |entries| ServerMessage::Listing(Listing { id, entries, next });
        match self.lie {
            Some(Lie::EndlessFiles) => {
                return pages(
                    (from..from + 1000).map(|number| entry(format!("{number:09}"), EntryKind::File)).collect(),
                );
            }
            Some(Lie::EmptyPages) => return pages(Vec::new()),
            Some(Lie::SamePage) => return pages(vec![entry("a".into(), EntryKind::File)]),
            Some(Lie::Twice) => return pages(vec![entry("a".into(), EntryKind::File); 2]),
            Some(Lie::Bottomless) => {
                let entries = vec![entry("d".into(), EntryKind::Directory)];
                return ServerMessage::Listing(Listing { id, entries, next: None });
            }
            _ => {}
        }
        let Some(entries) = share.listing(ask.path.as_str()) else { return failure(id, ErrorCode::NotFound) };
        let most = self.page.min(ask.limit as usize);
        let end = (from + most).min(entries.len());
        let next = next_from(end).filter(|_| end < entries.len());
        ServerMessage::Listing(Listing { id, entries: entries[from..end].to_vec(), next })
    }

    fn bundle(&self, share: &Share, ask: &BundleRequest, calm: bool, random: &mut Random) -> ServerMessage {
        let id = ask.id;
        if random.chance(self.busy) {
            return failure(id, ErrorCode::Busy);
        }
        match self.lie {
            Some(Lie::CancelsAll) => return failure(id, ErrorCode::Cancelled),
            Some(Lie::WrongKind) => return ServerMessage::Listing(Listing { id, entries: Vec::new(), next: None }),
            _ => {}
        }
        let mut files = Vec::new();
        let mut room = MAX_SERVER_FRAME as u64 - BundleReply::OVERHEAD;
        for name in &ask.names {
            let bundled = file(share, &join(ask.path.as_str(), name));
            let space = BundleReply::space_of(match &bundled {
                Bundled::File(file) => file.data.len() as u64,
                Bundled::Refused(_) => 0,
            });
            let ends = !files.is_empty() && random.chance(self.short);
            if space > room || ends {
                break;
            }
            room -= space;
            files.push(bundled);
        }
        let flips = self.lie == Some(Lie::WrongBytes) || (!calm && random.chance(self.corruption));
        if flips && let Some(Bundled::File(file)) = files.last_mut() {
            file.root[3] ^= 1;
        }
        if self.lie == Some(Lie::MoreFiles) {
            files.resize(ask.names.len() + 1, Bundled::Refused(ErrorCode::NotFound));
        }
        let reply = ServerMessage::Bundle(BundleReply { id, files });
        if self.compresses { compressed(id, reply) } else { reply }
    }
}

fn file(share: &Share, path: &str) -> Bundled {
    let Some(node) = share.find(path) else { return Bundled::Refused(ErrorCode::NotFound) };
    if let Some(code) = node.trouble {
        return Bundled::Refused(code);
    }
    if node.data.len() > MAX_BUNDLED_FILE {
        return Bundled::Refused(ErrorCode::TooLarge);
    }
    let (root, data) = (root_of(&node.data), node.data.clone());
    Bundled::File(BundledFile { modified_ms: Some(1), version: FileVersion([0; 16]), root, data })
}

fn failure(id: RequestId, code: ErrorCode) -> ServerMessage {
    ServerMessage::Failure(Failure { id: Some(id), code, text: "by script".into(), retry_after_ms: None })
}
