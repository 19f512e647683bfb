//! The body of a request, as a whole and bounded.

use bytes::{Buf, BufMut, BytesMut};
use futures_util::{Stream, StreamExt};

/// The whole body; `None` if it is longer than `most` bytes, or breaks off.
pub async fn whole<B: Buf>(body: impl Stream<Item = Result<B, warp::Error>>, most: usize) -> Option<BytesMut> {
    let mut body = std::pin::pin!(body);
    let mut all = BytesMut::new();
    while let Some(part) = body.next().await {
        let part = part.ok()?;
        if all.len() + part.remaining() > most {
            return None;
        }
        all.put(part);
    }
    Some(all)
}
