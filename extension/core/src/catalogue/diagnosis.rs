//! Why no WebSocket opened. The browser does not say, so a request of plain HTTP to the same place finds out who
//! answers there.

use std::time::Duration;

use futures_util::future::{Either, select};
use gloo_timers::future::sleep;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, RequestCache, RequestCredentials, RequestInit, RequestMode, Response, WorkerGlobalScope,
};
use wstp_messages::Problem;
use wstp_protocol::probe::{Answerer, VERSION_FIELD};

use super::address::Address;
use crate::words::problem;

const PATIENCE: Duration = Duration::from_secs(3);
const CHECK_ADDRESS: &str = "Check the address. WSTP servers usually listen on port 3000.";

/// The result of the diagnosis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The same server is there, under this address.
    MovedTo(Address),
    /// In words.
    Told(Problem),
}

/// The HTTP response to the probe.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    /// The final URL of the response, after redirects.
    url: String,
    version: Option<String>,
    via: Option<String>,
}

/// Finds out why no WebSocket could be opened.
pub async fn diagnose(address: &Address) -> Finding {
    if let Some(answer) = ask(&address.http_url()).await {
        return judge(address, &answer);
    }
    if address.secure {
        let answers = ask_anybody(&address.with_encryption(false).http_url()).await;
        return Finding::Told(if answers { no_trust(address) } else { not_secure(address) });
    }
    let secure = address.with_encryption(true);
    match ask(&secure.http_url()).await {
        Some(answer) if answer.answerer() == Answerer::Wstp => Finding::MovedTo(secure),
        _ => Finding::Told(problem(
            format!("Nobody answers at {}.", address.short()),
            "Check the address, and that the server runs and can be reached from here.",
        )),
    }
}

impl Answer {
    fn answerer(&self) -> Answerer {
        Answerer::of(self.status, self.version.as_deref())
    }
}

/// Derives a finding from the HTTP response of an address whose WebSocket failed.
fn judge(address: &Address, answer: &Answer) -> Finding {
    let target = Address::parse(&answer.url).ok();
    if let Some(target) = target.map(|target| target.with_endpoint_of(address)).filter(|target| target != address) {
        let is_same_server = target.host == address.host && (target.secure || !address.secure);
        return if is_same_server { Finding::MovedTo(target) } else { Finding::Told(elsewhere(address, &target)) };
    }
    Finding::Told(in_words(address, answer))
}

fn in_words(address: &Address, answer: &Answer) -> Problem {
    let label = address.short();
    match (answer.answerer(), answer.via.as_deref()) {
        (Answerer::Wstp, Some(via)) => problem(
            format!("{label} is a WSTP server, but the proxy on the way ({}) lets no WebSocket through.", short(via)),
            format!(
                "Ask who runs the proxy to allow CONNECT to {}, or have Chrome use no proxy for this server.",
                address.host_and_port()
            ),
        ),
        (Answerer::Wstp, None) => problem(
            format!("{label} is a WSTP server, but what stands before it lets no WebSocket through."),
            "nginx needs these lines in its location: \
             proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; \
             The whole of it is in docs/server.md. A proxy that your browser uses can be the cause too.",
        ),
        (Answerer::WstpThatRefuses, _) => problem(
            format!("{label} is a WSTP server, and does not let this browser in."),
            "Ask who runs the server to let the extension in.",
        ),
        (Answerer::WantsPassword, _) => problem(
            format!("{label} asks for a name and a password."),
            "The extension can't give them yet. Ask who runs the server to let you in without.",
        ),
        (Answerer::ProxyWantsPassword, _) => problem(
            "The proxy on the way asks for a name and a password.",
            "Open any page in a tab, log in to the proxy there, and try again.",
        ),
        (Answerer::Forbids, _) => problem(
            format!("What answers at {label} forbids it to be used (403)."),
            "Ask who runs the server, or the proxy before it, to let you in.",
        ),
        (Answerer::OtherName, _) => problem(
            format!("What answers at {label} is not called so (421)."),
            "Try its IP address, or start wstp-server with --allow-host and this name.",
        ),
        (Answerer::ServerIsDown, _) => problem(
            format!("A proxy answers at {label}, but the server behind it does not ({}).", answer.status),
            "Check that wstp-server runs, and that the proxy passes on to its port.",
        ),
        (Answerer::Redirects | Answerer::Other, _) => {
            problem(format!("Something answers at {label}, but it is not a WSTP server."), CHECK_ADDRESS)
        }
    }
}

