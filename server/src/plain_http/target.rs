//! The entry of the share that a URL's path names.
//!
//! Segments are decoded one by one (RFC 3986, section 2.1), so that an encoded slash never separates names. The result
//! is a [`SharePath`] like the protocol's, which has no relative, absolute or empty names. Segments are the name's own
//! bytes, whether UTF-8 or not.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use wstp_protocol::{SharePath, spelling};

use super::FILES_PATH;

/// The requested entry.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// Its path in the share.
    pub path: SharePath,
    /// Whether the path ends in a slash, as a folder's does.
    pub is_folder: bool,
}

impl Target {
    /// The entry that `path`, percent-encoded and with [`FILES_PATH`] in front, names. `None` if it can't be in a
    /// share.
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix('/')?.strip_prefix(FILES_PATH)?;
        if rest.is_empty() {
            return Some(Self { path: SharePath::root(), is_folder: false });
        }
        let rest = rest.strip_prefix('/')?;
        if rest.is_empty() {
            return Some(Self { path: SharePath::root(), is_folder: true });
        }
        let names = rest.strip_suffix('/').unwrap_or(rest);
        let names: Vec<_> = names.split('/').map(name).collect::<Option<_>>()?;
        Some(Self { path: SharePath::parse(names.join("/")).ok()?, is_folder: rest.ends_with('/') })
    }
}

fn name(segment: &str) -> Option<String> {
    let bytes = Cow::from(percent_decode_str(segment));
    if bytes.is_empty() || bytes.contains(&b'/') {
        return None;
    }
    Some(spelling::of(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(path: &str) -> Option<(String, bool)> {
        Target::parse(path).map(|target| (target.path.as_str().to_owned(), target.is_folder))
    }

    #[test]
    fn names_are_decoded_once() {
        for (path, name, is_folder) in [
            ("/files", "", false),
            ("/files/", "", true),
            ("/files/a", "a", false),
            ("/files/a/b%20c/", "a/b c", true),
            ("/files/sp%C3%A4%c3%9f", "späß", false),
            ("/files/%252e%252e", "%2e%2e", false),
            ("/files/..%5csecret", "..\\secret", false),
            ("/files/50%", "50%", false),
            ("/files/caf%E9", "caf\u{efe9}", false),
            ("/files/caf%EE%BF%A9", "caf\u{efee}\u{efbf}\u{efa9}", false),
        ] {
            assert_eq!(parsed(path), Some((name.to_owned(), is_folder)), "{path}");
        }
    }

    #[test]
    fn what_no_share_can_have_is_nothing() {
        for path in [
            "/files/..",
            "/files/../secret",
            "/files/a/../../secret",
            "/files/%2e%2e/secret",
            "/files/.%2E/secret",
            "/files/..%2fsecret",
            "/files/%2fetc/passwd",
            "/files//etc/passwd",
            "/files/a//b",
            "/files/a%00",
            "/files/./a",
            "/files//",
            "/filesystem",
            "files/a",
            "/other/a",
        ] {
            assert_eq!(parsed(path), None, "{path}");
        }
    }
}
