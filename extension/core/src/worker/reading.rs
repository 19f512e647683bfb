//! Players that wait for bytes of the file while it is fetched.

use std::cell::RefCell;

use js_sys::{Array, Uint8Array};
use web_sys::BroadcastChannel;

use super::job::Piece;

/// Reads that may wait at once. The oldest gives way: a player that jumps no longer needs it.
const MOST: usize = 4;

/// The waiting reads, oldest first.
#[derive(Default)]
pub struct Reads(RefCell<Vec<Read>>);

struct Read {
    offset: u64,
    channel: String,
}

impl Reads {
    /// Another read; false if it waits already.
    pub fn add(&self, offset: u64, channel: String) -> bool {
        let mut reads = self.0.borrow_mut();
        if reads.iter().any(|read| read.channel == channel) {
            return false;
        }
        if reads.len() == MOST {
            reads.remove(0);
        }
        reads.push(Read { offset, channel });
        true
    }

    /// Answers those for which `piece` has bytes.
    pub fn answer(&self, piece: impl Fn(u64) -> Option<Piece>) {
        self.0.borrow_mut().retain(|read| match piece(read.offset) {
            Some(piece) => {
                send(&read.channel, &piece);
                false
            }
            None => true,
        });
    }
}

/// A piece goes over a channel of its own, so that no other context copies it.
fn send(channel: &str, piece: &Piece) {
    let sent = BroadcastChannel::new(channel).and_then(|channel| {
        let bytes = Uint8Array::from(piece.bytes.as_slice());
        let sent = channel.post_message(&Array::of2(&(piece.size as f64).into(), &bytes));
        channel.close();
        sent
    });
    if let Err(error) = sent {
        web_sys::console::error_1(&error);
    }
}
