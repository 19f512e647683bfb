//! Something on a server, as a person names it.
//!
//! A URL of HTTP has percent-encoded names, and plain HTTP has the folder beneath `/files/`. The server's own pages,
//! and any link copied from them, name a place so. In the short form, `host:port/folder/file`, names stand as they are:
//! `%20` is three characters.

use percent_encoding::percent_decode_str;
use wstp_protocol::{ENDPOINT_PATH, SharePath, spelling};

use super::{Address, AddressError, Scheme, split_at_any};

/// Longest text that is looked at: a path of the longest kind, each byte percent-encoded.
const MAX_LEN: usize = 16 * 1024;
/// The beginning of the paths of files over plain HTTP.
const FILES_PATH: &str = "/files";

/// Something on a server: a file or a folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// The server.
    pub address: Address,
    /// Its path on the server; the root of the share if the text names none.
    pub path: SharePath,
}

/// The differences between front ends in what a text means.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The meaning of the path of a WebSocket URL.
    pub web_socket_path: WebSocketPath,
}

/// The meaning of the path in `ws://host/path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebSocketPath {
    /// It is the endpoint's.
    Endpoint,
    /// It names something on the server, as it does without a scheme. A URL that ends in `/ws`, as servers print it, is
    /// the server itself.
    Place,
}

impl Source {
    /// Parses what was typed.
    ///
    /// # Errors
    ///
    /// When it names nothing on a server. The error repeats nothing of what was typed but a scheme, for there may be a
    /// password in it.
    pub fn parse(typed: &str, rules: &Rules) -> Result<Self, AddressError> {
        if typed.is_empty() {
            return Err(AddressError::Empty);
        }
        if typed.len() > MAX_LEN {
            return Err(AddressError::TooLong);
        }
        let (scheme, rest) = Scheme::split(typed)?;
        if scheme.is_web {
            return of_web(&scheme, rest);
        }
        if scheme.is_web_socket && rules.web_socket_path == WebSocketPath::Endpoint {
            return Ok(Self { address: Address::parse(typed)?, path: SharePath::root() });
        }
        let (authority, path) = split_at_any(rest, &['/']);
        let path = if scheme.is_web_socket && path == ENDPOINT_PATH { "" } else { path };
        Ok(Self { address: Address::new(&scheme, authority, "")?, path: share_path(path)? })
    }

    /// The meaning of a URL at a server that lies below this prefix, as it says itself
    /// ([`wstp_protocol::probe::BASE_FIELD`]). `None` if the URL does not lie there.
    #[must_use]
    pub fn below(typed: &str, base: &str) -> Option<Self> {
        let (scheme, rest) = Scheme::split(may_have_prefix(typed)?).ok()?;
        let (authority, path) = split_at_any(rest, &['/']);
        let prefix = base.strip_suffix('/').filter(|prefix| !prefix.is_empty())?;
        let within = path.strip_prefix(prefix).filter(|within| within.is_empty() || within.starts_with('/'))?;
        let address = Address::new(&scheme, authority, "").ok()?.below(base)?;
        let within = if within == ENDPOINT_PATH { "" } else { within };
        let names: Option<Vec<_>> = within.split('/').map(decoded).collect();
        Some(Self { address, path: share_path(&names?.join("/")).ok()? })
    }
}

/// The address to ask where the server begins, if the text is a URL that may have a prefix in front of its path. A
/// query, which may be a secret, is left out.
#[must_use]
pub fn may_have_prefix(typed: &str) -> Option<&str> {
    let typed = typed.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = Scheme::split(typed).ok()?;
    let (authority, path) = split_at_any(rest, &['/']);
    let is_open = scheme.is_web && !authority.contains('@') && typed.len() <= MAX_LEN;
    (is_open && !path.is_empty() && path != "/" && path != ENDPOINT_PATH && files_at(path).is_none()).then_some(typed)
}

fn of_web(scheme: &Scheme, rest: &str) -> Result<Source, AddressError> {
    let (authority, behind) = split_at_any(rest, &['/', '?', '#']);
    let path = behind.split(['?', '#']).next().unwrap_or_default();
    let (prefix, within) = match files_at(path) {
        Some(at) => (&path[..at], &path[at + FILES_PATH.len()..]),
        // The endpoint itself, as the server prints it.
        None if path == ENDPOINT_PATH => ("", ""),
        None => ("", path),
    };
    let address = Address::new(scheme, authority, &format!("{prefix}{ENDPOINT_PATH}"))?;
    let names: Option<Vec<_>> = within.split('/').map(decoded).collect();
    Ok(Source { address, path: share_path(&names.ok_or(AddressError::Encoding)?.join("/"))? })
}

