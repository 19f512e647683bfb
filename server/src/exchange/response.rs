//! The body of a response: records, as the session has them, one after the other.

use std::collections::VecDeque;
use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use tokio::sync::mpsc;
use wstp_protocol::exchange::{END, record_header};

use super::exchanges::Item;
use crate::places::Sitting;

/// Frames from this size on are not copied.
const LARGE: usize = 16 * 1024;

/// A response under way. When it is dropped, its session learns whether it was whole.
pub struct Body<F: FnOnce(bool)> {
    items: mpsc::Receiver<Item>,
    on_end: Option<F>,
    ready: VecDeque<Bytes>,
    is_whole: bool,
    _sitting: Sitting,
}

impl<F: FnOnce(bool)> Body<F> {
    /// The response that these items make. `on_end` hears whether it was whole.
    pub fn new(items: mpsc::Receiver<Item>, sitting: Sitting, on_end: F) -> Self {
        Self { items, on_end: Some(on_end), ready: VecDeque::new(), is_whole: false, _sitting: sitting }
    }

    /// Its bytes.
    pub fn stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send
    where
        F: Send,
    {
        stream::unfold(self, |mut body| async move { body.next().await.map(|bytes| (Ok(bytes), body)) })
    }

    async fn next(&mut self) -> Option<Bytes> {
        if self.ready.is_empty() && !self.is_whole {
            match self.items.recv().await {
                Some(item) => self.take(item),
                // The session is over.
                None => self.is_whole = true,
            }
        }
        self.ready.pop_front()
    }

    fn take(&mut self, item: Item) {
        let mut small = BytesMut::new();
        if let Some((number, frame)) = item.frame {
            small.extend_from_slice(&record_header(frame.len(), number));
            if frame.len() < LARGE {
                small.extend_from_slice(&frame);
            } else {
                self.ready.extend([small.split().freeze(), frame]);
            }
        }
        if item.is_last {
            small.extend_from_slice(&END);
            self.is_whole = true;
        }
        if !small.is_empty() {
            self.ready.push_back(small.freeze());
        }
    }
}

impl<F: FnOnce(bool)> Drop for Body<F> {
    fn drop(&mut self) {
        if let Some(on_end) = self.on_end.take() {
            on_end(self.is_whole && self.ready.is_empty());
        }
    }
}
