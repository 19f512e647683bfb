//! The handshake: `Hello` comes first and in time. The server answers with `Welcome`, and with the mirrors if the
//! client asked for them.

use wstp_protocol::{ClientMessage, ErrorCode, Hello, Mirrors, ServerMessage, VERSIONS, Welcome, features};
use wstp_provider::Refusal;

use super::{Ending, Guest};
use crate::AGENT;
use crate::access::{Credential, NotAdmitted};
use crate::carrier::{CarrierError, Closing, Incoming, Receiver, Sender};
use crate::places::Seat;
use crate::registry::Presence;
use crate::secret::Secret;
use crate::server::Server;

const NO_HELLO: Refusal = Refusal::new(ErrorCode::Malformed, "The server was not greeted in time. Connect again.");
const FULL: Refusal = Refusal::new(ErrorCode::Busy, "The server has as many clients as it takes. Try again shortly.");

/// Greets the client. Returns the features that both know, its session, and its seat.
///
/// # Errors
/// How the connection ends without a session. The greeting is missing or wrong, no version is in common, no seat is
/// free, or the server stops.
pub async fn handshake(
    server: &Server,
    guest: Guest,
    sender: &mut impl Sender,
    receiver: &mut impl Receiver,
) -> Result<(u64, Presence, Seat), Ending> {
    let mut hello = tokio::select! {
        () = server.stopping.cancelled() => {
            return Err(Ending::failure(ErrorCode::ShuttingDown.into(), Closing::GoingAway, "the server stops"));
        }
        hello = tokio::time::timeout(server.config().timeouts.handshake, hello(receiver)) => {
            hello.map_err(|_| Ending::failure(NO_HELLO, Closing::Protocol, "no greeting in time"))??
        }
    };
    let version = common_version(&hello).ok_or_else(|| {
        Ending::failure(ErrorCode::UnsupportedVersion.into(), Closing::Protocol, "no version in common")
    })?;
    let refused = |reason: NotAdmitted| {
        server.control.events().note_once(format!("{}: a client that may not enter", guest.address.ip()));
        Ending::failure(reason.into(), Closing::Normal, "the caller is not let in")
    };
    let credential =
        credential(hello.token.take(), receiver.credential().or(guest.credential.as_ref())).map_err(refused)?;
    let caller = server.control.callers().admit(credential.as_ref(), guest.address.ip()).await.map_err(refused)?;
    let seat = server.seat(&caller, &guest.reader).await;
    let mut seat = seat.ok_or_else(|| Ending::failure(FULL, Closing::TryAgainLater, "all seats are taken"))?;
    if !guest.is_bound {
        seat.leave_connection();
    }
    let identity = caller.identity().to_string();
    let would_show_more = caller.is_unproven() && !caller.rights().is_everything();
    let presence = server.control.sessions().enter((guest.number, guest.address), caller, true);
    let presence =
        presence.map_err(|refusal| Ending::failure(refusal, Closing::TryAgainLater, "the caller has all its seats"))?;
    tracing::info!(caller = identity, agent = ?hello.agent, version, "connected");
    let unsaid = [(!would_show_more, features::LOGIN), (!server.config().takes_early(), features::EARLY)];
    let unsaid = unsaid.iter().filter(|(is_unsaid, _)| *is_unsaid).fold(0, |all, (_, bit)| all | bit);
    let features = hello.features & features::KNOWN & !unsaid;
    answer(server, version, features, sender).await.map_err(|_| Ending::lost())?;
    Ok((features, presence, seat))
}

async fn answer(server: &Server, version: u16, features: u64, sender: &mut impl Sender) -> Result<(), CarrierError> {
    let welcome = Welcome { version, features, agent: AGENT.to_owned(), limits: server.config().limits() };
    sender.feed(ServerMessage::Welcome(welcome).encode().into()).await?;
    if features & features::MIRRORS != 0 {
        let mirrors = Mirrors { urls: server.config().mirrors.clone() };
        sender.feed(ServerMessage::Mirrors(mirrors).encode().into()).await?;
    }
    sender.flush().await
}

async fn hello(receiver: &mut impl Receiver) -> Result<Hello, Ending> {
    loop {
        match receiver.next().await {
            Some(Ok(Incoming::Ping)) => {}
            Some(Ok(Incoming::Frame(frame))) => match ClientMessage::decode(&frame) {
                Ok(ClientMessage::Hello(hello)) => return Ok(hello),
                Ok(_) => return Err(Ending::malformed("no greeting")),
                Err(_) => return Err(Ending::malformed("malformed greeting")),
            },
            Some(Ok(Incoming::Text)) => return Err(Ending::malformed("a text message")),
            Some(Err(_)) | None => return Err(Ending::lost()),
        }
    }
}

/// The token of the greeting; without one, the credential of the request that the session began with. Two different
/// tokens would be two callers.
fn credential(token: Option<String>, of_request: Option<&Credential>) -> Result<Option<Credential>, NotAdmitted> {
    // The secret that opens a link is a password.
    if let Some(Credential::Link { code, key, password }) = of_request {
        let password = token.map(Secret::new).or_else(|| password.clone());
        return Ok(Some(Credential::Link { code: code.clone(), key: key.clone(), password }));
    }
    match (token.map(|token| Credential::Token(Secret::new(token))), of_request) {
        (Some(token), Some(other @ Credential::Token(_))) if token != *other => Err(NotAdmitted::Unauthorized),
        (Some(token), _) => Ok(Some(token)),
        (None, of_request) => Ok(of_request.cloned()),
    }
}

fn common_version(hello: &Hello) -> Option<u16> {
    let (lowest, highest) = VERSIONS;
    let version = hello.max_version.min(highest);
    (version >= lowest && version >= hello.min_version).then_some(version)
}