fn elsewhere(address: &Address, target: &Address) -> Problem {
    problem(
        format!("{} leads to another server, {}.", address.short(), target.short()),
        format!("If you trust it, type {} and connect.", target.short()),
    )
}

fn no_trust(address: &Address) -> Problem {
    problem(
        format!("{} answers, but Chrome does not trust its certificate.", address.short()),
        format!(
            "Open {} in a tab, look at the certificate, accept it if it is the server's, and try again.",
            address.page("/")
        ),
    )
}

fn not_secure(address: &Address) -> Problem {
    problem(
        format!("No secure connection to {} could be made.", address.short()),
        format!(
            "Either nobody answers there, or the certificate is not trusted: open {} in a tab to see which.",
            address.page("/")
        ),
    )
}

/// A stranger's words, quoted in a sentence of ours.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

async fn ask(url: &str) -> Option<Answer> {
    let response = fetch(url, RequestMode::Cors).await?;
    let field = |name: &str| response.headers().get(name).ok().flatten();
    Some(Answer { status: response.status(), url: response.url(), version: field(VERSION_FIELD), via: field("via") })
}

/// Whether anything answers at all. A browser that may not read the answer says no more.
async fn ask_anybody(url: &str) -> bool {
    fetch(url, RequestMode::NoCors).await.is_some()
}

async fn fetch(url: &str, mode: RequestMode) -> Option<Response> {
    let controller = AbortController::new().ok()?;
    let options = RequestInit::new();
    options.set_mode(mode);
    options.set_cache(RequestCache::NoStore);
    options.set_credentials(RequestCredentials::Omit);
    options.set_referrer_policy(web_sys::ReferrerPolicy::NoReferrer);
    options.set_signal(Some(&controller.signal()));
    let scope: WorkerGlobalScope = js_sys::global().dyn_into().ok()?;
    let asking = JsFuture::from(scope.fetch_with_str_and_init(url, &options));
    let answer = match select(asking, Box::pin(sleep(PATIENCE))).await {
        Either::Left((answer, _)) => answer.ok()?.dyn_into().ok(),
        Either::Right(_) => None,
    };
    // Nobody reads the rest.
    controller.abort();
    answer
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    fn answer(status: u16, url: &str, version: Option<&str>, via: Option<&str>) -> Answer {
        Answer { status, url: url.to_owned(), version: version.map(str::to_owned), via: via.map(str::to_owned) }
    }

    fn told(address: &str, answer: &Answer) -> String {
        match judge(&Address::parse(address).unwrap(), answer) {
            Finding::Told(problem) => format!("{} {}", problem.what, problem.advice),
            Finding::MovedTo(address) => format!("moved to {address}"),
        }
    }

    #[test]
    fn each_answer_says_what_is_in_the_way() {
        let here = "http://nas:3000/ws";
        for (answer, words) in [
            (answer(426, here, Some("1"), None), "proxy_set_header Upgrade $http_upgrade"),
            (answer(426, here, Some("1"), Some("1.1 tinyproxy")), "allow CONNECT to nas:3000"),
            (answer(403, here, Some("1"), None), "does not let this browser in"),
            (answer(426, here, None, None), "it is not a WSTP server"),
            (answer(200, here, None, None), "it is not a WSTP server"),
            (answer(401, here, None, None), "asks for a name and a password"),
            (answer(403, here, None, None), "forbids it"),
            (answer(407, here, None, None), "log in to the proxy"),
            (answer(421, here, None, None), "--allow-host"),
            (answer(502, here, None, None), "the server behind it does not (502)"),
            (answer(200, "https://nas:3000/ws", Some("1"), None), "moved to wss://nas:3000/ws"),
            (answer(426, "https://nas/ws", None, None), "moved to wss://nas:443/ws"),
            (answer(426, "http://other/ws", Some("1"), None), "leads to another server, other:80"),
        ] {
            let told = told("nas:3000", &answer);
            assert!(told.contains(words), "{answer:?}: {told}");
        }
    }

    #[test]
    fn encryption_is_never_given_up_for_a_redirect() {
        let told = told("wss://nas", &answer(200, "http://nas/ws", Some("1"), None));
        assert!(told.contains("leads to another server"), "{told}");
    }
}
