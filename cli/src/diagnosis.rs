//! Why a server that answers opens no WebSocket. The library reports only the status of the answer to the handshake, so
//! the client asks once more, by plain HTTP.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::LOCATION;
use tokio::time::timeout;
use tokio_websockets::Error;
use tokio_websockets::upgrade::Error as Upgrade;
use wstp_client::address::may_have_prefix;
use wstp_client::diagnosis::Answer;
use wstp_protocol::ENDPOINT_PATH;
use wstp_protocol::probe::{BASE_FIELD, VERSION_FIELD};

use crate::address::{self, Address, Source};
use crate::exit::Failure;
use crate::place::FileUrl;
use crate::words::connecting::{broken, encrypted, no_websocket, not_followed};
use crate::words::not_wstp;
use crate::{dial, tls, web};

/// How long the question may take.
const PATIENCE: Duration = Duration::from_secs(5);

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
    let is_odd = matches!(error, Error::Io(_) | Error::Upgrade(Upgrade::Parsing(_))) || status == Some(400);
    if is_odd && !address.secure && speaks_tls(address).await {
        return Diagnosis::Refused(encrypted(&label));
    }
    let Some(status) = status else {
        let is_broken = matches!(error, Error::Io(_));
        return Diagnosis::Refused(if is_broken { broken(&label, error) } else { not_wstp(&label, error) });
    };
    match timeout(PATIENCE, ask(address)).await.ok().flatten() {
        Some(Told::LeadsTo(to)) if (300..400).contains(&status) => moved(address, &to),
        Some(Told::Said { base: Some(base), .. }) if let Some(below) = address.below(&base) => Diagnosis::Moved(below),
        told => {
            let version = told.and_then(Told::version);
            Diagnosis::Refused(no_websocket(address, &Answer { status, version, via: None }))
        }
    }
}

/// The endpoint's answer to a request that is no handshake.
enum Told {
    LeadsTo(Url),
    /// The values of [`VERSION_FIELD`] and [`BASE_FIELD`], if there are any.
    Said {
        version: Option<String>,
        base: Option<String>,
    },
}

impl Told {
    fn version(self) -> Option<String> {
        match self {
            Self::Said { version, .. } => version,
            Self::LeadsTo(_) => None,
        }
    }
}

/// The meaning of a URL at a server that lies below a prefix, if it says so.
pub async fn below_prefix(url: &FileUrl) -> Option<Source> {
    let typed = url.url().as_str();
    let asking = web::client_that_stays().ok()?.head(may_have_prefix(typed)?).send();
    let response = timeout(PATIENCE, asking).await.ok()?.ok()?;
    Source::below(typed, response.headers().get(BASE_FIELD)?.to_str().ok()?)
}

/// A server, below its prefix if it says that it has one.
pub async fn at_prefix(address: &Address) -> Address {
    let below = match timeout(PATIENCE, ask(address)).await.ok().flatten() {
        Some(Told::Said { base: Some(base), .. }) => address.below(&base),
        _ => None,
    };
    below.unwrap_or_else(|| address.clone())
}

/// Asks the endpoint, without a handshake.
async fn ask(address: &Address) -> Option<Told> {
    let response = web::client_that_stays().ok()?.get(address.http_url()).send().await.ok()?;
    let field = |name: &str| response.headers().get(name)?.to_str().ok();
    if response.status().is_redirection() {
        return Some(Told::LeadsTo(response.url().join(field(LOCATION.as_str())?).ok()?));
    }
    let field = |name| field(name).map(str::to_owned);
    Some(Told::Said { version: field(VERSION_FIELD), base: field(BASE_FIELD) })
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
