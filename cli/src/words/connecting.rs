//! Why there is no connection, in words, with what can be done.

use std::error::Error;
use std::io;

use reqwest::StatusCode;
use tokio_rustls::rustls;
use wstp_client::address::Address;
use wstp_client::diagnosis::Answer;
use wstp_protocol::probe::Answerer;

use crate::exit::{Code, Failure};
use crate::proxy::Proxy;
use crate::{tls, words};

/// There is none, and another try may fare better.
fn passing(what: String, advice: impl Into<String>) -> Failure {
    Failure::new(Code::Unreachable, what, advice)
}

/// There is none, and waiting changes nothing.
fn lasting(code: Code, what: String, advice: impl Into<String>) -> Failure {
    Failure { lasting: true, ..Failure::new(code, what, advice) }
}

/// No TCP connection.
#[must_use]
pub fn nobody_answers(label: &str, error: &io::Error) -> Failure {
    let advice = "Check the address, and that the server runs and can be reached from here.";
    passing(format!("Nobody answers at {label} ({error})."), advice)
}

/// The server ended the connection.
#[must_use]
pub fn closed(label: &str) -> Failure {
    let advice = "Check the address, and that the server runs and can be reached from here.";
    passing(format!("{label} closed the connection."), advice)
}

/// The connection broke.
#[must_use]
pub fn broken(label: &str, error: impl std::fmt::Display) -> Failure {
    let advice = "Check the network, and that the server still runs.";
    passing(format!("The connection to {label} broke ({error})."), advice)
}

/// Encryption failed.
#[must_use]
pub fn insecure(label: &str, error: &io::Error) -> Failure {
    match tls::error_in(error) {
        Some(error) => not_encrypted_as_wanted(label, error),
        None => broken(label, error),
    }
}

fn not_encrypted_as_wanted(label: &str, error: &rustls::Error) -> Failure {
    use rustls::{CertificateError as Bad, Error as Tls};
    let distrusted = |what: String, advice: &str| lasting(Code::Unreachable, what, advice);
    match error {
        Tls::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) | Tls::InvalidCertificate(Bad::Other(_)) => {
            distrusted(
                format!(
                    "The certificate of {label} is not from an authority that this computer trusts. It may be self-signed."
                ),
                "Get the certificate, or that of its authority, from who runs the server, and name its file with --ca FILE.",
            )
        }
        Tls::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => distrusted(
            format!("The certificate of {label} has expired."),
            "Ask who runs the server to renew it, or set the clock of this computer if it is wrong.",
        ),
        Tls::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => distrusted(
            format!("The certificate of {label} is not valid yet."),
            "Set the clock of this computer if it is wrong, or ask who runs the server.",
        ),
        Tls::InvalidCertificate(Bad::NotValidForNameContext { presented, .. }) => {
            let names = presented.iter().take(5).map(|name| tls::shown_name(name)).collect::<Vec<_>>().join(", ");
            let of = if names.is_empty() { "another name".to_owned() } else { names };
            distrusted(
                format!("The certificate of {label} is for {of}."),
                "Use a name that the certificate has, or ask who runs the server for one with this name.",
            )
        }
        Tls::InvalidCertificate(other) => distrusted(
            format!("The certificate of {label} can't be trusted ({other:?})."),
            "Ask who runs the server to renew it.",
        ),
        Tls::InvalidMessage(_) => lasting(
            Code::Unreachable,
            format!("{label} does not encrypt its connections."),
            "Use ws:// in place of wss://, or http:// in place of https://, if the way to it is trusted.",
        ),
        other => passing(
            format!("No secure connection to {label} could be made ({other})."),
            "Ask who runs the server which versions of TLS it has.",
        ),
    }
}

/// TLS is spoken where none was expected.
#[must_use]
pub fn encrypted(label: &str) -> Failure {
    let advice = "Use wss:// in place of ws://, or https:// in place of http://.";
    lasting(Code::Unreachable, format!("{label} wants an encrypted connection."), advice)
}

