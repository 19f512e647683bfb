//! HTTP exchanges, the second [carrier](crate::carrier): `wstp-client` says which requests to make, and tasks make
//! them.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, StatusCode};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use wstp_client::exchanges::{ASK_AFTER, Ended, ExchangeId, Exchanges, Head, Request};
use wstp_protocol::exchange::{CONTENT_TYPE as WSTP, SESSION_FIELD};
use wstp_protocol::probe::VERSION_FIELD;

use crate::address::Address;
use crate::arrivals::Arrivals;
use crate::carrier::{Happening, Happenings};
use crate::exit::{Code, Failure};
use crate::proxy::Proxy;
use crate::web;
use crate::words::connecting::{no_exchanges, request_failed};
use crate::words::{not_wstp, silent};

/// Exchanges at once. While the responses of two are read, the server gets the next request.
const MOST: usize = 3;
/// Pieces of responses that wait.
const MOST_PIECES: usize = 8;
/// How long a server has to say whether it serves exchanges.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// A part of a response.
enum Part {
    Head(Head),
    Piece(Bytes),
    End,
    Failed(Failure),
}

/// Asks a server whether it serves exchanges.
///
/// # Errors
///
/// In words, when it does not, or can't be asked.
pub async fn is_served(address: &Address) -> Result<(), Failure> {
    let label = address.host_and_port();
    let asking = post(&web::carrier(proxy(address).is_some())?, address, None).body(Bytes::new()).send();
    let answer = timeout(PATIENCE, asking).await.map_err(|_| silent(&label))?;
    let answer = answer.map_err(|error| failed(address, &error))?;
    match (answer.status(), answer.headers().get(VERSION_FIELD)) {
        (StatusCode::NO_CONTENT, Some(_)) => Ok(()),
        (status, _) => Err(no_exchanges(&label, status)),
    }
}

/// Lives until the session ends or nobody wants it any more.
///
/// # Errors
///
/// In words, when it breaks.
pub async fn live<N: Copy>(
    address: &Address,
    happenings: &Happenings<N>,
    mut to_send: mpsc::Receiver<Bytes>,
    arrivals: &Arrivals,
) -> Result<(), Failure> {
    let client = web::carrier(proxy(address).is_some())?;
    let (parts, mut arrived) = mpsc::channel(MOST_PIECES);
    // The requests end with the connection.
    let mut requests = JoinSet::new();
    let mut session = Session { client: client.clone(), address, exchanges: Exchanges::new(MOST) };
    let exchanges = &mut session.exchanges;
    let mut ended = Ok(());
    loop {
        while let Some(frame) = exchanges.poll_frame() {
            arrivals.is_whole();
            if !happenings.tell(Happening::Came(frame.into())).await {
                return Ok(());
            }
        }
        match ended {
            Ok(()) => {}
            Err(Ended::Over) => return Ok(()),
            Err(error) => return Err(not_wstp(&address.host_and_port(), error)),
        }
        while let Some(request) = exchanges.poll_request() {
            requests.spawn(exchange(client.clone(), address.clone(), request, parts.clone(), arrivals.clone()));
        }
        tokio::select! {
            frame = to_send.recv(), if !exchanges.is_full() => match frame {
                None => return Ok(()),
                Some(frame) => {
                    exchanges.send(frame);
                    while !exchanges.is_full() && let Ok(frame) = to_send.try_recv() {
                        exchanges.send(frame);
                    }
                }
            },
            Some((exchange, part)) = arrived.recv() => {
                ended = match part {
                    Part::Head(head) => exchanges.handle_head(exchange, &head),
                    Part::Piece(piece) => exchanges.handle_piece(exchange, &piece[..]),
                    Part::End => exchanges.handle_end(exchange),
                    Part::Failed(failure) => return Err(failure),
                };
            }
            Some(_) = requests.join_next() => {}
            () = sleep(ASK_AFTER), if exchanges.is_idle() => exchanges.ask(),
        }
    }
}

/// The session of a connection. The server is told when nobody wants it any more.
struct Session<'a> {
    client: Client,
    address: &'a Address,
    exchanges: Exchanges,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let (Some(session), Ok(runtime)) = (self.exchanges.session(), Handle::try_current()) else { return };
        let farewell = self.client.delete(self.address.http_url()).header(SESSION_FIELD, secret(session)).send();
        runtime.spawn(async move {
            let _it_ends_by_itself = timeout(FAREWELL, farewell).await;
        });
    }
}

async fn exchange(
    client: Client,
    address: Address,
    request: Request,
    parts: mpsc::Sender<(ExchangeId, Part)>,
    arrivals: Arrivals,
) {
    let id = request.exchange;
    let reading = async {
        let response = post(&client, &address, request.session.as_deref()).body(request.body).send().await?;
        let field = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let (content_type, session) = (field(CONTENT_TYPE.as_str()), field(SESSION_FIELD));
        let head = Head { status: response.status().as_u16(), content_type, session };
        let mut response = response;
        let mut is_wanted = parts.send((id, Part::Head(head))).await.is_ok();
        while is_wanted && let Some(piece) = response.chunk().await? {
            arrivals.add(piece.len());
            is_wanted = parts.send((id, Part::Piece(piece))).await.is_ok();
        }
        Ok(())
    };
    let last = match reading.await {
        Ok(()) => Part::End,
        Err(error) => Part::Failed(failed(&address, &error)),
    };
    let _nobody_listens = parts.send((id, last)).await;
}

fn post(client: &Client, address: &Address, session: Option<&str>) -> reqwest::RequestBuilder {
    let post = client.post(address.http_url()).header(CONTENT_TYPE, WSTP);
    match session {
        Some(session) => post.header(SESSION_FIELD, secret(session)),
        None => post,
    }
}

/// A name that no log shows.
fn secret(session: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(session).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// Why a request to a server failed.
pub fn failed(address: &Address, error: &reqwest::Error) -> Failure {
    let failure = request_failed(&address.host_and_port(), proxy(address).as_ref(), error);
    Failure { code: Code::Unreachable, ..failure }
}

fn proxy(address: &Address) -> Option<Proxy> {
    Proxy::of(address.secure, &address.host, address.port)
}
