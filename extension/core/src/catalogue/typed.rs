//! Parses the text that a user types or pastes: a server, and perhaps a folder or a file on it.
//!
//! In a URL names are percent-encoded, and plain HTTP has the folder beneath `/files/`; that is how the server's own pages and any link copied from
//! them name a place. In the short form, `host:port/folder/file`, names stand as they are: `%20` is three characters.

use wstp_messages::Problem;
use wstp_protocol::{ENDPOINT_PATH, SharePath, spelling};

use super::address::Address;
use crate::words::problem;

/// Longest text that is looked at: a path of the longest kind, each byte percent-encoded.
const MAX_LEN: usize = 16 * 1024;
/// The beginning of the paths of files over plain HTTP.
const FILES_PATH: &str = "/files";
/// Pairs of characters that people and programs put around an address.
const WRAPPERS: [(char, char); 9] = [
    ('<', '>'),
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('(', ')'),
    ('\u{201c}', '\u{201d}'),
    ('\u{2018}', '\u{2019}'),
    ('\u{201e}', '\u{201c}'),
    ('\u{ab}', '\u{bb}'),
];

/// A place on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// The server.
    pub address: Address,
    /// Path on the server; the root of the share if the text names none.
    pub path: SharePath,
}

impl Typed {
    /// Understands what [`Address::parse`] does, with a path behind it.
    ///
    /// # Errors
    ///
    /// In words for the one who typed it. They repeat nothing of what was typed: it may hold a password.
    pub fn parse(typed: &str) -> Result<Self, Problem> {
        let typed = unwrapped(typed);
        if typed.len() > MAX_LEN {
            return Err(problem("That is too long for an address.", "Type the server's alone, and open its folders."));
        }
        let (scheme, rest) = match typed.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None => (String::new(), typed),
        };
        let ends: &[char] = if scheme.is_empty() { &['/'] } else { &['/', '?', '#'] };
        let (authority, path) = rest.find(ends).map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err(problem(
                "An address can't hold a user's name or password.",
                "Leave out what stands before the @. The extension can't log in yet.",
            ));
        }
        match scheme.as_str() {
            "" => Ok(Self { address: Address::parse(authority)?, path: share_path(path.to_owned())? }),
            "http" | "https" => of_url(&scheme, authority, path),
            _ => Ok(Self { address: Address::parse(typed)?, path: SharePath::root() }),
        }
    }
}

fn of_url(scheme: &str, authority: &str, path: &str) -> Result<Typed, Problem> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let scheme = if scheme == "https" { "wss" } else { "ws" };
    let (before, within) = match files_at(path) {
        Some(at) => (&path[..at], &path[at + FILES_PATH.len()..]),
        // The endpoint itself, as the server prints it.
        None if path == ENDPOINT_PATH => ("", ""),
        None => ("", path),
    };
    let address = Address::parse(&format!("{scheme}://{authority}{before}{ENDPOINT_PATH}"))?;
    Ok(Typed { address, path: share_path(decoded(within)?)? })
}

/// Index of `/files` in `path`, after which the folder's own path begins. A proxy may have put a prefix before it.
fn files_at(path: &str) -> Option<usize> {
    path.match_indices(FILES_PATH).map(|(at, _)| at).find(|at| {
        let behind = &path[at + FILES_PATH.len()..];
        behind.is_empty() || behind.starts_with('/')
    })
}

/// Names from a URL.
fn decoded(path: &str) -> Result<String, Problem> {
    let names = path.split('/').map(|name| {
        let decoded = percent_decoded(name)?;
        // It would be two names.
        if decoded.contains('/') { None } else { Some(decoded) }
    });
    let names: Option<Vec<_>> = names.collect();
    Ok(names.ok_or_else(no_path)?.join("/"))
}

fn percent_decoded(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(if byte == b'%' { (digit()? * 16 + digit()?) as u8 } else { byte });
    }
    // A name that is not UTF-8 is asked for by its spelling.
    Some(spelling::of(&bytes).into_owned())
}

fn share_path(path: String) -> Result<SharePath, Problem> {
    if path.chars().any(char::is_control) {
        return Err(no_path());
    }
    SharePath::parse(path.trim_matches('/')).map_err(|_| no_path())
}

fn no_path() -> Problem {
    problem("What follows the server can't be a folder or file on it.", "Type the server alone, and open its folders.")
}

