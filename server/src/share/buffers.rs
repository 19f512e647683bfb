//! Memory for what is read from disk, used again and again: the allocator gives a quarter of a mebibyte back to the system after each reply, and
//! every 4 KiB of the next one would cost a page fault.

use std::sync::{Mutex, PoisonError};

use wstp_protocol::limits::MAX_SERVER_FRAME;

/// Bytes of a buffer that is kept: the largest run of blocks and the header before it.
const SIZE: usize = MAX_SERVER_FRAME;
/// Most replies are of full size; a reader that fills its buffer would read too much for one of less than this.
const LEAST: usize = SIZE / 4 * 3;
/// Buffers that are kept while nobody needs them: 16 MiB.
const MOST_IDLE: usize = 64;

static IDLE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Bytes that were read. Dropping it makes its memory free for the next one.
pub struct Buffer(Vec<u8>);

impl Buffer {
    /// An empty one with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        if !(LEAST..=SIZE).contains(&bytes) {
            return Self(Vec::with_capacity(bytes));
        }
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self(idle.unwrap_or_else(|| Vec::with_capacity(SIZE)))
    }

    /// What is in it, to be added to.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.0.capacity() != SIZE {
            return;
        }
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            self.0.clear();
            idle.push(std::mem::take(&mut self.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_buffer_comes_back_empty_and_a_small_one_is_not_kept() {
        let mut large = Buffer::with_capacity(SIZE);
        large.bytes().extend_from_slice(b"what was read before");
        drop(large);
        assert!(Buffer::with_capacity(SIZE).as_ref().is_empty());
        assert!(Buffer::with_capacity(100).bytes().capacity() < SIZE);
        assert!(Buffer::with_capacity(SIZE + 1).bytes().capacity() > SIZE);
    }
}
