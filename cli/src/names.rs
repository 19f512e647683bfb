//! From a server's names to names on the local disk. The server is a stranger: whatever it calls an entry, the local name is one plain
//! name within the folder it belongs to, and none that stands for something else on some system the disk may be carried to.
//!
//! Ordinary names stay as they are, hidden ones (`.profile`) too.

use crate::escape::is_unsafe;

/// Longest local name in bytes of UTF-8: with the dot and suffix of its partial folder it still fits into the usual 255.
pub const MAX_NAME: usize = 245;
/// Where longer ones are cut: a character may have to go in front.
const CUT: usize = MAX_NAME - 1;
/// What a partial folder's name ends with; see [`crate::partial`].
pub const PARTIAL_SUFFIX: &str = ".wstp";

const DEVICES: [&str; 7] = ["con", "prn", "aux", "nul", "clock$", "conin$", "conout$"];

/// The local name for an entry's name.
#[must_use]
pub fn safe_name(name: &str) -> String {
    let replaced: String = name.chars().map(|c| if is_forbidden(c) { '_' } else { c }).collect();
    let shortened = shorten(&replaced);
    let stem = shortened.trim_end_matches(['.', ' ']);
    let safe = format!("{stem}{}", "_".repeat(shortened.len() - stem.len()));
    match () {
        () if safe.is_empty() => "_".to_owned(),
        () if is_reserved(&safe) || is_partial(&safe) => format!("_{safe}"),
        () => safe,
    }
}

/// Whether some file system takes the character for something else than a part of a name.
fn is_forbidden(c: char) -> bool {
    matches!(c, '"' | '*' | '/' | ':' | '<' | '>' | '?' | '\\' | '|') || is_unsafe(c)
}

/// Cuts a long name before its extension, where it has a short one.
fn shorten(name: &str) -> String {
    if name.len() <= CUT {
        return name.to_owned();
    }
    let extension = name.rfind('.').map_or("", |dot| &name[dot..]);
    let extension = if extension.len() <= 32 { extension } else { "" };
    let stem = &name[..name.len() - extension.len()];
    format!("{}{extension}", &stem[..stem.floor_char_boundary(CUT - extension.len())])
}

/// Whether Windows takes it for a device.
fn is_reserved(name: &str) -> bool {
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

/// Whether it looks like a partial folder, whose journal is believed: no server may make one.
fn is_partial(name: &str) -> bool {
    name.starts_with('.') && name.to_lowercase().ends_with(PARTIAL_SUFFIX)
}

/// The same name with a number, for a second entry that would get the same local name.
#[must_use]
pub fn numbered(name: &str, number: u64) -> String {
    let dot = name.rfind('.').filter(|dot| *dot > 0).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    let suffix = format!(" ({number}){extension}");
    let room = CUT.saturating_sub(suffix.len());
    safe_name(&format!("{}{suffix}", &stem[..stem.floor_char_boundary(room)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in
            ["a.txt", ".profile", "b (1).tar.gz", "naïve — “q”.pdf", "日本語", "~root", "com10.txt", "..a", "a.wstp"]
        {
            assert_eq!(safe_name(name), name);
        }
    }

    #[test]
    fn troublesome_names_are_changed_just_enough() {
        for (name, safe) in [
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
            (".a.WSTP", "_.a.WSTP"),
            ("evil\u{202e}fdp.exe", "evil_fdp.exe"),
        ] {
            assert_eq!(safe_name(name), safe, "{name:?}");
        }
        assert!(safe_name(&format!("{}.tar", "é".repeat(500))).ends_with("é.tar"));
    }

    #[test]
    fn a_second_one_gets_a_number_before_its_extension() {
        assert_eq!(numbered("a.txt", 2), "a (2).txt");
        assert_eq!(numbered(".profile", 2), ".profile (2)");
    }

    fn check(name: &str) -> Result<(), TestCaseError> {
        let mut parts = Path::new(name).components();
        prop_assert!(matches!(parts.next(), Some(Component::Normal(part)) if part == name), "{:?}", name);
        prop_assert!(parts.next().is_none());
        prop_assert!(name.len() <= MAX_NAME);
        prop_assert!(!name.chars().any(is_forbidden));
        prop_assert!(!name.ends_with(['.', ' ']));
        prop_assert!(!is_reserved(name) && !is_partial(name), "{:?}", name);
        Ok(())
    }

    proptest! {
        #[test]
        fn whatever_the_server_calls_it_it_is_one_name_in_its_folder(name in "(\\PC|[\\x00-\\x1f./\\\\: ]|wstp){0,300}") {
            check(&safe_name(&name))?;
            check(&numbered(&safe_name(&name), 7))?;
        }

        #[test]
        fn devices_and_dots_are_names_nowhere(name in "(\\.|\\.\\.|con|NUL|com[0-9¹]|lpt3|aux|\\.x\\.wstp)( |\\.|\\.txt|/|\\\\)?") {
            check(&safe_name(&name))?;
        }

        #[test]
        fn a_safe_name_is_left_alone(name in "\\PC{0,80}") {
            let safe = safe_name(&name);
            prop_assert_eq!(safe_name(&safe), safe);
        }
    }
}
