//! Reused memory for data that is read from disk. The allocator gives a quarter of a mebibyte back to the system after
//! each reply. Then every 4 KiB of the next reply would cost a page fault.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use wstp_protocol::limits::MAX_SERVER_FRAME;
use wstp_provider::Read;

/// Bytes of a buffer that is kept: the largest run of blocks and the header before it.
const SIZE: usize = MAX_SERVER_FRAME;
/// Most replies are of full size; a smaller one is not worth so much memory while it waits to be sent.
const LEAST: usize = SIZE / 4 * 3;
/// Unused buffers that are kept: 16 MiB.
const MOST_IDLE: usize = 64;

static IDLE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Bytes that were read. Dropping it frees its memory for the next read.
pub struct Buffer {
    memory: Vec<u8>,
    length: usize,
}

impl Buffer {
    /// Room for all of a read, with its header in place, and the header's length.
    pub fn for_read(read: &Read) -> (Self, usize) {
        let header = read.header();
        let mut buffer = Self::of(header.len() + read.length());
        buffer[..header.len()].copy_from_slice(header);
        (buffer, header.len())
    }

    /// A buffer of this many bytes, with arbitrary content.
    fn of(length: usize) -> Self {
        if !(LEAST..=SIZE).contains(&length) {
            return Self { memory: vec![0; length], length };
        }
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self { memory: idle.unwrap_or_else(|| vec![0; SIZE]), length }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.length]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.memory.len() != SIZE {
            return;
        }
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push(std::mem::take(&mut self.memory));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_buffer_is_used_again_and_a_small_one_is_not_kept() {
        for length in [0, 100, LEAST - 1, LEAST, SIZE, SIZE + 1] {
            assert_eq!(Buffer::of(length).len(), length);
        }
        assert_eq!(Buffer::of(LEAST).memory.len(), SIZE);
        assert_eq!(Buffer::of(LEAST - 1).memory.len(), LEAST - 1);
    }
}
