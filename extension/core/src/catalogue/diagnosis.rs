//! Why no WebSocket opened. The browser does not say, so a request of plain HTTP to the same place finds out who
//! answers there.

use std::time::Duration;

use futures_util::future::{Either, select};
use gloo_timers::future::sleep;
use web_sys::{AbortController, RequestMode, RequestRedirect};
use wstp_client::address::{Source, may_have_prefix};
use wstp_client::diagnosis::Answer;
use wstp_messages::Problem;
use wstp_protocol::probe::{Answerer, BASE_FIELD, VERSION_FIELD};
use wstp_words::phrase;

use super::address::Address;
use crate::fetching;
use crate::words::{EXTENSION, problem, told};

const PATIENCE: Duration = Duration::from_secs(3);

/// The result of the diagnosis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The same server is there, under this address.
    MovedTo(Address),
    /// In words.
    Told(Problem),
    /// The browser refuses the certificate, or may do so. The user can look at it on the server's page.
    Untrusted(Problem),
}

/// The HTTP response to the probe.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Response {
    said: Answer,
    /// The final URL of the response, after redirects.
    url: String,
    /// The prefix below which the server lies, if it says one.
    base: Option<String>,
}

/// Finds out why no WebSocket could be opened.
pub async fn diagnose(address: &Address) -> Finding {
    if let Some(answer) = ask(&address.http_url()).await {
        return judge(address, &answer);
    }
    if address.secure {
        let answers = ask_anybody(&address.with_encryption(false).http_url()).await;
        return Finding::Untrusted(if answers { no_trust(address) } else { not_secure(address) });
    }
    let secure = address.with_encryption(true);
    match ask(&secure.http_url()).await {
        Some(answer) if answer.said.answerer() == Answerer::Wstp => Finding::MovedTo(secure),
        _ => Finding::Told(problem(phrase!(nobody_answers, &address.short()), phrase!(nobody_answers_advice))),
    }
}

/// The meaning of a typed URL at a server that lies below a prefix, if it says so.
pub async fn below_prefix(typed: &str) -> Option<Source> {
    let answer = ask(may_have_prefix(typed)?).await?;
    Source::below(typed, answer.base.as_deref()?)
}

/// Derives a finding from the HTTP response of an address whose WebSocket failed.
fn judge(address: &Address, answer: &Response) -> Finding {
    let target = Address::parse(&answer.url).ok();
    if let Some(target) = target.map(|target| target.with_endpoint_of(address)).filter(|target| target != address) {
        let is_same_server = target.host == address.host && (target.secure || !address.secure);
        return if is_same_server { Finding::MovedTo(target) } else { Finding::Told(elsewhere(address, &target)) };
    }
    if let Some(below) = answer.base.as_deref().and_then(|base| address.below(base)) {
        return Finding::MovedTo(below);
    }
    Finding::Told(told(answer.said.words(address, &address.short(), &EXTENSION)))
}

fn elsewhere(address: &Address, target: &Address) -> Problem {
    problem(
        phrase!(leads_elsewhere, &address.short(), &target.short()),
        phrase!(leads_elsewhere_advice, &target.short()),
    )
}

fn no_trust(address: &Address) -> Problem {
    problem(phrase!(certificate_untrusted, &address.short()), phrase!(certificate_untrusted_advice))
}

fn not_secure(address: &Address) -> Problem {
    problem(phrase!(not_secure, &address.short()), phrase!(not_secure_advice))
}

async fn ask(url: &str) -> Option<Response> {
    let response = fetch(url, RequestMode::Cors, RequestRedirect::Follow).await?;
    let field = |name: &str| response.headers().get(name).ok().flatten();
    let said = Answer { status: response.status(), version: field(VERSION_FIELD), via: field("via") };
    Some(Response { said, url: response.url(), base: field(BASE_FIELD) })
}

/// Whether anything answers at all. A server that speaks TLS may lead there, which is not followed: the certificate is
/// what fails. A browser that may not read the answer says no more.
async fn ask_anybody(url: &str) -> bool {
    fetch(url, RequestMode::Cors, RequestRedirect::Manual).await.is_some()
        || fetch(url, RequestMode::NoCors, RequestRedirect::Follow).await.is_some()
}

async fn fetch(url: &str, mode: RequestMode, redirect: RequestRedirect) -> Option<web_sys::Response> {
    let controller = AbortController::new().ok()?;
    let options = fetching::options("GET", &controller);
    options.set_mode(mode);
    options.set_redirect(redirect);
    let asking = Box::pin(fetching::send(url, &options));
    let answer = match select(asking, Box::pin(sleep(PATIENCE))).await {
        Either::Left((answer, _)) => answer.ok(),
        Either::Right(_) => None,
    };
    // Nobody reads the rest.
    controller.abort();
    answer
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    fn response(status: u16, url: &str, version: Option<&str>) -> Response {
        let said = Answer { version: version.map(str::to_owned), ..Answer::of_status(status) };
        Response { said, url: url.to_owned(), base: None }
    }

    fn told(address: &str, response: &Response) -> String {
        match judge(&Address::parse(address).unwrap(), response) {
            Finding::Told(problem) => format!("{} {}", problem.what.say(), problem.advice.say()),
            Finding::MovedTo(address) => format!("moved to {address}"),
            Finding::Untrusted(problem) => format!("not trusted: {problem:?}"),
        }
    }

    #[test]
    fn each_answer_says_what_is_in_the_way_or_where_the_server_is() {
        let here = "http://nas:3000/ws";
        for (response, words) in [
            (response(426, here, Some("1")), "A proxy that your browser uses can be the cause too."),
            (response(403, here, Some("1")), "does not let this browser in"),
            (response(426, here, None), "is not a WSTP server"),
            (response(407, here, None), "log in to the proxy"),
            (response(200, "https://nas:3000/ws", Some("1")), "moved to wss://nas:3000/ws"),
            (response(426, "https://nas/ws", None), "moved to wss://nas:443/ws"),
            (response(426, "http://other/ws", Some("1")), "leads to another server, other:80"),
        ] {
            let told = told("nas:3000", &response);
            assert!(told.contains(words), "{response:?}: {told}");
        }
    }

    #[test]
    fn a_server_that_names_its_prefix_is_found_below_it() {
        let below =
            |base: &str| Response { base: Some(base.to_owned()), ..response(404, "http://nas:3000/ws", Some("1")) };
        assert_eq!(told("nas:3000", &below("/a/")), "moved to ws://nas:3000/a/ws");
        assert!(!told("nas:3000", &below("//evil.example?")).contains("moved"));
    }

    #[test]
    fn encryption_is_never_given_up_for_a_redirect() {
        let told = told("wss://nas", &response(200, "http://nas/ws", Some("1")));
        assert!(told.contains("leads to another server"), "{told}");
    }
}
