//! Tokens that prove to servers who the user is: one that the user gives for this run, and those of earlier logins.
//!
//! The tokens of logins are in a file that only the user can read. A token goes to the server that gave it, never to a
//! mirror, and never stands on the command line, where every program of the machine could read it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use wstp_client::address::Address;
use wstp_engine::Credential;
use wstp_protocol::limits::MAX_TOKEN;

use crate::exit::{Code, Failure};

/// The variable of the environment with a token.
const VARIABLE: &str = "WSTP_TOKEN";

/// The token for this run, and the server that gets it.
static GIVEN: OnceLock<(Address, Credential)> = OnceLock::new();

/// The tokens of logins, by server.
#[derive(Default, Deserialize, Serialize)]
struct Logins {
    servers: BTreeMap<String, Login>,
}

/// A login.
#[derive(Clone, Deserialize, Serialize)]
pub struct Login {
    /// The user's name there; empty at a share link.
    pub user: String,
    /// The token.
    pub token: String,
}

/// The secret of a file, or of the environment: a token, or the password of a share link.
///
/// # Errors
///
/// When the file can't be read.
pub fn given(file: Option<&Path>) -> Result<Option<String>, Failure> {
    let text = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path);
            text.map_err(|error| unusable(format!("The token in {path:?} can't be read: {error}.")))?
        }
        None => match std::env::var(VARIABLE) {
            Ok(text) => text,
            Err(_) => return Ok(None),
        },
    };
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Takes a token for this run, for the first server that the user named. `from` is the file that has it.
///
/// # Errors
///
/// When it is no token.
pub fn give(token: &str, from: Option<&Path>, server: &Address) -> Result<(), Failure> {
    let token = token.trim();
    let is_token = !token.is_empty() && token.len() <= MAX_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_token {
        let place = from.map_or_else(|| VARIABLE.to_owned(), |path| format!("{path:?}"));
        return Err(unusable(format!("There is no token in {place}.")));
    }
    let _first_wins = GIVEN.set((server.clone(), Credential::Token(token.to_owned())));
    Ok(())
}

/// The credential that proves to a server who the user is.
#[must_use]
pub fn of(server: &Address) -> Option<Credential> {
    if let Some((given_to, credential)) = GIVEN.get()
        && given_to == server
    {
        return Some(credential.clone());
    }
    // An unreadable file is told by `wstp login`. Until then the server says that it wants a login.
    login(server).ok().flatten().map(|login| Credential::Token(login.token))
}

/// The login at a server.
///
/// # Errors
///
/// When the file can't be read.
fn login(server: &Address) -> Result<Option<Login>, Failure> {
    Ok(kept(server)?.map(|(_, login)| login))
}

/// The login at a server, and the address that it is kept for. One below a prefix counts for its host and port alone too,
/// if it is the only one there, because the server sends its clients below the prefix.
///
/// # Errors
///
/// When the file can't be read.
pub fn kept(server: &Address) -> Result<Option<(Address, Login)>, Failure> {
    let Some(path) = path() else { return Ok(None) };
    let mut servers = read(&path)?.servers;
    if let Some(login) = servers.remove(&server.to_string()) {
        return Ok(Some((server.clone(), login)));
    }
    let scheme = if server.secure { "wss" } else { "ws" };
    let names_no_prefix =
        Address::parse(&format!("{scheme}://{}", server.host_and_port())).is_ok_and(|root| root == *server);
    let there = |(address, login): (String, Login)| {
        let address = Address::parse(&address).ok().filter(|address| !address.is_link())?;
        (names_no_prefix && address.clone().with_endpoint_of(server) == *server).then_some((address, login))
    };
    let mut below = servers.into_iter().filter_map(there);
    Ok(below.next().filter(|_| below.next().is_none()))
}

/// Keeps a login, or forgets it.
///
/// # Errors
///
/// When it can't be kept.
pub fn keep(server: &Address, login: Option<Login>) -> Result<(), Failure> {
    let path = path().ok_or_else(|| unusable("There is no folder for logins: HOME is not set.".to_owned()))?;
    let mut logins = read(&path)?;
    match login {
        Some(login) => logins.servers.insert(server.to_string(), login),
        None => logins.servers.remove(&server.to_string()),
    };
    write(&path, &logins).map_err(|error| unusable(format!("The login can't be kept in {path:?}: {error}.")))
}

fn path() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(config.join("wstp").join("logins.json"))
}

fn read(path: &Path) -> Result<Logins, Failure> {
    let unreadable = |reason: String| {
        let advice = "Remove the file and log in again.";
        Failure::new(Code::Failed, format!("The logins in {path:?} can't be read: {reason}."), advice)
    };
    match std::fs::read(path) {
        // The parser's own words could repeat a part of a token.
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| unreadable("it is no such file".to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Logins::default()),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

/// Replaces the file as a whole. A temporary file is its owner's alone.
fn write(path: &Path, logins: &Logins) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec_pretty(logins)?)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn unusable(what: String) -> Failure {
    Failure::new(Code::Usage, what, "Log in with `wstp login HOST`, or ask who runs the server for a token.")
}
