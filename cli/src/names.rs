//! From a server's names to names on the local disk. The server is a stranger: whatever it calls an entry, the local
//! name is one plain name within the folder it belongs to.
//!
//! A name stays as it is wherever the disk holds it; [`crate::trial`] asks the disk. Forbidden everywhere is only what
//! is no name in a folder (`.`, `..`, a slash, NUL), and what wstp calls its own folders.

use std::ffi::{OsStr, OsString};

use wstp_client::names::{Policy, shorten};
use wstp_protocol::spelling;

/// Longest name that any disk is expected to hold: some encrypted ones have room for 143 bytes.
const SHORT: usize = 140;
/// The suffix of the names of wstp's own folders; see [`crate::partial`].
pub const PARTIAL_SUFFIX: &str = ".wstp";
/// The names that fit on every disk with room for 255 bytes of UTF-8. Most disks hold no longer names.
pub const ANY_DISK: Policy = Policy {
    longest: 255,
    never_first: &[],
    keeps_joiners: true,
    refuses_shell_names: false,
    own_suffix: Some(PARTIAL_SUFFIX),
};

/// Why an entry has another name here than on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The disk does not hold the name as it is.
    Refused,
    /// The disk takes it for the name of another entry.
    Same,
    /// It looks like a folder of wstp's own.
    Own,
}

impl Why {
    /// In a clause.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Refused => "this disk does not hold the name as it is",
            Self::Same => "this disk takes the name for that of another entry",
            Self::Own => "wstp uses such names itself",
        }
    }
}

/// The names to try for an entry, the one that changes least first. Each is one name in its folder, and none is one of
/// wstp's own folders.
pub fn candidates(name: &str) -> impl Iterator<Item = String> + use<> {
    let exact = if is_name(name) { name.to_owned() } else { ANY_DISK.safe(name) };
    let safe = ANY_DISK.safe(&exact);
    let (cut, shorter) = (shorten(&exact, ANY_DISK.longest), shorten(&safe, SHORT));
    [exact, cut, safe, shorter].into_iter().map(|name| if ANY_DISK.is_own(&name) { format!("_{name}") } else { name })
}

/// The same name with a number, for a second entry whose name is taken. Hardly longer than the name.
#[must_use]
pub fn numbered(name: &str, number: u64) -> String {
    wstp_client::names::numbered(name, number, name.len().max(SHORT))
}

/// The name as the disk has it: on Unix with the bytes that the server spelled, where they are not UTF-8.
#[must_use]
pub fn on_disk(name: &str) -> OsString {
    #[cfg(unix)]
    if let Some(bytes) = spelling::bytes(name) {
        return std::os::unix::ffi::OsStringExt::from_vec(bytes.into_owned());
    }
    name.into()
}

/// A name of the disk as text; the reverse of [`on_disk`].
#[must_use]
pub fn of_disk(name: &OsStr) -> String {
    #[cfg(unix)]
    return spelling::of(std::os::unix::ffi::OsStrExt::as_bytes(name)).into_owned();
    #[cfg(not(unix))]
    name.to_string_lossy().into_owned()
}

/// Whether it can stand in a folder on any Unix. A text that spells the bytes of another one is no name.
fn is_name(name: &str) -> bool {
    spelling::bytes(name).is_some() && !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    #[test]
    fn the_first_name_to_try_is_the_servers_own() {
        for name in ["a.txt", "q?x", "back\\slash", "dot.", "NUL", "\u{1b}[2J", ".profile", "a.wstp", "..a", " "] {
            assert_eq!(candidates(name).next().as_deref(), Some(name));
        }
        for (name, first) in [
            ("..", "__"),
            ("", "_"),
            ("a/b", "a_b"),
            ("a\0", "a_"),
            (".wstp", "_.wstp"),
            (".x.WSTP", "_.x.WSTP"),
            (".x.wstp. ", "_.x.wstp. "),
            (".x.w\u{17f}tp", "_.x.w\u{17f}tp"),
        ] {
            assert_eq!(candidates(name).next().as_deref(), Some(first), "{name:?}");
        }
    }

    fn check(name: &str) -> Result<(), TestCaseError> {
        let mut parts = Path::new(name).components();
        prop_assert!(matches!(parts.next(), Some(Component::Normal(part)) if part == name), "{:?}", name);
        prop_assert!(parts.next().is_none() && !name.contains('\0') && !ANY_DISK.is_own(name), "{:?}", name);
        Ok(())
    }

    proptest! {
        #[test]
        fn whatever_the_server_calls_it_it_is_one_name_in_its_folder(name in "(\\PC|[\\x00-\\x1f./\\\\: ]|wstp){0,300}") {
            for candidate in candidates(&name) {
                check(&candidate)?;
                check(&numbered(&candidate, 7))?;
            }
        }
    }
}
