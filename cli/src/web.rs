//! Requests of plain HTTP: one client for all, so that connections are reused. It goes through the proxies that the
//! environment names, trusts what `tls` trusts, and follows safe redirects.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, ClientBuilder, Proxy as Via, Url};
use wstp_protocol::MirrorUrl;

use crate::exit::{Code, Failure};
use crate::proxy::Proxy;
use crate::{AGENT, tls};

/// How long an answer may stall.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a connection without an exchange is kept. The server closes it a little later.
const IDLE: Duration = Duration::from_secs(5);
/// Most redirects in a row before they count as a circle.
pub const MOST_REDIRECTS: usize = 5;

/// The client that follows redirects.
///
/// # Errors
///
/// In words, when there are no certificates to trust.
pub fn client() -> Result<Client, String> {
    static CLIENT: OnceLock<Result<Client, String>> = OnceLock::new();
    CLIENT.get_or_init(|| make(usual(Policy::custom(follow)).read_timeout(SILENCE))).clone()
}

/// The client that follows no redirects.
///
/// # Errors
///
/// As [`client`].
pub fn client_that_stays() -> Result<Client, String> {
    static CLIENT: OnceLock<Result<Client, String>> = OnceLock::new();
    CLIENT.get_or_init(|| make(usual(Policy::none()).read_timeout(SILENCE))).clone()
}

/// The client for exchanges with a server. It follows no redirects, and waits for an answer as long as the caller does.
/// Behind a proxy each exchange has a connection of its own, because some proxies close theirs without a word.
///
/// # Errors
///
/// In words, when there are no certificates to trust.
pub fn carrier(is_proxied: bool) -> Result<Client, Failure> {
    static CLIENTS: [OnceLock<Result<Client, String>>; 2] = [const { OnceLock::new() }; 2];
    let make_it = || {
        let builder = usual(Policy::none()).pool_idle_timeout(IDLE);
        make(if is_proxied { builder.pool_max_idle_per_host(0) } else { builder })
    };
    let client = CLIENTS[usize::from(is_proxied)].get_or_init(make_it).clone();
    client.map_err(|error| Failure::new(Code::Unreachable, "No server can be reached by HTTP.", error))
}

fn usual(policy: Policy) -> ClientBuilder {
    // A referrer would tell one server the query of a link to another.
    Client::builder().user_agent(AGENT).connect_timeout(SILENCE).redirect(policy).referer(false)
}

fn make(builder: ClientBuilder) -> Result<Client, String> {
    let builder = builder.proxy(Via::custom(|url| proxy_of(url).map(|proxy| proxy.secret_url().to_owned())));
    builder.tls_backend_preconfigured(tls::config()?).build().map_err(|error| error.to_string())
}

/// The proxy for a URL, by the environment.
#[must_use]
pub fn proxy_of(url: &Url) -> Option<Proxy> {
    Proxy::of(url.scheme() == "https", url.host_str()?, url.port_or_known_default()?)
}

fn follow(attempt: Attempt<'_>) -> Action {
    let is_safe = attempt.previous().last().is_some_and(|from| reason_to_stay(from, attempt.url()).is_none());
    if is_safe && attempt.previous().len() <= MOST_REDIRECTS { attempt.follow() } else { attempt.stop() }
}

/// Why a redirect from `from` to `to` is not followed, in a clause; `None` if it is.
#[must_use]
pub fn reason_to_stay(from: &Url, to: &Url) -> Option<&'static str> {
    let is_web = matches!(to.scheme(), "http" | "https");
    let Some(target) = MirrorUrl::parse(origin(to)).ok().filter(|_| is_web && to.username().is_empty()) else {
        return Some("that is no address of a server");
    };
    if target.may_be_followed_from(&origin(from)) {
        return None;
    }
    Some(match (from.scheme(), to.scheme()) {
        ("https", "http") => "that is without encryption",
        _ => "that is in a private network",
    })
}

/// Scheme, host and port of a URL; they contain no secret.
#[must_use]
pub fn origin(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{}{port}/", url.scheme(), url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_followed_where_that_is_safe() {
        for (from, to, followed) in [
            ("http://nas:3000/ws", "http://nas:4000/ws", true),
            ("http://files.example/ws", "https://files.example/ws", true),
            ("https://files.example/a", "https://cdn.example/a?token=1", true),
            ("https://files.example/a", "http://files.example/a", false),
            ("https://files.example/a", "https://127.0.0.1/a", false),
            ("http://files.example/a", "http://nas/a", false),
            ("http://nas/a", "ftp://nas/a", false),
            ("http://nas/a", "http://user:secret@nas/a", false),
        ] {
            let reason = reason_to_stay(&Url::parse(from).unwrap(), &Url::parse(to).unwrap());
            assert_eq!(reason.is_none(), followed, "{from} to {to}: {reason:?}");
        }
    }
}
