//! The text that a person types on the command line to name a server, and something on it.
//!
//! `host`, `host:port`, `ws://…` and `wss://…`, each with a path behind it. The path is the one that `wstp ls` shows:
//! nothing in it is decoded, `%20` is three characters. A URL that ends in `/ws`, as servers print it, is the server
//! itself. `http://…` and `https://…` are what a browser shows, and percent-encoded ([`crate::place`]).

use reqwest::Url;
use wstp_client::address::{AddressError, Rules, WebSocketPath};
use wstp_client::words::{self, clause};

pub use wstp_client::address::{Address, Source};

use crate::exit::{Code, Failure};
use crate::place::FileUrl;
use crate::web;
use crate::words::WSTP;

/// The meaning of a text to `wstp`.
pub const RULES: Rules = Rules { web_socket_path: WebSocketPath::Place };

/// Parses what was typed.
///
/// # Errors
///
/// In words for the one who typed it.
pub fn parse(typed: &str) -> Result<Source, Failure> {
    if FileUrl::is_meant_by(typed) {
        return FileUrl::parse(typed)?.on_server();
    }
    let mut source = Source::parse(typed, &RULES).map_err(|error| refused(typed, &error))?;
    source.address.host = in_ascii(&source.address.host).ok_or_else(|| refused(typed, &AddressError::Host))?;
    Ok(source)
}

/// The server that an `http://` or `https://` URL leads to.
#[must_use]
pub fn of_web(url: &Url) -> Option<Address> {
    Address::parse(&web::origin(url)).ok()
}

/// A name of another script, in the spelling that the domain name system has for it.
fn in_ascii(host: &str) -> Option<String> {
    if host.is_ascii() {
        return Some(host.to_owned());
    }
    let url = Url::parse(&format!("http://{host}/")).ok()?;
    url.host_str().filter(|host| host.is_ascii()).map(str::to_owned)
}

/// The words for a text that is no address. It is repeated, unless it may hold a password.
fn refused(typed: &str, error: &AddressError) -> Failure {
    let words = words::address(error, &WSTP);
    let what = match error {
        AddressError::Credentials => words.what.say(),
        _ => format!("\"{typed}\" names nothing on a server: {}.", clause(&words.what.say())),
    };
    Failure::new(Code::Usage, what, words.advice.say())
}

/// The words for an address with a password in it, which is not repeated.
pub(crate) fn no_password() -> Failure {
    refused("", &AddressError::Credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_on_the_command_line_is_a_server_and_a_path() {
        for (typed, address, path) in [
            ("localhost/", "ws://localhost:3000/ws", ""),
            ("host/ws", "ws://host:3000/ws", "ws"),
            ("ws://host:3000/path/to/file", "ws://host:3000/ws", "path/to/file"),
            ("WS://host/a@b", "ws://host:80/ws", "a@b"),
            ("wss://host/ws", "wss://host:443/ws", ""),
            ("b\u{fc}cher.example/x", "ws://xn--bcher-kva.example:3000/ws", "x"),
            ("http://host:3000/files/sub%20dir/", "ws://host:3000/ws", "sub dir"),
            ("HTTPS://Host/files/50%25", "wss://host:443/ws", "50%"),
            ("http://[::1]:3000", "ws://[::1]:3000/ws", ""),
        ] {
            let source = parse(typed).unwrap();
            assert_eq!((source.address.to_string().as_str(), source.path.as_str()), (address, path), "{typed}");
        }
    }

    #[test]
    fn what_is_no_source_is_refused_in_words() {
        for typed in [
            "",
            "/etc/passwd",
            "ftp://host/x",
            "host:",
            "host:0",
            "user@host",
            "ws://",
            "a b/c",
            "a..b",
            "host/a//b",
            "host/../x",
            "-o",
        ] {
            let refused = parse(typed).unwrap_err();
            assert_eq!(refused.code, Code::Usage, "{typed:?}");
            assert!(refused.what.ends_with('.') && refused.advice.ends_with('.'), "{typed:?}");
        }
    }
}
