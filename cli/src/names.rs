//! From a server's names to names on the local disk. The server is a stranger: whatever it calls an entry, the local name is one plain name
//! within the folder it belongs to.
//!
//! A name stays as it is wherever the disk holds it; [`crate::trial`] asks the disk. Forbidden everywhere is only what is no name in a folder (`.`, `..`, a
//! slash, NUL), and what wstp calls its own folders.

use std::ffi::{OsStr, OsString};

use unicode_normalization::UnicodeNormalization;
use wstp_protocol::spelling;

use crate::escape::is_unsafe;

/// Longest name in bytes of UTF-8 that is tried in place of one that is too long; most disks hold no longer ones.
const LONGEST: usize = 255;
/// Longest name that any disk is expected to hold: some encrypted ones have room for 143 bytes.
const SHORT: usize = 140;
/// The suffix of the names of wstp's own folders; see [`crate::partial`].
pub const PARTIAL_SUFFIX: &str = ".wstp";

const DEVICES: [&str; 7] = ["con", "prn", "aux", "nul", "clock$", "conin$", "conout$"];

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

/// The names to try for an entry, the one that changes least first. Each is one name in its folder, and none is one of wstp's own folders.
pub fn candidates(name: &str) -> impl Iterator<Item = String> + use<> {
    let exact = if is_name(name) { name.to_owned() } else { safe_name(name, LONGEST) };
    let safe = safe_name(&exact, LONGEST);
    let (cut, shorter) = (shorten(&exact, LONGEST), shorten(&safe, SHORT));
    [exact, cut, safe, shorter].into_iter().map(|name| if is_own(&name) { format!("_{name}") } else { name })
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

/// A name that every system holds and takes for nothing else.
fn safe_name(name: &str, longest: usize) -> String {
    let replaced: String = name.chars().map(|c| if is_forbidden(c) { '_' } else { c }).collect();
    let shortened = shorten(&replaced, longest - 1);
    let stem = shortened.trim_end_matches(['.', ' ']);
    let safe = format!("{stem}{}", "_".repeat(shortened.len() - stem.len()));
    match () {
        () if safe.is_empty() => "_".to_owned(),
        () if is_device(&safe) || is_own(&safe) => format!("_{safe}"),
        () => safe,
    }
}

/// Whether some file system takes the character for something else than a part of a name.
pub fn is_forbidden(c: char) -> bool {
    matches!(c, '"' | '*' | '/' | ':' | '<' | '>' | '?' | '\\' | '|') || is_unsafe(c) || spelling::is_stand_in(c)
}

/// Cuts a long name before its extension, where it has a short one.
fn shorten(name: &str, longest: usize) -> String {
    if name.len() <= longest {
        return name.to_owned();
    }
    let extension = name.rfind('.').map_or("", |dot| &name[dot..]);
    let extension = if extension.len() <= 32 { extension } else { "" };
    let stem = &name[..name.len() - extension.len()];
    format!("{}{extension}", &stem[..stem.floor_char_boundary(longest - extension.len())])
}

/// Whether Windows takes it for a device.
pub fn is_device(name: &str) -> bool {
    let lower = name.to_lowercase();
    let stem = lower.split('.').next().unwrap_or_default().trim_end_matches(' ');
    let numbered = ["com", "lpt"].iter().any(|device| {
        stem.strip_prefix(device).is_some_and(|number| {
            let mut digits = number.chars();
            digits.next().is_some_and(|digit| digit.is_ascii_digit() || matches!(digit, '¹' | '²' | '³'))
                && digits.next().is_none()
        })
    });
    numbered || DEVICES.contains(&stem)
}

/// Whether it looks like a folder of wstp's own, whose journal is believed: no server may make one, on no disk.
pub fn is_own(name: &str) -> bool {
    name.starts_with('.') && key(name).ends_with(PARTIAL_SUFFIX)
}

/// The same name with a number, for a second entry whose name is taken. Hardly longer than the name.
#[must_use]
pub fn numbered(name: &str, number: u64) -> String {
    let dot = name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= 32).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    let suffix = format!(" ({number}){extension}");
    let room = name.len().max(SHORT).saturating_sub(suffix.len());
    format!("{}{suffix}", &stem[..stem.floor_char_boundary(room)])
}

