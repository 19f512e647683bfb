//! `wstp link`: the share links of the user who is logged in to a server.

use std::io::{self, BufRead, IsTerminal};

use reqwest::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use wstp_client::address::Address;
use wstp_engine::Credential;
use wstp_protocol::LOGIN_PATH;

use crate::address::Source;
use crate::answers::Answers;
use crate::credentials;
use crate::diagnosis;
use crate::escape::{self, one_line};
use crate::exchange;
use crate::exit::{Code, Failure};
use crate::login::body;
use crate::web;
use crate::words::not_wstp;

/// Most bytes of an answer: a list of a thousand links.
const LONGEST_ANSWER: usize = 8 << 20;
/// Most bytes of a server's words that are shown.
const LONGEST_WORDS: usize = 500;
/// Most bytes of a line that is read for a password.
const LONGEST_LINE: u64 = 1026;
/// Seconds in a day.
const DAY: u64 = 86_400;

/// The wishes for a new link.
#[derive(Debug)]
pub struct Wishes {
    /// Days until it ends.
    pub days: u32,
    /// How many visitors may download.
    pub downloads: Option<u64>,
    /// Whether to ask for a password that protects it.
    pub password: bool,
}

#[derive(Serialize)]
struct Wanted<'a> {
    path: &'a str,
    days: u32,
    downloads: Option<u64>,
    password: Option<String>,
}

/// A new link, as the server tells it.
#[derive(Deserialize)]
struct Made {
    id: String,
    /// Relative to the server's address.
    link: String,
    expires: u64,
}

#[derive(Serialize)]
#[serde(tag = "event", rename = "link")]
struct Line<'a> {
    id: &'a str,
    link: &'a str,
    expires: u64,
}

#[derive(Deserialize)]
struct List {
    links: Vec<Own>,
}

/// One of the user's links.
#[derive(Deserialize, Serialize)]
#[serde(tag = "event", rename = "link")]
struct Own {
    id: String,
    path: String,
    expires: u64,
    downloads: Option<u64>,
    has_password: bool,
    works: bool,
}

/// Makes a link to a file or a folder, and prints it.
///
/// # Errors
///
/// When the user may not, or the server can't be reached.
pub async fn make(source: &Source, wishes: Wishes, json: bool, answers: &Answers) -> Result<Code, Failure> {
    let password = if wishes.password { Some(ask_password().await?) } else { None };
    let Wishes { days, downloads, .. } = wishes;
    let wanted = Wanted { path: source.path.as_str(), days, downloads, password };
    let (server, answer) = ask(&source.address, Method::POST, "", Some(&wanted)).await?;
    let made: Made = understood(&server, answer).await?;
    let link = server.page(&format!("/{}", one_line(&made.link)));
    if json {
        answers.object(&Line { id: &made.id, link: &link, expires: made.expires });
        return Ok(Code::Ok);
    }
    eprintln!("Link {} for {days} days. It is shown this once:", one_line(&made.id));
    answers.line(&link);
    Ok(Code::Ok)
}

/// Prints the user's links, one a line: number, path, time, and what bounds it.
///
/// # Errors
///
/// As [`make`].
pub async fn list(server: &Address, json: bool, answers: &Answers) -> Result<Code, Failure> {
    let (server, answer) = ask(server, Method::GET, "", None).await?;
    let List { links } = understood(&server, answer).await?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    for link in links {
        let goes_on = if json { answers.object(&link) } else { answers.line(&link.line(now)) };
        if !goes_on {
            break;
        }
    }
    Ok(Code::Ok)
}

/// Removes one of the user's links.
///
/// # Errors
///
/// As [`make`], and when the user has no link of that number.
pub async fn remove(server: &Address, id: &str, answers: &Answers) -> Result<Code, Failure> {
    ask(server, Method::DELETE, &format!("/{id}"), None).await?;
    answers.line(&format!("Link {id} is removed. Downloads with it end."));
    Ok(Code::Ok)
}

impl Own {
    fn line(&self, now: u64) -> String {
        let left = match (self.works, self.expires.saturating_sub(now).div_ceil(DAY)) {
            (false, _) => "over".to_owned(),
            (true, days) => format!("{days} days left"),
        };
        let downloads = self.downloads.map_or_else(String::new, |left| format!("\t{left} downloads left"));
        let password = if self.has_password { "\tpassword" } else { "" };
        format!("{}\t{}\t{left}{downloads}{password}", one_line(&self.id), escape::name(&self.path))
    }
}

/// Asks a server on behalf of the user. Returns where it answers, and its answer, if it did what was asked.
async fn ask(
    typed: &Address,
    method: Method,
    path: &str,
    body: Option<&Wanted<'_>>,
) -> Result<(Address, Response), Failure> {
    let client = web::client_that_stays().map_err(|error| Failure::new(Code::Failed, error, ""))?;
    // Above the prefix another program may answer, which must not get the token.
    let server = diagnosis::at_prefix(typed).await;
    let mut request = client.request(method, server.page(&format!("{LOGIN_PATH}/links{path}")));
    if let Some(Credential::Token(token)) = credentials::of(typed).or_else(|| credentials::of(&server)) {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        let body = serde_json::to_string(body).expect("texts and numbers can be written as JSON");
        request = request.header("content-type", "application/json").body(body);
    }
    let response = request.send().await.map_err(|error| exchange::failed(&server, &error))?;
    match response.status() {
        StatusCode::OK | StatusCode::NO_CONTENT => Ok((server, response)),
        _ => Err(refused(&server.host_and_port(), response).await),
    }
}

async fn understood<T: serde::de::DeserializeOwned>(server: &Address, answer: Response) -> Result<T, Failure> {
    let answer = body(answer, LONGEST_ANSWER).await.and_then(|text| serde_json::from_str(&text).ok());
    answer.ok_or_else(|| not_wstp(&server.host_and_port(), "it answered with something else"))
}

/// The server says itself why it refuses.
async fn refused(label: &str, response: Response) -> Failure {
    let status = response.status();
    let code = match status.as_u16() {
        401 => {
            let what = format!("{label} does not know you.");
            return Failure::new(Code::NotFound, what, "Log in first: wstp login HOST.");
        }
        429 | 503 => Code::Unreachable,
        403 | 404 | 422 => Code::NotFound,
        400 => Code::Usage,
        other => return not_wstp(label, format!("it answered with {other}")),
    };
    let words = body(response, LONGEST_WORDS).await.unwrap_or_default();
    Failure::new(code, format!("{label} refuses: {}", one_line(words.trim())), "")
}

/// Asks for a link's password: twice at a terminal, or as a line of the standard input.
async fn ask_password() -> Result<String, Failure> {
    let read = || -> io::Result<Option<String>> {
        if !io::stdin().is_terminal() {
            let mut line = String::new();
            io::Read::take(io::stdin().lock(), LONGEST_LINE).read_line(&mut line)?;
            return Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()));
        }
        let password = rpassword::prompt_password("Password for the link: ")?;
        Ok((rpassword::prompt_password("The same again: ")? == password).then_some(password))
    };
    let unread = |reason: String| Failure::new(Code::Failed, format!("The password could not be read: {reason}."), "");
    let asked: io::Result<_> = tokio::task::spawn_blocking(read).await.map_err(|error| unread(error.to_string()))?;
    asked.map_err(|error| unread(error.to_string()))?.ok_or_else(|| {
        Failure::new(Code::Usage, "The two passwords differ; no link was made.".to_owned(), "Run it again.")
    })
}
