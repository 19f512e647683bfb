//! The bodies of the fuzz targets, shared by cargo-fuzz (`targets/`) and the test on a stable compiler
//! (`server/tests/it/fuzz.rs`). Each panics when a promise is broken.

use std::collections::HashMap;
use std::sync::LazyLock;

use wstp_protocol::limits::{MAX_PAGE_NODES, MAX_RUN_BLOCKS, MAX_SERVER_FRAME};
use wstp_protocol::{
    BLOCK_SIZE, BlockRun, BlocksRequest, Cancel, ClientMessage, Close, ErrorCode, FileVersion, Handle, Hash,
    HashesRequest, Limits, OpenRequest, RequestId, ServerMessage, SharePath, features,
};
use wstp_provider::{KnownZeros, Malformed, OfferedFile, Outcome, PeerState, Step, Task};
use wstp_server::fuzzed::{Wanted, printed, wanted};
use wstp_server::settings::Settings;

const LIMITS: Limits =
    Limits { requests: 5, handles: 3, run_blocks: MAX_RUN_BLOCKS, page_nodes: MAX_PAGE_NODES, idle_timeout_ms: 1 };

/// A file of some blocks.
#[derive(Clone, Debug, PartialEq)]
struct File;

impl OfferedFile for File {
    fn size(&self) -> u64 {
        100 * BLOCK_SIZE + 7
    }

    fn version(&self) -> FileVersion {
        FileVersion([1; 16])
    }

    fn root(&self) -> Option<Hash> {
        None
    }

    fn known_zeros(&self) -> &KnownZeros {
        static KNOWN: LazyLock<KnownZeros> = LazyLock::new(KnownZeros::default);
        &KNOWN
    }
}

/// The bytes of an input, as numbers of operations.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let (bytes, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        bytes.to_vec()
    }
}

/// A session, and what it should hold.
struct Checked {
    peer: PeerState<File>,
    begun: Vec<(RequestId, Task<File>)>,
    open: HashMap<Handle, File>,
}

/// A peer's messages, and the outcomes of its requests, in any order. Each request is answered once, with a frame that
/// the other side reads, and every table is bounded.
pub fn session(data: &[u8]) {
    let mut numbers = Numbers(data);
    let Some(agreed) = numbers.next() else { return };
    let agreed = if agreed & 1 == 0 { 0 } else { features::BUNDLES | features::ZEROS | features::COMPRESSED };
    let mut checked = Checked { peer: PeerState::new(LIMITS, agreed), begun: Vec::new(), open: HashMap::new() };
    while checked.step(&mut numbers).is_some() {
        assert!(checked.begun.len() <= LIMITS.requests as usize);
        assert!(checked.open.len() <= LIMITS.handles as usize);
        assert_eq!(checked.peer.is_idle(), checked.begun.is_empty());
        assert!(checked.open.keys().all(|handle| checked.peer.is_open(*handle)));
    }
    while !checked.begun.is_empty() {
        checked.finish(0, 1);
    }
    assert!(checked.peer.is_idle());
    assert_eq!(checked.peer.clear().len(), checked.open.len());
}

impl Checked {
    /// One operation; `None` at the end of the input, or once the peer is malformed.
    fn step(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        match numbers.next()? % 10 {
            0 => {
                let length = numbers.next()?.into();
                let Ok(message) = ClientMessage::decode(&numbers.bytes(length)) else { return Some(()) };
                self.message(message)?;
            }
            1 => self.message(ClientMessage::Open(OpenRequest { id: id(numbers)?, path: SharePath::root() }))?,
            2 => {
                let (id, handle) = (id(numbers)?, handle(numbers)?);
                let run = BlockRun { first: numbers.next()?.into(), count: numbers.next()?.into() };
                self.message(ClientMessage::Blocks(BlocksRequest { id, handle, run }))?;
            }
            3 => {
                let (id, handle) = (id(numbers)?, handle(numbers)?);
                let (level, first, count) = (numbers.next()?, numbers.next()?.into(), numbers.next()?.into());
                self.message(ClientMessage::Hashes(HashesRequest { id, handle, level, first, count }))?;
            }
            4 => self.message(ClientMessage::Cancel(Cancel { id: id(numbers)? }))?,
            5 => self.message(ClientMessage::Close(Close { handle: handle(numbers)? }))?,
            6 | 7 => {
                let (which, outcome) = (usize::from(numbers.next()?), numbers.next()?);
                if !self.begun.is_empty() {
                    self.finish(which % self.begun.len(), outcome);
                }
            }
            8 => {
                let handle = handle(numbers)?;
                let changed = self.peer.change(handle);
                assert_eq!(changed.is_some(), self.open.remove(&handle).is_some());
                if let Some((message, ended)) = changed {
                    is_frame(&message.encode());
                    self.ends(&ended);
                }
            }
            _ => {
                let handle = handle(numbers)?;
                assert_eq!(self.peer.root_ready(handle, [7; 32]).is_some(), self.open.contains_key(&handle));
                if numbers.next()? == 255 {
                    self.peer.stop();
                }
            }
        }
        Some(())
    }

