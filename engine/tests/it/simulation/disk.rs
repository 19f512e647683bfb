//! Storage that loses what was not flushed when the power goes.

use std::ops::Range;

use bytes::Bytes;
use wstp_engine::journal::{self, End, Recovered};
use wstp_engine::{RangeSet, StoreError, StoreReply, StoreRequest};
use wstp_protocol::tree::{Tree, hash_block};
use wstp_protocol::{BLOCK_SIZE, BlockRun, Hash};

use wstp_testkit::Random;

/// Something done to a file and not flushed.
enum Change {
    Length(usize),
    Write(usize, Bytes),
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Length(length) => file.resize(*length, 0),
            Self::Write(offset, data) => put(file, *offset, data),
        }
    }
}

/// One file: what programs see, what is durable, and the changes in between.
#[derive(Default)]
struct File {
    seen: Vec<u8>,
    durable: Vec<u8>,
    unflushed: Vec<Change>,
}

impl File {
    fn set_length(&mut self, length: usize) {
        self.change(Change::Length(length));
    }

    fn write(&mut self, offset: usize, data: Bytes) {
        self.change(Change::Write(offset, data));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.unflushed.push(change);
    }

    /// Something else than the program changes it, durably.
    fn tamper(&mut self, change: &Change) {
        change.apply(&mut self.seen);
        change.apply(&mut self.durable);
    }

    fn flush(&mut self) {
        for change in self.unflushed.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// Any part of the data that was not flushed may have reached the disk.
    fn lose_power(&mut self, random: &mut Random) {
        for change in std::mem::take(&mut self.unflushed) {
            match (change, random.below(3)) {
                (_, 0) => {}
                (Change::Write(offset, data), 1) => {
                    let from = random.below(data.len() as u64 + 1) as usize;
                    let to = random.in_range(from as u64..data.len() as u64 + 1) as usize;
                    put(&mut self.durable, offset + from, &data[from..to]);
                }
                (change, _) => change.apply(&mut self.durable),
            }
        }
        self.seen = self.durable.clone();
    }
}

fn put(file: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if file.len() < offset + data.len() {
        file.resize(offset + data.len(), 0);
    }
    file[offset..offset + data.len()].copy_from_slice(data);
}

/// How a crash happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The program ends; what it wrote stays.
    Kill,
    /// The power goes; only what was flushed stays for certain.
    PowerLoss,
}

/// Damage that a failing disk, a repaired file system or another program does to stored bytes. Numbers are parts of the
/// data in 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Bytes from here on, so many, are others.
    Changed(u64, usize),
    /// The data ends here.
    Cut(u64),
    /// Two stretches of so many blocks have changed places.
    Swapped(u64, u64, u64),
    /// The file of hashes is gone.
    NoHashes,
}

/// The files of a transfer.
#[derive(Default)]
pub struct Disk {
    data: File,
    hashes: File,
    /// The flushed bytes of the two files of the journal.
    pub journals: [Vec<u8>; 2],
    /// The one that is in use.
    current: usize,
    /// How often the other one came into use.
    pub compacted: usize,
    /// Blocks that were damaged and not written since.
    pub damaged: RangeSet,
    /// Requests that still succeed before the disk is full; `None` while there is space.
    pub full_after: Option<u32>,
}

impl Disk {
    /// The content of the journal.
    pub fn recovered(&self) -> Recovered {
        self.replay().0
    }

    /// The same, and where the journal goes on.
    pub fn replay(&self) -> (Recovered, End) {
        journal::replay(self.journals.each_ref().map(Vec::as_slice))
    }

    /// The program starts: reads the journal, and cuts off what does not count.
    pub fn open(&mut self) -> Recovered {
        let (recovered, end) = self.replay();
        self.current = end.file;
        self.journal().truncate(end.length as usize);
        recovered
    }

    /// The file of the journal that is in use.
    pub fn journal(&mut self) -> &mut Vec<u8> {
        &mut self.journals[self.current]
    }

    pub fn data(&self) -> &[u8] {
        &self.data.seen
    }

    /// Puts bytes of another, longer file where the data file will be.
    pub fn leave_rubbish(&mut self, length: usize) {
        self.data.set_length(length);
        self.data.write(0, vec![0xee; length].into());
        self.data.flush();
    }

    /// Spoils these bytes of the data file for good.
    pub fn spoil(&mut self, range: Range<usize>) {
        self.data.write(range.start, vec![0xee; range.len()].into());
        self.data.flush();
    }

    /// Does this to what is stored of these blocks.
    pub fn damage(&mut self, damage: Damage, within: &RangeSet) {
        let length = self.data.seen.len();
        let at = |part: u64| (length as u64 * part / 1000) as usize;
        let block = |part: u64| at(part) as u64 / BLOCK_SIZE;
        let mut changed = self.data.seen.clone();
        match damage {
            Damage::Changed(from, bytes) => {
                let range = at(from)..length.min(at(from) + bytes);
                changed[range].iter_mut().for_each(|byte| *byte ^= 0x55);
            }
            Damage::Cut(from) => changed.truncate(at(from)),
            Damage::Swapped(one, other, blocks) => {
                let (one, other) = (block(one.min(other)), block(one.max(other)));
                let end = length as u64 / BLOCK_SIZE;
                for (one, other) in (one..one + blocks).zip(other.max(one + blocks)..end) {
                    let (one, other) = ((one * BLOCK_SIZE) as usize, (other * BLOCK_SIZE) as usize);
                    let (left, right) = changed.split_at_mut(other);
                    left[one..one + BLOCK_SIZE as usize].swap_with_slice(&mut right[..BLOCK_SIZE as usize]);
                }
            }
            Damage::NoHashes => self.hashes = File::default(),
        }
        for block in within.iter().flatten() {
            let range = (block * BLOCK_SIZE) as usize..length.min(((block + 1) * BLOCK_SIZE) as usize);
            if range.start >= range.end || self.data.seen.get(range.clone()) == changed.get(range.clone()) {
                continue;
            }
            self.damaged.insert(block..block + 1);
            if let Some(bytes) = changed.get(range.clone()) {
                self.data.tamper(&Change::Write(range.start, Bytes::copy_from_slice(bytes)));
            }
        }
        if changed.len() < length {
            self.data.tamper(&Change::Length(changed.len()));
        }
    }

