//! Asks a server who the user is, and for tokens. A password, also that of a share link, goes into one request and is kept
//! nowhere.

use std::time::Duration;

use futures_util::future::{Either, select};
use gloo_timers::future::sleep;
use serde::Deserialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Headers, RequestRedirect, Response, WorkerGlobalScope};
use wstp_client::login::{Proof, Refusal};
use wstp_messages::{Credential, Login, LoginView, Problem};
use wstp_protocol::LOGIN_PATH;
use wstp_protocol::limits::MAX_TOKEN;
use wstp_words::phrase;

use super::address::Address;
use crate::fetching;
use crate::words::{not_wstp, problem, told};

/// How long a server may take. Checking a password is slow on purpose.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest text of a server that is shown, in characters.
const LONGEST: usize = 100;
/// Most places that are shown.
const MOST_PLACES: usize = 100;

/// The answer to a login.
#[derive(Deserialize)]
struct Given {
    token: String,
    /// A share link has none.
    user: Option<User>,
}

/// The answer to the question who one is. Older servers leave out what has a default.
#[derive(Deserialize)]
struct Identity {
    user: Option<User>,
    #[serde(default)]
    is_proven: bool,
    #[serde(default)]
    only: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct User {
    name: String,
    role: String,
}

/// Logs in with a name and a password, with the password of a share link, or with a token.
///
/// # Errors
///
/// In words for the user.
pub async fn log_in(address: &Address, user: Option<&str>, secret: &Credential) -> Result<Login, Problem> {
    let label = address.short();
    let Some(user) = user else { return with_token(address, secret).await };
    let proof = if address.is_link() { Proof::Link } else { Proof::Password };
    if (user.is_empty() && proof == Proof::Password) || user.contains(':') {
        return Err(problem(phrase!(no_such_user), phrase!(no_such_user_advice)));
    }
    let response = ask(address, "POST", &basic(user, &secret.0)?).await?;
    if response.status() != 200 {
        return Err(refused(&response, &label, proof));
    }
    let Given { token, user } = read(&response).await.ok_or_else(|| odd(&label))?;
    let token = Credential(token);
    if !is_token(&token) {
        return Err(odd(&label));
    }
    let view = Identity { user, is_proven: true, only: None }.view(address);
    // Only the role was told yet.
    let view = who(address, &token).await.unwrap_or(view);
    Ok(Login { view, token, is_brought: false })
}

async fn with_token(address: &Address, token: &Credential) -> Result<Login, Problem> {
    let (label, token) = (address.short(), Credential(token.0.trim().to_owned()));
    if !is_token(&token) {
        return Err(problem(phrase!(not_a_token), phrase!(not_a_token_advice)));
    }
    let response = ask(address, "GET", &bearer(&token)).await?;
    if response.status() != 200 {
        return Err(refused(&response, &label, Proof::Token));
    }
    let identity: Identity = read(&response).await.ok_or_else(|| odd(&label))?;
    if !identity.is_proven && identity.user.is_none() {
        return Err(told(Refusal::NoUsers.words(&label, Proof::Token)));
    }
    Ok(Login { view: identity.view(address), token, is_brought: true })
}

/// Who the user is at a server by this token; `None` if it does not say.
pub async fn who(address: &Address, token: &Credential) -> Option<LoginView> {
    let response = ask(address, "GET", &bearer(token)).await.ok()?;
    let identity: Identity = if response.status() == 200 { read(&response).await? } else { return None };
    (identity.is_proven || identity.user.is_some()).then(|| identity.view(address))
}

/// Has the server revoke a token.
///
/// # Errors
///
/// In words, when the server could not be told.
pub async fn revoke(address: &Address, token: &Credential) -> Result<(), Problem> {
    match ask(address, "DELETE", &bearer(token)).await.map(|response| response.status()) {
        Ok(204 | 401) => Ok(()),
        _ => Err(problem(phrase!(login_forgotten, &address.short()), phrase!(login_forgotten_advice))),
    }
}

impl Identity {
    fn view(self, address: &Address) -> LoginView {
        let (user, role) = self.user.map_or((None, String::new()), |user| (Some(short(&user.name)), short(&user.role)));
        let only = self.only.map(|only| only.iter().take(MOST_PLACES).map(|place| short(place)).collect());
        LoginView { address: address.to_string(), user, role, only }
    }
}

async fn ask(address: &Address, method: &str, authorization: &str) -> Result<Response, Problem> {
    let asking = async {
        let controller = AbortController::new()?;
        let options = fetching::options(method, &controller);
        options.set_redirect(RequestRedirect::Error);
        let headers = Headers::new()?;
        headers.set("authorization", authorization)?;
        options.set_headers(&headers);
        fetching::send(&address.page(LOGIN_PATH), &options).await
    };
    match select(Box::pin(asking), Box::pin(sleep(PATIENCE))).await {
        Either::Left((Ok(response), _)) => Ok(response),
        // The browser's reason could repeat what was sent.
        _ => Err(problem(phrase!(server_silent, &address.short()), phrase!(check_runs_try_again))),
    }
}

fn refused(response: &Response, label: &str, proof: Proof) -> Problem {
    let wait = response.headers().get("retry-after").ok().flatten();
    told(Refusal::of(response.status(), wait.as_deref()).words(label, proof))
}

async fn read<T: for<'a> Deserialize<'a>>(response: &Response) -> Option<T> {
    serde_wasm_bindgen::from_value(JsFuture::from(response.json().ok()?).await.ok()?).ok()
}

fn odd(label: &str) -> Problem {
    not_wstp(label, &phrase!(it_answered_no_token))
}

/// Base64 of the UTF-8 bytes. The browser encodes texts whose characters stand for one byte each.
fn basic(user: &str, password: &str) -> Result<String, Problem> {
    let bytes: String = format!("{user}:{password}").bytes().map(char::from).collect();
    let encoded = js_sys::global().dyn_into::<WorkerGlobalScope>().ok().and_then(|scope| scope.btoa(&bytes).ok());
    let encoded = encoded.ok_or_else(|| problem(phrase!(password_unsendable), phrase!(password_unsendable_advice)))?;
    Ok(format!("Basic {encoded}"))
}

fn bearer(Credential(token): &Credential) -> String {
    format!("Bearer {token}")
}

fn is_token(Credential(token): &Credential) -> bool {
    !token.is_empty() && token.len() <= MAX_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A server's text, harmless and on one short line.
fn short(text: &str) -> String {
    wstp_text::strangers::one_line(text).chars().take(LONGEST).collect()
}