/// Without blanks, and what stands around it in a text that it was copied from.
fn unwrapped(typed: &str) -> &str {
    let blank = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}' | '\u{feff}');
    let mut text = typed.trim_matches(blank);
    while let Some((open, close)) = text.chars().next().and_then(|c| WRAPPERS.iter().find(|(open, _)| *open == c)) {
        text = text.strip_prefix(*open).unwrap_or(text);
        text = text.strip_suffix(*close).unwrap_or(text).trim_matches(blank);
    }
    text
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_folder_or_file_behind_the_server_is_named() {
        for (typed, address, path) in [
            ("host", "ws://host:3000/ws", ""),
            ("host:3000/", "ws://host:3000/ws", ""),
            ("host:3000/sub dir", "ws://host:3000/ws", "sub dir"),
            ("host:3000/sub dir/", "ws://host:3000/ws", "sub dir"),
            ("host:3000/a%20b/c?d#e", "ws://host:3000/ws", "a%20b/c?d#e"),
            ("HOST./Sub", "ws://host:3000/ws", "Sub"),
            ("[::1]/a", "ws://[::1]:3000/ws", "a"),
            ("::1/a", "ws://[::1]:3000/ws", "a"),
            ("host:3000/files/a", "ws://host:3000/ws", "files/a"),
            ("http://host:3000", "ws://host:3000/ws", ""),
            ("http://host:3000/?x#y", "ws://host:3000/ws", ""),
            ("http://host:3000/ws", "ws://host:3000/ws", ""),
            ("http://host:3000/files", "ws://host:3000/ws", ""),
            ("http://host:3000/files/", "ws://host:3000/ws", ""),
            ("http://host:3000/files/sub%20dir/", "ws://host:3000/ws", "sub dir"),
            ("HTTP://Host:3000/files/Sub/b%C3%BC.iso?after=x#y", "ws://host:3000/ws", "Sub/bü.iso"),
            ("http://host:3000/files/100%25", "ws://host:3000/ws", "100%"),
            ("http://host:3000/files/b%FC", "ws://host:3000/ws", &spelling::of(b"b\xfc")),
            ("http://host:3000/files/files/x", "ws://host:3000/ws", "files/x"),
            ("http://host:3000/filesystem/x", "ws://host:3000/ws", "filesystem/x"),
            ("http://host:3000/sub dir", "ws://host:3000/ws", "sub dir"),
            ("https://host/files/a", "wss://host:443/ws", "a"),
            ("https://host/nas/files/a/b", "wss://host:443/nas/ws", "a/b"),
            ("http://[::1]:3000/files/a", "ws://[::1]:3000/ws", "a"),
            ("wss://host", "wss://host:443/ws", ""),
            ("WSS://Host:8443/deep/ws", "wss://host:8443/deep/ws", ""),
            ("ws://host:3000/ws", "ws://host:3000/ws", ""),
            (" \t<http://host:3000/files/a>\n", "ws://host:3000/ws", "a"),
            ("\"host:4000\"", "ws://host:4000/ws", ""),
            ("\u{201c}http://host/files/a\u{201d}", "ws://host:80/ws", "a"),
            ("(`host:3000/a`)", "ws://host:3000/ws", "a"),
            ("\u{feff}host\u{200b}", "ws://host:3000/ws", ""),
        ] {
            let parsed = Typed::parse(typed).map(|typed| (typed.address.to_string(), typed.path.to_string()));
            assert_eq!(parsed, Ok((address.to_owned(), path.to_owned())), "{typed:?}");
        }
    }

    #[test]
    fn what_names_no_place_is_refused_in_words_that_repeat_nothing() {
        for typed in [
            "",
            "two words",
            "ftp://host/a",
            "host/../x",
            "host/a//b",
            "host/a\nb",
            "http://host/files/a%2Fb",
            "http://host/files/%4",
            "http://host/files/..%2f",
            "http://host/files/a%00b",
            "user:secret@host",
            "http://user:secret@host/files/",
            "wss://user:secret@host/ws",
            "<>",
        ] {
            let refused = Typed::parse(typed).unwrap_err();
            assert!(refused.what.ends_with('.') && refused.advice.ends_with('.'), "{typed:?}");
            assert!(!format!("{refused:?}").contains("secret"), "{refused:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_typed_is_either_a_place_or_words(typed in "(https?://)?\\PC{0,40}") {
            let _ = Typed::parse(&typed);
        }

        #[test]
        fn the_link_of_a_file_leads_to_it(names in prop::collection::vec("\\PC{1,12}", 1..4)) {
            if let Ok(path) = SharePath::parse(names.join("/")) {
                let folder = wstp_protocol::MirrorUrl::parse("http://host:3000/files").unwrap();
                let url = wstp_engine::http_source::file_url(&folder, &path);
                prop_assert_eq!(Typed::parse(&url).map(|typed| typed.path), Ok(path));
            }
        }
    }
}