/// Index of `/files` in `path`, after which the folder's own path begins. A proxy may have put a prefix before it.
fn files_at(path: &str) -> Option<usize> {
    path.match_indices(FILES_PATH).map(|(at, _)| at).find(|at| {
        let behind = &path[at + FILES_PATH.len()..];
        behind.is_empty() || behind.starts_with('/')
    })
}

/// One name of a URL; `None` where it is encoded in a wrong way, or has a slash and would be two. Bytes that are not
/// UTF-8 are spelled.
fn decoded(name: &str) -> Option<String> {
    let is_escape = |rest: &str| rest.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    let bytes: Vec<u8> = percent_decode_str(name).collect();
    let is_one_name = name.split('%').skip(1).all(is_escape) && !bytes.contains(&b'/');
    is_one_name.then(|| spelling::of(&bytes).into_owned())
}

fn share_path(path: &str) -> Result<SharePath, AddressError> {
    SharePath::parse(path.trim_matches('/')).map_err(AddressError::Path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use WebSocketPath::{Endpoint, Place};
    use proptest::prelude::*;
    use wstp_protocol::PathError;

    fn parse(typed: &str, web_socket_path: WebSocketPath) -> Result<(String, String), AddressError> {
        let source = Source::parse(typed, &Rules { web_socket_path })?;
        Ok((source.address.to_string(), source.path.to_string()))
    }

    #[test]
    fn a_folder_or_file_behind_the_server_is_named() {
        for (typed, address, path) in [
            ("host", "ws://host:3000/ws", ""),
            ("host:3000/", "ws://host:3000/ws", ""),
            ("host:3000/sub dir", "ws://host:3000/ws", "sub dir"),
            ("host:3000/sub dir/", "ws://host:3000/ws", "sub dir"),
            ("host:3000/a%20b/c?d#e", "ws://host:3000/ws", "a%20b/c?d#e"),
            ("127.0.0.1:4000/a/b c.txt", "ws://127.0.0.1:4000/ws", "a/b c.txt"),
            ("Files.Example.ORG./X", "ws://files.example.org:3000/ws", "X"),
            ("HOST./Sub", "ws://host:3000/ws", "Sub"),
            ("host/odd:name@x", "ws://host:3000/ws", "odd:name@x"),
            ("host/ws", "ws://host:3000/ws", "ws"),
            ("[::1]:4000/x", "ws://[::1]:4000/ws", "x"),
            ("::1/a", "ws://[::1]:3000/ws", "a"),
            ("host:3000/files/a", "ws://host:3000/ws", "files/a"),
            ("http://host:3000", "ws://host:3000/ws", ""),
            ("http://host:3000/?x#y", "ws://host:3000/ws", ""),
            ("http://host?x", "ws://host:80/ws", ""),
            ("http://host:3000/ws", "ws://host:3000/ws", ""),
            ("http://host:3000/files", "ws://host:3000/ws", ""),
            ("http://host:3000/files/", "ws://host:3000/ws", ""),
            ("http://host:3000/files/sub%20dir/", "ws://host:3000/ws", "sub dir"),
            ("http://host:3000/files/sub dir/a.mkv?x=y#z", "ws://host:3000/ws", "sub dir/a.mkv"),
            ("HTTP://Host:3000/files/Sub/b%C3%bc.iso?after=x#y", "ws://host:3000/ws", "Sub/bü.iso"),
            ("http://host:3000/files/100%25", "ws://host:3000/ws", "100%"),
            ("http://host:3000/films/%2520", "ws://host:3000/ws", "films/%20"),
            ("http://host:3000/files/b%FC", "ws://host:3000/ws", &spelling::of(b"b\xfc")),
            ("http://host:3000/files/files/x", "ws://host:3000/ws", "files/x"),
            ("http://host:3000/filesystem/x", "ws://host:3000/ws", "filesystem/x"),
            ("http://host:3000/sub dir", "ws://host:3000/ws", "sub dir"),
            ("https://host/files/a", "wss://host:443/ws", "a"),
            ("https://host/nas/files/a/b", "wss://host:443/nas/ws", "a/b"),
            ("http://[::1]:3000/files/a", "ws://[::1]:3000/ws", "a"),
            ("wss://host", "wss://host:443/ws", ""),
            ("ws://host:3000/ws", "ws://host:3000/ws", ""),
        ] {
            let parsed = Ok((address.to_owned(), path.to_owned()));
            assert_eq!([parse(typed, Place), parse(typed, Endpoint)], [parsed.clone(), parsed], "{typed:?}");
        }
    }

    #[test]
    fn the_path_of_a_web_socket_url_is_what_the_front_end_says() {
        for (typed, place, endpoint) in [
            ("ws://host:3000/path/to/file", ("ws://host:3000/ws", "path/to/file"), "ws://host:3000/path/to/file"),
            ("ws://host:3000/ws/", ("ws://host:3000/ws", "ws"), "ws://host:3000/ws/"),
            ("ws://host:3000/ws/x", ("ws://host:3000/ws", "ws/x"), "ws://host:3000/ws/x"),
            ("WSS://Host:8443/deep/ws", ("wss://host:8443/ws", "deep/ws"), "wss://host:8443/deep/ws"),
        ] {
            assert_eq!(parse(typed, Place), Ok((place.0.to_owned(), place.1.to_owned())), "{typed}");
            assert_eq!(parse(typed, Endpoint), Ok((endpoint.to_owned(), String::new())), "{typed}");
        }
        let odd = ("wss://host:443/ws".to_owned(), "a%20b?c#d".to_owned());
        assert_eq!(parse("wss://host/a%20b?c#d", Place), Ok(odd));
        assert_eq!(parse("wss://host/a%20b?c#d", Endpoint), Err(AddressError::Host));
    }

    #[test]
    fn what_names_no_place_is_refused() {
        use AddressError as E;
        for (typed, error) in [
            ("", E::Empty),
            ("two words", E::Host),
            ("a b/c", E::Host),
            ("/etc/passwd", E::Host),
            ("ftp://host/a", E::Scheme("ftp".to_owned())),
            ("host:0/x", E::Port),
            ("host/../x", E::Path(PathError::RelativeName)),
            ("host/a/./b", E::Path(PathError::RelativeName)),
            ("host/a//b", E::Path(PathError::EmptyName)),
            ("http://host/files/a//b", E::Path(PathError::EmptyName)),
            ("http://host/files/a%00b", E::Path(PathError::Nul)),
            ("http://host/files/a%2Fb", E::Encoding),
            ("http://host/files/..%2f", E::Encoding),
            ("http://host/files/%4", E::Encoding),
            ("http://host/files/%+1", E::Encoding),
            ("user:secret@host", E::Credentials),
            ("http://user:secret@host/files/", E::Credentials),
            ("HTTPS://secret@host", E::Credentials),
            ("wss://user:secret@host/ws", E::Credentials),
            ("ws://", E::Host),
            (&format!("host/{}", "x".repeat(20_000)), E::TooLong),
        ] {
            assert_eq!([parse(typed, Place), parse(typed, Endpoint)], [Err(error.clone()), Err(error)], "{typed:?}");
        }
    }

    #[test]
    fn a_url_below_a_prefix_means_what_lies_behind_it() {
        let below = |typed: &str| {
            let source = Source::below(typed, "/a/b/")?;
            Some((source.address.to_string(), source.path.to_string()))
        };
        for (typed, path) in [
            ("http://nas/a/b/", ""),
            ("http://nas/a/b", ""),
            ("http://nas/a/b/ws", ""),
            ("http://nas/a/b/films/a%20film?token=1#x", "films/a film"),
        ] {
            assert_eq!(below(typed), Some(("ws://nas:80/a/b/ws".to_owned(), path.to_owned())), "{typed}");
        }
        for typed in
            ["nas/a/b/", "ws://nas/a/b/", "http://nas/a/", "http://nas/a/bb", "http://nas", "http://nas/x/a/b/"]
        {
            assert_eq!(below(typed), None, "{typed}");
        }
        assert_eq!(may_have_prefix("https://nas/a?secret"), Some("https://nas/a"));
        for typed in ["http://nas/", "http://nas/ws", "http://nas/a/files/b", "http://u:p@nas/a", "nas/a"] {
            assert_eq!(may_have_prefix(typed), None, "{typed}");
        }
    }

    proptest! {
        #[test]
        fn anything_typed_is_either_a_place_or_an_error(typed in "(https?://|wss?://)?\\PC{0,60}") {
            let _ = parse(&typed, Place);
            let _ = parse(&typed, Endpoint);
        }
    }
}
