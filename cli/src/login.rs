//! `wstp login` and `wstp logout`: a name and a password become a token, which is kept in their place. So does the
//! password of a share link.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use reqwest::{Response, StatusCode};
use serde::Deserialize;
use wstp_client::address::Address;
use wstp_client::login::{Proof, Refusal};
use wstp_client::words::Words;
use wstp_protocol::LOGIN_PATH;

use crate::answers::Answers;
use crate::credentials::{self, Login};
use crate::diagnosis;
use crate::escape::one_line;
use crate::exchange;
use crate::exit::{Code, Failure};
use crate::web;
use crate::words::not_wstp;

/// Most bytes of a line that is read for a name or a password.
const LONGEST_LINE: u64 = 1024;
/// Most bytes of an answer.
const LONGEST_ANSWER: usize = 16 * 1024;

/// The answer to a login.
#[derive(Deserialize)]
struct Answer {
    token: String,
    /// A share link has none.
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    name: String,
    role: String,
}

/// Logs in, and keeps the token.
///
/// # Errors
///
/// In words, when the server does not let the user in, or the token can't be kept.
pub async fn log_in(server: &Address, name: Option<String>, answers: &Answers) -> Result<Code, Failure> {
    let label = server.host_and_port();
    if !server.secure && !server.is_here() {
        eprintln!("wstp: the connection to {label} is not encrypted: others on the way can read the password.");
    }
    let is_link = server.is_link();
    let asked = tokio::task::spawn_blocking(move || if is_link { ask_for_link() } else { ask(name) }).await;
    let (name, password) =
        asked.map_err(|error| unread(&error.to_string()))?.map_err(|error| unread(&error.to_string()))?;
    // Above the prefix another program may answer, which must not get the password.
    let server = &diagnosis::at_prefix(server).await;
    let Answer { token, user } = token(server, &name, &password).await.map_err(|reason| reason.told(server))?;
    let login = Login { user: user.as_ref().map(|user| user.name.clone()).unwrap_or_default(), token };
    credentials::keep(server, Some(login))?;
    match user {
        Some(User { name, role }) => {
            answers.line(&format!("Logged in to {label} as {} ({}).", one_line(&name), one_line(&role)));
        }
        None => {
            answers.line(&format!("The link to {label} opens without its password now."));
        }
    }
    Ok(Code::Ok)
}

/// Prepares the proof of who the user is, for the first server that the user named. The password of a share link becomes
/// a token for this run. Without one, it is asked for at a terminal, unless the command itself logs in or out.
///
/// # Errors
///
/// In words, when there is no token or password, or the server does not take it.
pub async fn prepare(file: Option<&Path>, server: &Address, is_login: bool) -> Result<(), Failure> {
    let password = match credentials::given(file)? {
        Some(token) if !server.is_link() => return credentials::give(&token, file, server),
        _ if is_login || !server.is_link() => return Ok(()),
        Some(password) => password,
        None if !is_locked(server).await => return Ok(()),
        None => {
            let asked = tokio::task::spawn_blocking(ask_for_link).await;
            asked.map_err(|error| unread(&error.to_string()))?.map_err(|error| unread(&error.to_string()))?.1
        }
    };
    match token(server, "", &password).await {
        Ok(answer) => credentials::give(&answer.token, file, server),
        // An older server has no such page, and takes the password itself for a token.
        Err(NoToken::Refused(Refusal::NoUsers)) => credentials::give(&password, file, server),
        Err(reason) => Err(reason.told(server)),
    }
}

/// Whether this is a link that wants a password which somebody can be asked for.
async fn is_locked(server: &Address) -> bool {
    let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !can_ask || credentials::of(server).is_some() {
        return false;
    }
    // A server that does not answer is told of later.
    let Ok(client) = web::client_that_stays() else { return false };
    client.get(server.page(LOGIN_PATH)).send().await.is_ok_and(|answer| answer.status() == StatusCode::UNAUTHORIZED)
}

/// Why a server gave no token.
enum NoToken {
    Refused(Refusal),
    Failed(Failure),
}

