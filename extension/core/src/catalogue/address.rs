//! The address of a server, and the link to a file at a server of plain HTTP.

use std::fmt;

use wstp_client::address::AddressError;
use wstp_messages::Problem;
use wstp_protocol::MirrorUrl;
use wstp_words::phrase;

pub use wstp_client::address::Address;

use crate::words::{address_problem, problem};

/// Longest query of a link, in bytes.
const MAX_QUERY: usize = 512;

/// Parses what was typed or kept as the address of a server.
///
/// # Errors
///
/// In words for the one who typed it.
pub fn parse(typed: &str) -> Result<Address, Problem> {
    match typed.chars().any(char::is_control) {
        true => Err(address_problem(&AddressError::Host)),
        false => Address::parse(typed).map_err(|error| address_problem(&error)),
    }
}

/// The URL of a file on a server of plain HTTP: what a link to it says, less a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileUrl(String);

impl FileUrl {
    /// `None` for what is no such link but may be the address of a server: another scheme, or no path.
    ///
    /// # Errors
    ///
    /// In words for the one who typed it.
    pub fn parse(typed: &str) -> Option<Result<Self, Problem>> {
        let (scheme, rest) = typed.trim().split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let rest = rest.split('#').next().unwrap_or_default();
        let (place, query) = rest.find('?').map_or((rest, ""), |at| rest.split_at(at));
        let has_path = place.split_once('/').is_some_and(|(_, path)| !path.is_empty());
        if !["http", "https"].contains(&scheme.as_str()) || !has_path {
            return None;
        }
        let is_url = MirrorUrl::parse(format!("{scheme}://{place}")).is_ok()
            && query.len() <= MAX_QUERY
            && query.bytes().all(|byte| byte.is_ascii_graphic());
        let advice = phrase!(no_link_advice);
        Some(match is_url {
            true => Ok(Self(format!("{scheme}://{rest}"))),
            false => Err(problem(phrase!(no_link), advice)),
        })
    }
}

impl fmt::Display for FileUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_a_file_is_told_from_the_address_of_a_server() {
        for (typed, url) in [
            ("http://host/a.iso", Some("http://host/a.iso")),
            ("HTTPS://host:8080/files/a%20b.iso?token=1&x#part", Some("https://host:8080/files/a%20b.iso?token=1&x")),
            ("http://host", None),
            ("http://host:3000/", None),
            ("ws://host/ws", None),
            ("host/a.iso", None),
        ] {
            let parsed = FileUrl::parse(typed).map(|url| url.unwrap().to_string());
            assert_eq!(parsed.as_deref(), url, "{typed}");
        }
        for typed in ["http://host/a b", "http://user@host/a", "https:///a", "http://host/a?b c", "http://host:0/a"] {
            assert!(FileUrl::parse(typed).unwrap().is_err(), "{typed}");
        }
    }
}