    fn message(&mut self, message: ClientMessage) -> Option<()> {
        match self.peer.handle_message(message) {
            Err(Malformed(words)) => {
                assert!(!words.is_empty());
                return None;
            }
            Ok(Step::Nothing) => {}
            Ok(Step::Send(message)) => is_frame(&message.encode()),
            Ok(Step::Begin(id, task)) => {
                assert!(self.begun.iter().all(|(begun, _)| *begun != id), "an id that is taken");
                self.begun.push((id, task));
            }
            Ok(Step::End(ended, closed)) => {
                if let Some((handle, file)) = closed {
                    assert_eq!(self.open.remove(&handle), Some(file));
                }
                self.ends(&ended);
            }
        }
        Some(())
    }

    /// A request that ends was begun.
    fn ends(&self, ended: &[RequestId]) {
        assert!(ended.iter().all(|id| self.begun.iter().any(|(begun, _)| begun == id)));
    }

    fn finish(&mut self, which: usize, number: u8) {
        let (id, task) = self.begun.swap_remove(which);
        let outcome = match (number % 4, task) {
            (0, Task::Open(_)) => Ok(Outcome::Opened(File)),
            (0, Task::Read(..)) => Ok(Outcome::Zeros(3..9)),
            (0, Task::Hashes(..)) => Ok(Outcome::Hashes(vec![[1; 32]], vec![[2; 32]])),
            (1, _) => Err(ErrorCode::Changed.into()),
            (2, _) => Err(ErrorCode::Cancelled.into()),
            (_, _) => Err(ErrorCode::NotFound.into()),
        };
        let answer = self.peer.finish(id, outcome);
        is_frame(&answer.frame);
        if let Some((handle, file, _)) = answer.opened {
            assert_eq!(self.open.insert(handle, file), None, "a handle that is taken");
        }
    }
}

fn is_frame(frame: &[u8]) {
    assert!(frame.len() <= MAX_SERVER_FRAME);
    assert!(ServerMessage::decode(frame.to_vec().into()).is_ok());
}

/// Few ids and handles, so that they meet.
fn id(numbers: &mut Numbers<'_>) -> Option<RequestId> {
    Some((numbers.next()? % 8).into())
}

fn handle(numbers: &mut Numbers<'_>) -> Option<Handle> {
    Some((numbers.next()? % 6).into())
}

/// A `wstp.toml`. Settings that are read can be printed and mean the same then, and a mistake has a line and a reason.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Settings::parse(text) {
        Ok(settings) => {
            let printed = printed(&settings);
            assert_eq!(Settings::parse(&printed).as_ref(), Ok(&settings), "{printed}");
            let config = settings.clone().config(None);
            assert_eq!(config.shares.len(), settings.shares.len());
        }
        Err((line, reason)) => {
            assert!(!reason.is_empty());
            assert!(line >= 1 && line <= text.lines().count() + 1);
        }
    }
}

/// A size of 8 bytes, and the value of a `Range` field. Every part lies in the file, and all are no longer than it.
pub fn byte_range(data: &[u8]) {
    let Some((size, value)) = data.split_first_chunk() else { return };
    let Ok(value) = std::str::from_utf8(value) else { return };
    let size = u64::from_le_bytes(*size);
    let is_part = |part: &std::ops::Range<u64>| part.start < part.end && part.end <= size;
    match wanted(value, size) {
        Wanted::Whole | Wanted::Unsatisfiable => {}
        Wanted::Part(part) => assert!(is_part(&part)),
        Wanted::Parts(parts) => {
            assert!((2..=64).contains(&parts.len()) && parts.iter().all(is_part));
            assert!(parts.iter().map(|part| u128::from(part.end - part.start)).sum::<u128>() <= size.into());
        }
    }
}