/// No WebSocket could be opened at `address`, and this is what plain HTTP says there.
#[must_use]
pub fn no_websocket(address: &Address, answer: &Answer) -> Failure {
    let (code, lasting) = match answer.answerer() {
        Answerer::Busy | Answerer::ServerIsDown => (Code::Unreachable, false),
        Answerer::Wstp | Answerer::ProxyWantsPassword | Answerer::OtherName => (Code::Unreachable, true),
        Answerer::WstpThatRefuses | Answerer::WantsPassword | Answerer::Forbids => (Code::NotFound, true),
        Answerer::Redirects | Answerer::Other => (Code::Failed, true),
    };
    let words = answer.words(address, &address.host_and_port(), &words::WSTP);
    Failure { lasting, ..Failure::of(code, words) }
}

/// The answer to the question whether exchanges of HTTP are served.
#[must_use]
pub fn no_exchanges(label: &str, status: StatusCode) -> Failure {
    let what = format!("{label} does not serve WSTP over HTTP ({}).", status.as_u16());
    let advice = "Check the address, or try without --carrier http. The server may be older than this wstp.";
    lasting(Code::Unreachable, what, advice)
}

/// It leads elsewhere, and is not followed.
#[must_use]
pub fn not_followed(label: &str, target: &str, why: &str) -> Failure {
    let advice = "If that is where the server is now, run it with that address.";
    lasting(Code::Unreachable, format!("{label} leads to {target}, which is not followed: {why}."), advice)
}

/// The proxy is not there.
#[must_use]
pub fn no_proxy_answers(proxy: &Proxy, host: &str, error: &dyn Error) -> Failure {
    let proxy = proxy.label();
    let what = format!("The proxy at {proxy} does not answer ({}).", cause(error));
    passing(what, format!("Check the proxy that the environment names, or go without it: no_proxy={host}."))
}

/// The proxy does not do it, by a status of HTTP.
#[must_use]
pub fn proxy_refuses(proxy: &Proxy, host: &str, port: u16, status: StatusCode) -> Failure {
    let (at, number) = (proxy.label(), status.as_u16());
    match number {
        // Some say with the one of an ordinary server that the password is wrong.
        401 | 407 if proxy.has_password() => lasting(
            Code::Unreachable,
            format!("The proxy at {at} does not accept the name and the password ({number})."),
            "Correct them in the proxy's address in the environment.",
        ),
        401 | 407 => lasting(
            Code::Unreachable,
            format!("The proxy at {at} asks for a name and a password ({number})."),
            format!("Put them into its address in the environment: http://NAME:PASSWORD@{at}."),
        ),
        500..=599 => passing(
            format!("The proxy at {at} can't reach {host}:{port} ({number})."),
            format!("Check the address, and that the server runs, or go without the proxy: no_proxy={host}."),
        ),
        _ => lasting(
            Code::Unreachable,
            format!("The proxy at {at} lets nobody through to {host}:{port} ({number})."),
            format!("Ask who runs it to allow CONNECT to port {port}, or go without it: no_proxy={host}."),
        ),
    }
}

/// The proxy does not do it, for another reason.
#[must_use]
pub fn proxy_fails(proxy: &Proxy, host: &str, error: &dyn Error) -> Failure {
    let at = proxy.label();
    let what = format!("The proxy at {at} makes no connection to {host} ({}).", cause(error));
    passing(what, format!("Check the proxy that the environment names, or go without it: no_proxy={host}."))
}

/// A request of plain HTTP failed.
#[must_use]
pub fn request_failed(label: &str, proxy: Option<&Proxy>, error: &reqwest::Error) -> Failure {
    let causes = || std::iter::successors(error.source(), |error: &&(dyn Error + 'static)| (*error).source());
    if let Some(tls) = causes().find_map(|error| tls::error_in(error.downcast_ref()?)) {
        return not_encrypted_as_wanted(label, tls);
    }
    match proxy {
        Some(proxy) if error.is_connect() => proxy_fails(proxy, label, error),
        _ if error.is_connect() => match causes().find_map(|error| error.downcast_ref::<io::Error>()) {
            Some(error) => nobody_answers(label, error),
            None => words::no_connection(&format!("nobody answers at {label} ({})", cause(error))),
        },
        _ if error.is_body() || error.is_decode() => broken(label, cause(error)),
        _ => words::no_connection(&format!("{label} can't be read ({})", cause(error))),
    }
}

/// The innermost reason, which says most.
fn cause(error: &dyn Error) -> String {
    let innermost = std::iter::successors(error.source(), |error| (*error).source()).last();
    innermost.map_or_else(|| error.to_string(), ToString::to_string)
}