/// Has a server give a token for a password.
async fn token(server: &Address, name: &str, password: &str) -> Result<Answer, NoToken> {
    let client = web::client_that_stays().map_err(|error| NoToken::Failed(Failure::new(Code::Failed, error, "")))?;
    let request = client.post(server.page(LOGIN_PATH)).basic_auth(name, Some(password));
    let response = request.send().await.map_err(|error| NoToken::Failed(exchange::failed(server, &error)))?;
    if response.status() != StatusCode::OK {
        let wait = response.headers().get(reqwest::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        return Err(NoToken::Refused(Refusal::of(response.status().as_u16(), wait)));
    }
    let answer = body(response, LONGEST_ANSWER).await.and_then(|text| serde_json::from_str::<Answer>(&text).ok());
    answer.ok_or_else(|| {
        NoToken::Failed(not_wstp(&server.host_and_port(), "it answered with something else than a token"))
    })
}

/// Revokes the token, and forgets it.
///
/// # Errors
///
/// In words, when there is none, or the server could not be told.
pub async fn log_out(server: &Address, answers: &Answers) -> Result<Code, Failure> {
    let label = server.host_and_port();
    let Some((server, login)) = credentials::kept(server)? else {
        return Err(Failure::new(
            Code::NotFound,
            format!("You are not logged in to {label}."),
            "There is nothing to do.",
        ));
    };
    credentials::keep(&server, None)?;
    let client = web::client_that_stays().map_err(|error| Failure::new(Code::Failed, error, ""))?;
    match client.delete(server.page(LOGIN_PATH)).bearer_auth(&login.token).send().await.map(|answer| answer.status()) {
        Ok(StatusCode::NO_CONTENT | StatusCode::UNAUTHORIZED) => {
            answers.line(&format!("Logged out of {label}."));
            Ok(Code::Ok)
        }
        _ => {
            let what = format!("The login to {label} is forgotten here, but the server could not be told.");
            let advice = "The token ends by itself after 90 days. Ask who runs the server to revoke it earlier.";
            Err(Failure::new(Code::Unreachable, what, advice))
        }
    }
}

fn line() -> io::Result<String> {
    let mut line = String::new();
    io::Read::take(io::stdin().lock(), LONGEST_LINE).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks for the password of a share link, as [`ask`] does. It goes with an empty name.
fn ask_for_link() -> io::Result<(String, String)> {
    let password =
        if io::stdin().is_terminal() { rpassword::prompt_password("Password of the link: ")? } else { line()? };
    Ok((String::new(), password))
}

/// Asks for what is missing: at a terminal, or line by line from the standard input.
fn ask(name: Option<String>) -> io::Result<(String, String)> {
    if !io::stdin().is_terminal() {
        return Ok((name.map_or_else(line, Ok)?, line()?));
    }
    let name = match name {
        Some(name) => name,
        None => {
            eprint!("Name: ");
            io::stderr().flush()?;
            let mut name = String::new();
            io::Read::take(io::stdin().lock(), LONGEST_LINE).read_line(&mut name)?;
            name.trim().to_owned()
        }
    };
    let password = rpassword::prompt_password(format!("Password for {name}: "))?;
    Ok((name, password))
}

impl NoToken {
    fn told(self, server: &Address) -> Failure {
        let label = server.host_and_port();
        let refusal = match self {
            Self::Refused(refusal) => refusal,
            Self::Failed(failure) => return failure,
        };
        let code = match refusal {
            Refusal::Wrong | Refusal::NoUsers => Code::NotFound,
            Refusal::TriedTooOften(_) | Refusal::Busy => Code::Unreachable,
            Refusal::Odd(status) => return not_wstp(&label, format!("it answered with {status}")),
        };
        let proof = if server.is_link() { Proof::Link } else { Proof::Password };
        let Words { what, advice } = refusal.words(&label, proof);
        Failure::new(code, what.say(), advice.say())
    }
}

/// The text of an answer, if it has no more than `most` bytes.
pub(crate) async fn body(mut response: Response, most: usize) -> Option<String> {
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.ok()? {
        if bytes.len() + piece.len() > most {
            return None;
        }
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).ok()
}

fn unread(reason: &str) -> Failure {
    Failure::new(Code::Failed, format!("The name or the password could not be read: {reason}."), "Try again.")
}
