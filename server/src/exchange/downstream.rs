//! The response that takes the server's frames of a session, beside a WebSocket that brings the client's. A browser
//! reads a response with less processor time than messages.
//!
//! The response comes first and has a name. A WebSocket that says this name as its first message gets it.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use tokio::sync::mpsc;
use warp::reply::Response;

use super::exchanges::{Item, QUEUE};
use super::names::{ByName, SessionName};
use super::response::Body;
use super::{Denied, streamed};
use crate::access::Credential;
use crate::carrier::CarrierError;
use crate::places::Sitting;
use crate::routes::Peer;
use crate::server::Server;

/// The responses that wait for their WebSocket.
#[derive(Default)]
pub struct Downstreams(ByName<Downstream>);

/// The sending end of a response.
pub struct Downstream {
    items: mpsc::Sender<Item>,
    next_number: u64,
    credential: Option<Credential>,
}

/// The client takes the response no longer.
#[derive(Debug, thiserror::Error)]
#[error("the response was cut")]
struct Cut;

impl Downstreams {
    /// The response of this name, which nobody else gets.
    pub fn claim(&self, name: &str) -> Option<Downstream> {
        self.0.remove(&SessionName::parse(name.as_bytes()).ok()?)
    }
}

impl Downstream {
    /// The credential of the request.
    pub fn credential(&self) -> Option<&Credential> {
        self.credential.as_ref()
    }

    /// Queues one frame, and waits while the client takes none.
    pub async fn feed(&mut self, frame: Bytes) -> Result<(), CarrierError> {
        let frame = Some((self.next_number, frame));
        self.next_number += 1;
        Ok(self.items.send(Item { frame, is_last: false }).await.map_err(|_| Cut)?)
    }
}

/// Begins a response, if the caller is let in. It ends when no WebSocket claims it in the time of a handshake.
pub async fn begin(server: &Arc<Server>, peer: &Peer, credential: Option<Credential>) -> Result<Response, Denied> {
    server.control.callers().admit(credential.as_ref(), peer.address.ip()).await?;
    let (items, to_send) = mpsc::channel(QUEUE);
    let downstream = Downstream { items, next_number: 0, credential };
    let id = server.downstreams.0.add(downstream).ok_or(Denied::unnamed())?;
    let (waiting, name, patience) = (server.clone(), id.clone(), server.config().timeouts.handshake);
    let unclaimed = server.sessions.spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(patience) => {}
            () = waiting.stopping.cancelled() => {}
        }
        waiting.downstreams.0.remove(&name);
    });
    let (server, name) = (server.clone(), id.clone());
    let body = Body::new(to_send, Sitting::on(peer.reader()), move |_| {
        unclaimed.abort();
        server.downstreams.0.remove(&name);
    });
    let mut response = streamed(body, Some(&id));
    // A client ends the response by closing the connection. Otherwise a browser would keep it for a while, to drain it.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(response)
}