    pub fn perform(&mut self, request: StoreRequest) -> StoreReply {
        let writes = !matches!(request, StoreRequest::ReadHashes { .. } | StoreRequest::Rehash { .. });
        if writes && let Some(left) = &mut self.full_after {
            if *left == 0 {
                return StoreReply::Failed(StoreError::Full);
            }
            *left -= 1;
        }
        match request {
            StoreRequest::SetLength { size } => self.set_length(size),
            StoreRequest::Write { offset, data } => {
                assert!(offset as usize + data.len() <= self.data.seen.len(), "a write past the end of the file");
                self.damaged.remove(offset / BLOCK_SIZE..(offset + data.len() as u64).div_ceil(BLOCK_SIZE));
                self.data.write(offset as usize, data);
                StoreReply::Done
            }
            StoreRequest::WriteZeros { offset, length } => {
                assert!(length <= 64 << 20, "too many zeros at once");
                self.perform(StoreRequest::Write { offset, data: vec![0; length as usize].into() })
            }
            StoreRequest::WriteHashes { first, hashes } => {
                self.hashes.write(first as usize * 32, hashes.concat().into());
                StoreReply::Done
            }
            StoreRequest::ReadHashes { run } => self.read_hashes(run),
            StoreRequest::Rehash { run, size } => self.rehash(run, size),
            StoreRequest::Commit { record } => {
                self.data.flush();
                self.hashes.flush();
                self.journal().extend(record);
                StoreReply::Done
            }
            StoreRequest::Compact { journal } => {
                self.data.flush();
                self.hashes.flush();
                self.compact(journal);
                self.journals[1 - self.current].clear();
                StoreReply::Done
            }
        }
    }

    fn compact(&mut self, journal: Vec<u8>) {
        self.current = 1 - self.current;
        *self.journal() = journal;
        self.compacted += 1;
    }

    fn set_length(&mut self, size: u64) -> StoreReply {
        if size > 1 << 40 {
            return StoreReply::Failed(StoreError::Full);
        }
        self.data.set_length(size as usize);
        StoreReply::Done
    }

    fn read_hashes(&self, run: BlockRun) -> StoreReply {
        let range = run.first as usize * 32..run.end() as usize * 32;
        let Some(bytes) = self.hashes.seen.get(range) else { return StoreReply::Failed(StoreError::Missing) };
        StoreReply::Hashes(bytes.as_chunks::<32>().0.to_vec())
    }

    fn rehash(&self, run: BlockRun, size: u64) -> StoreReply {
        assert!(run.count <= 1024, "too much to rehash at once");
        let Some((start, length)) = run.byte_range(size) else { return StoreReply::Failed(StoreError::Missing) };
        let Some(data) = self.data.seen.get(start as usize..start as usize + length as usize) else {
            return StoreReply::Failed(StoreError::Missing);
        };
        let hash = |(index, block)| hash_block(Tree::of_size(size), run.first + index as u64, block);
        StoreReply::Hashes(data.chunks(BLOCK_SIZE as usize).enumerate().map(hash).collect::<Vec<Hash>>())
    }

    /// The machine or the program stops while `under_way` is being done.
    pub fn crash(&mut self, crash: Crash, under_way: Option<StoreRequest>, random: &mut Random) {
        let torn = |bytes: &[u8], random: &mut Random| {
            let mut torn = bytes[..random.below(bytes.len() as u64 + 1) as usize].to_vec();
            if !torn.is_empty() && torn.len() < bytes.len() && random.chance(0.3) {
                let at = random.below(torn.len() as u64) as usize;
                torn[at] ^= 0x40;
            }
            torn
        };
        // The file was made longer, and some of what stands in the new part never reached the disk.
        let holed = |bytes: &[u8], random: &mut Random| {
            let mut holed = bytes.to_vec();
            let from = random.below(holed.len() as u64) as usize;
            let to = random.in_range(from as u64..holed.len() as u64) as usize + 1;
            holed[from..to].fill(0);
            holed
        };
        let part = |bytes: Vec<u8>, random: &mut Random| match random.below(3) {
            0 => bytes,
            1 => holed(&bytes, random),
            _ => torn(&bytes, random),
        };
        match under_way {
            Some(StoreRequest::Write { offset, data }) => {
                let length = random.below(data.len() as u64 + 1) as usize;
                self.data.write(offset as usize, data.slice(..length));
            }
            Some(StoreRequest::Commit { record }) if random.chance(0.7) => {
                self.data.flush();
                self.hashes.flush();
                let record = part(record, random);
                self.journal().extend(record);
            }
            Some(StoreRequest::Compact { journal }) if random.chance(0.7) => {
                self.data.flush();
                self.hashes.flush();
                self.compact(part(journal, random));
            }
            _ => {}
        }
        if crash == Crash::PowerLoss {
            self.data.lose_power(random);
            self.hashes.lose_power(random);
        }
    }
}
