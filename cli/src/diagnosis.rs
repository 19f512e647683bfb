//! Why a server that answers opens no WebSocket. The library reports only the status of the answer to the handshake, so
//! the client asks once more, by plain HTTP.

use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Response, Url};
use tokio::time::timeout;
use tokio_websockets::Error;
use tokio_websockets::upgrade::Error as Upgrade;
use wstp_protocol::ENDPOINT_PATH;

use crate::address::{self, Address};
use crate::exit::Failure;
use crate::words::connecting::{broken, encrypted, no_websocket, not_followed, refused_by_status, refuses};
use crate::words::not_wstp;
use crate::{dial, tls, web};

/// How long the question may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read.
const MOST: usize = 4096;
/// The answer of a WSTP server's endpoint to a request that is no handshake: the status and the words.
const WSTP_STATUS: u16 = 426;
const WSTP_WORDS: &str = "WSTP";

/// The result of a diagnosis.
#[derive(Debug)]
pub enum Diagnosis {
    /// The server has moved.
    Moved(Address),
    /// The server opens no WebSocket.
    Refused(Failure),
}

/// Finds out the reason.
pub async fn of(address: &Address, error: &Error) -> Diagnosis {
    let label = address.host_and_port();
    let status = match error {
        Error::Upgrade(Upgrade::DidNotSwitchProtocols(status)) => Some(*status),
        _ => None,
    };
    if let Some(refused) = status.and_then(|status| refused_by_status(&label, status)) {
        return Diagnosis::Refused(refused);
    }
    let is_odd = matches!(error, Error::Io(_) | Error::Upgrade(Upgrade::Parsing(_))) || status == Some(400);
    if is_odd && !address.secure && speaks_tls(address).await {
        return Diagnosis::Refused(encrypted(&label));
    }
    let answer = if status.is_some() { timeout(PATIENCE, ask(address)).await.ok().flatten() } else { None };
    match (answer, status) {
        (Some(Answer::LeadsTo(to)), Some(300..=399)) => moved(address, &to),
        (Some(Answer::IsWstp), _) => Diagnosis::Refused(no_websocket(&label)),
        (_, Some(403)) => Diagnosis::Refused(refuses(&label)),
        (_, Some(status)) => Diagnosis::Refused(not_wstp(&label, format!("it answers with the status {status}"))),
        (_, None) if matches!(error, Error::Io(_)) => Diagnosis::Refused(broken(&label, error)),
        (_, None) => Diagnosis::Refused(not_wstp(&label, error)),
    }
}

enum Answer {
    LeadsTo(Url),
    IsWstp,
    Other,
}

/// Asks the endpoint, without a handshake.
async fn ask(address: &Address) -> Option<Answer> {
    let response = web::client_that_stays().ok()?.get(address.http_url()).send().await.ok()?;
    if response.status().is_redirection() {
        let to = response.headers().get(LOCATION)?.to_str().ok()?;
        return Some(Answer::LeadsTo(response.url().join(to).ok()?));
    }
    let is_wstp = response.status().as_u16() == WSTP_STATUS && beginning(response).await.contains(WSTP_WORDS);
    Some(if is_wstp { Answer::IsWstp } else { Answer::Other })
}

async fn beginning(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        bytes.extend_from_slice(&piece[..piece.len().min(MOST - bytes.len())]);
        if bytes.len() == MOST {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The server that a redirect leads to, if the target is another server's endpoint and safe to follow. Otherwise a
/// refusal.
fn moved(address: &Address, to: &Url) -> Diagnosis {
    let refused = |why| Diagnosis::Refused(not_followed(&address.host_and_port(), &web::origin(to), why));
    let Ok(from) = Url::parse(&address.http_url()) else { return refused("its own address is odd") };
    if let Some(why) = web::reason_to_stay(&from, to) {
        return refused(why);
    }
    match address::of_web(to).filter(|_| to.path() == ENDPOINT_PATH) {
        Some(server) => Diagnosis::Moved(server),
        None => refused("that is not the address of a WSTP server"),
    }
}

/// Whether the server speaks TLS, trusted or not.
async fn speaks_tls(address: &Address) -> bool {
    let try_it = async {
        let line = dial::dial(address).await.ok()?;
        Some(match tls::wrap(&address.host, line).await {
            Ok(_) => true,
            Err(error) => tls::error_in(&error)
                .is_some_and(|error| !matches!(error, tokio_rustls::rustls::Error::InvalidMessage(_))),
        })
    };
    timeout(PATIENCE, try_it).await.ok().flatten().unwrap_or(false)
}
