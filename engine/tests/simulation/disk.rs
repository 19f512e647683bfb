//! Storage that loses what was not flushed when the power goes.

use std::ops::Range;

use bytes::Bytes;
use wstp_engine::{StoreError, StoreReply, StoreRequest};
use wstp_protocol::tree::{Tree, hash_block};
use wstp_protocol::{BLOCK_SIZE, BlockRun, Hash};

use crate::random::Random;

/// One file: what programs see, what is durable, and the writes in between.
#[derive(Default)]
struct File {
    seen: Vec<u8>,
    durable: Vec<u8>,
    unflushed: Vec<(usize, Bytes)>,
}

impl File {
    fn set_length(&mut self, length: usize) {
        self.flush();
        self.seen.resize(length, 0);
        self.durable.resize(length, 0);
    }

    fn write(&mut self, offset: usize, data: Bytes) {
        put(&mut self.seen, offset, &data);
        self.unflushed.push((offset, data));
    }

    fn flush(&mut self) {
        for (offset, data) in self.unflushed.drain(..) {
            put(&mut self.durable, offset, &data);
        }
    }

    /// Of what was not flushed, any part may have reached the disk.
    fn lose_power(&mut self, random: &mut Random) {
        for (offset, data) in std::mem::take(&mut self.unflushed) {
            let from = random.below(data.len() as u64 + 1) as usize;
            let to = random.in_range(from as u64..data.len() as u64 + 1) as usize;
            match random.below(3) {
                0 => {}
                1 => put(&mut self.durable, offset, &data),
                _ => put(&mut self.durable, offset + from, &data[from..to]),
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

/// The three files of a transfer.
#[derive(Default)]
pub struct Disk {
    data: File,
    hashes: File,
    pub journal: Vec<u8>,
    /// Requests that still succeed before the disk is full; `None` while there is space.
    pub full_after: Option<u32>,
}

impl Disk {
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
                self.data.write(offset as usize, data);
                StoreReply::Done
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
                self.journal.extend(record);
                StoreReply::Done
            }
        }
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
        match under_way {
            Some(StoreRequest::Write { offset, data }) => {
                let length = random.below(data.len() as u64 + 1) as usize;
                self.data.write(offset as usize, data.slice(..length));
            }
            Some(StoreRequest::Commit { record }) if random.chance(0.7) => {
                self.data.flush();
                self.hashes.flush();
                let record = if random.chance(0.3) { record } else { torn(&record, random) };
                self.journal.extend(record);
            }
            _ => {}
        }
        if crash == Crash::PowerLoss {
            self.data.lose_power(random);
            self.hashes.lose_power(random);
        }
    }
}
