//! `wstp login` and `wstp logout`: a name and a password become a token, which is kept in their place.

use std::io::{self, BufRead, IsTerminal, Write};

use reqwest::{Response, StatusCode};
use serde::Deserialize;
use wstp_client::address::Address;
use wstp_client::login::Refusal;
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
    user: User,
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
    let asked = tokio::task::spawn_blocking(move || ask(name)).await;
    let (name, password) =
        asked.map_err(|error| unread(&error.to_string()))?.map_err(|error| unread(&error.to_string()))?;
    let client = web::client_that_stays().map_err(|error| Failure::new(Code::Failed, error, ""))?;
    // Above the prefix another program may answer, which must not get the password.
    let server = &diagnosis::at_prefix(server).await;
    let request = client.post(server.page(LOGIN_PATH)).basic_auth(&name, Some(password));
    let response = request.send().await.map_err(|error| exchange::failed(server, &error))?;
    if response.status() != StatusCode::OK {
        return Err(refused(&response, &label));
    }
    let answer = body(response, LONGEST_ANSWER).await.and_then(|text| serde_json::from_str::<Answer>(&text).ok());
    let answer = answer.ok_or_else(|| not_wstp(&label, "it answered with something else than a token"))?;
    let Answer { token, user: User { name, role } } = answer;
    credentials::keep(server, Some(Login { user: name.clone(), token }))?;
    answers.line(&format!("Logged in to {label} as {} ({}).", one_line(&name), one_line(&role)));
    Ok(Code::Ok)
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

/// Asks for what is missing: at a terminal, or line by line from the standard input.
fn ask(name: Option<String>) -> io::Result<(String, String)> {
    if !io::stdin().is_terminal() {
        let line = || {
            let mut line = String::new();
            io::Read::take(io::stdin().lock(), LONGEST_LINE).read_line(&mut line)?;
            Ok::<_, io::Error>(line.trim_end_matches(['\r', '\n']).to_owned())
        };
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

fn refused(response: &Response, label: &str) -> Failure {
    let wait = response.headers().get(reqwest::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let refusal = Refusal::of(response.status().as_u16(), wait);
    let code = match refusal {
        Refusal::Wrong | Refusal::NoUsers => Code::NotFound,
        Refusal::TriedTooOften(_) | Refusal::Busy => Code::Unreachable,
        Refusal::Odd(status) => return not_wstp(label, format!("it answered with {status}")),
    };
    let Words { what, advice } = refusal.words(label, false);
    Failure::new(code, what.say(), advice.say())
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
