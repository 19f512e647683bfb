//! A server of plain HTTP with the interface of a socket. The engine's [`HttpSource`] decides what to request, and a
//! task requests it.
//!
//! No more of an answer is read than was requested. Received data goes into the same bounded queue as that of sockets.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, LOCATION, RANGE, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use wstp_engine::Credential;
use wstp_engine::http_source::{HttpAnswer, HttpOutput, HttpRequest, HttpSource};
use wstp_protocol::{ClientMessage, RequestId};

use crate::arrivals::Arrivals;
use crate::carrier::{Full, Happening};
use crate::exit::{Code, Failure};
use crate::place::FileUrl;
use crate::web;
use crate::words::connecting::{closed, not_followed, request_failed};

/// Messages that wait to be processed; a transfer has fewer requests under way.
const MAX_UNSENT: usize = 64;

/// A file at an HTTP server. Dropping it ends its requests.
#[derive(Debug)]
pub struct Plain {
    unsent: mpsc::Sender<ClientMessage>,
    arrivals: Arrivals,
    task: AbortHandle,
}

impl Plain {
    /// Gets ready. The server that the URL names gets the credential, and no other one. Events come out of `happenings`
    /// together with `name`.
    pub fn connect<N>(
        url: FileUrl,
        credential: Option<Credential>,
        name: N,
        happenings: mpsc::Sender<(N, Happening)>,
    ) -> Self
    where
        N: Copy + Send + 'static,
    {
        let (unsent, messages) = mpsc::channel(MAX_UNSENT);
        let arrivals = Arrivals::default();
        let counted = arrivals.clone();
        let task = tokio::spawn(async move {
            let file = (url, credential);
            let ended = live(&file, name, &happenings, messages, &counted).await;
            let (url, _) = file;
            let closed = ended.err().unwrap_or_else(|| closed(&url.label()));
            let _nobody_listens = happenings.send((name, Happening::Closed(closed))).await;
        });
        Self { unsent, arrivals, task: task.abort_handle() }
    }

    /// The count of bytes that arrive in answer to its requests.
    pub fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// Makes the request in a message.
    pub fn send(&self, message: &ClientMessage) -> Result<(), Full> {
        match self.unsent.try_send(message.clone()) {
            Err(mpsc::error::TrySendError::Full(_)) => Err(Full),
            // A task that has ended reports that itself.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Lives until a request fails or the file is dropped. Its requests end with it.
async fn live<N: Copy>(
    (url, credential): &(FileUrl, Option<Credential>),
    name: N,
    happenings: &mpsc::Sender<(N, Happening)>,
    mut messages: mpsc::Receiver<ClientMessage>,
    arrivals: &Arrivals,
) -> Result<(), Failure> {
    let no_client = |error| Failure::new(Code::Unreachable, format!("{} can't be asked.", url.label()), error);
    let client = web::client().map_err(no_client)?;
    let mut source = HttpSource::default();
    let mut requests = JoinSet::new();
    let mut handles = HashMap::<RequestId, AbortHandle>::new();
    let mut wanted = happenings.send((name, Happening::Opened { takes_early: false })).await.is_ok();
    while wanted {
        while let Some(output) = source.poll_output() {
            match output {
                HttpOutput::Message(message) => {
                    wanted &= happenings.send((name, Happening::Came(message.into()))).await.is_ok();
                }
                HttpOutput::Request(id, request) => {
                    let asking = ask(client.clone(), url.clone(), credential.clone(), request, arrivals.clone());
                    handles.insert(id, requests.spawn(async move { (id, asking.await) }));
                }
                HttpOutput::Abort(id) => {
                    if let Some(request) = handles.remove(&id) {
                        request.abort();
                    }
                }
            }
        }
        tokio::select! {
            message = messages.recv() => match message {
                None => wanted = false,
                Some(message) => source.handle_message(&message),
            },
            // An aborted task ends without a result.
            Some(Ok((id, answer))) = requests.join_next() => {
                handles.remove(&id);
                arrivals.is_whole();
                source.handle_answer(id, answer?);
            }
        }
    }
    Ok(())
}

async fn ask(
    client: Client,
    url: FileUrl,
    credential: Option<Credential>,
    request: HttpRequest,
    arrivals: Arrivals,
) -> Result<HttpAnswer, Failure> {
    let failed = |error| request_failed(&url.label(), web::proxy_of(url.url()).as_ref(), &error);
    let asking = client.get(url.url().clone()).header(RANGE, request.range());
    // A redirect to another host or port loses it.
    let asking = match credential {
        Some(Credential::Token(token)) => asking.bearer_auth(token),
        None => asking,
    };
    let response = asking.send().await.map_err(failed)?;
    if let Some(to) = unfollowed(&response) {
        let why = web::reason_to_stay(response.url(), &to).unwrap_or("the way there is a circle");
        return Err(not_followed(&url.label(), &web::origin(&to), why));
    }
    let field = |name: HeaderName| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    Ok(HttpAnswer {
        status: response.status().as_u16(),
        content_length: field(CONTENT_LENGTH),
        content_range: field(CONTENT_RANGE),
        etag: field(ETAG),
        retry_after: field(RETRY_AFTER),
        body: body(response, request.most(), &arrivals).await.map_err(failed)?,
    })
}

/// The target of a redirect that was not followed.
fn unfollowed(response: &Response) -> Option<Url> {
    let to = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    response.url().join(to.to_str().ok()?).ok()
}

/// At most the first `most` bytes of the body.
async fn body(mut response: Response, most: u64, arrivals: &Arrivals) -> Result<Bytes, reqwest::Error> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut bytes = BytesMut::new();
    while bytes.len() < most {
        let Some(piece) = response.chunk().await? else { break };
        arrivals.add(piece.len());
        bytes.extend_from_slice(&piece[..piece.len().min(most - bytes.len())]);
    }
    Ok(bytes.freeze())
}
