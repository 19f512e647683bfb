//! Counts the bytes that arrive on a connection before they are a whole message. The count tells a slow line from a
//! silent one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::io::InspectReader;

/// A stream whose bytes are counted.
pub type Counted<S> = InspectReader<S, Box<dyn FnMut(&[u8]) + Send>>;

/// The count of one connection.
#[derive(Clone, Debug, Default)]
pub struct Arrivals(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    /// Bytes that had arrived when the last message was whole.
    whole: AtomicU64,
    /// Bytes that had arrived at the last check.
    seen: AtomicU64,
}

impl Arrivals {
    /// Counts what is read from a stream.
    pub fn count<S: tokio::io::AsyncRead>(&self, stream: S) -> Counted<S> {
        let counts = self.clone();
        InspectReader::new(stream, Box::new(move |bytes: &[u8]| counts.add(bytes.len())))
    }

    /// This many bytes arrived.
    pub fn add(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A message is whole.
    pub fn is_whole(&self) {
        self.0.whole.store(self.bytes(), Ordering::Relaxed);
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Whether more of an unfinished message arrived since the last call.
    pub fn go_on(&self) -> bool {
        let bytes = self.bytes();
        let before = self.0.seen.swap(bytes, Ordering::Relaxed);
        bytes > before.max(self.0.whole.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bytes_of_an_unfinished_message_count() {
        let arrivals = Arrivals::default();
        assert!(!arrivals.go_on());
        arrivals.add(10);
        assert!(arrivals.go_on() && !arrivals.go_on());
        arrivals.add(10);
        arrivals.is_whole();
        assert!(!arrivals.go_on());
        arrivals.add(1);
        assert!(arrivals.go_on());
    }
}