/// The same for all names in which some disk may see one: it is no more than a hint to ask.
#[must_use]
pub fn key(name: &str) -> String {
    fold(name).trim_end_matches(['.', ' ']).to_owned()
}

/// A name without the case of its letters, the form of its accents, and what is not seen.
#[must_use]
pub fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let is_seen = |c: &char| !is_unsafe(*c) && !matches!(u32::from(*c), 0x200c | 0x200d | 0xfe00..=0xfe0f | 0x34f);
    let lower = name.nfkd().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    lower.nfkd().filter(is_seen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    fn safe(name: &str) -> String {
        safe_name(name, LONGEST)
    }

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

    #[test]
    fn ordinary_names_are_safe() {
        for name in
            ["a.txt", ".profile", "b (1).tar.gz", "naïve — “q”.pdf", "日本語", "~root", "com10.txt", "..a", "a.wstp"]
        {
            assert_eq!(safe(name), name);
        }
    }

    #[test]
    fn troublesome_names_are_changed_just_enough() {
        for (name, changed) in [
            ("", "_"),
            (".", "_"),
            ("..", "__"),
            ("../evil", ".._evil"),
            ("/etc/passwd", "_etc_passwd"),
            ("C:\\evil", "C__evil"),
            ("a\0b", "a_b"),
            ("\u{1b}[2J", "_[2J"),
            ("trailing. .", "trailing___"),
            ("NUL", "_NUL"),
            ("con.txt", "_con.txt"),
            ("Com1.tar.gz", "_Com1.tar.gz"),
            (".a.bin.wstp", "_.a.bin.wstp"),
            ("evil\u{202e}fdp.exe", "evil_fdp.exe"),
        ] {
            assert_eq!(safe(name), changed, "{name:?}");
        }
        assert!(safe(&format!("{}.tar", "é".repeat(500))).ends_with("é.tar"));
    }

    #[test]
    fn a_second_one_gets_a_number_before_its_extension() {
        assert_eq!(numbered("a.txt", 2), "a (2).txt");
        assert_eq!(numbered(".profile", 2), ".profile (2)");
        assert_eq!(numbered(&"x".repeat(255), 10).len(), 255);
    }

    #[test]
    fn names_that_some_disk_takes_for_one_have_one_key() {
        for names in [
            ["Makefile", "makefile"],
            ["a.", "a"],
            ["a. .", "A"],
            ["é", "e\u{301}"],
            ["straße", "STRASSE"],
            ["Σ", "ς"],
            ["ﬁ", "FI"],
            ["a\u{200d}b", "ab"],
            ["Å", "\u{212b}"],
        ] {
            assert_eq!(key(names[0]), key(names[1]), "{names:?}");
        }
        assert_ne!(key("a"), key("b"));
    }

    fn check(name: &str) -> Result<(), TestCaseError> {
        let mut parts = Path::new(name).components();
        prop_assert!(matches!(parts.next(), Some(Component::Normal(part)) if part == name), "{:?}", name);
        prop_assert!(parts.next().is_none() && !name.contains('\0') && !is_own(name), "{:?}", name);
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

        #[test]
        fn devices_and_dots_are_safe_nowhere(name in "(\\.|\\.\\.|con|NUL|com[0-9¹]|lpt3|aux|\\.x\\.wstp)( |\\.|\\.txt|/|\\\\)?") {
            let safe = safe(&name);
            check(&safe)?;
            prop_assert!(!is_device(&safe) && !safe.ends_with(['.', ' ']), "{:?}", safe);
        }

        #[test]
        fn a_safe_name_is_left_alone_and_fits(name in "\\PC{0,300}") {
            let made = safe(&name);
            prop_assert!(made.len() <= LONGEST && !made.chars().any(is_forbidden));
            prop_assert_eq!(safe(&made), made);
        }
    }
}
