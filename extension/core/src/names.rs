//! From a path on a server to a path that Chrome takes and every user's system can hold.
//!
//! Chrome refuses a whole download when one part of its name is not portable: a device of Windows, a character that some file
//! system forbids, a format or control character, a dot or space at an end, a name the Windows shell acts upon. Here such a part is changed
//! just enough; folders are kept. What comes out is relative, never empty, and cannot leave the downloads folder.

/// Longest name in bytes of UTF-8, so that Chrome's ` (99)` and its suffix while downloading still fit into 255.
const MAX_NAME: usize = 235;
/// Longest path in bytes of UTF-8: what is longer loses its outermost folders.
const MAX_PATH: usize = 700;
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "clock$", "conin$"];

/// The path to save `path` under, relative to the downloads folder.
pub fn safe_path(path: &str) -> String {
    let mut names: Vec<String> = path.split('/').filter(|name| !name.is_empty()).map(safe_name).collect();
    while names.len() > 1 && names.iter().map(|name| name.len() + 1).sum::<usize>() > MAX_PATH {
        names.remove(0);
    }
    if names.is_empty() { "file".to_owned() } else { names.join("/") }
}

fn safe_name(name: &str) -> String {
    let replaced: String =
        name.chars().filter(|c| !is_joiner(*c)).map(|c| if is_forbidden(c) { '_' } else { c }).collect();
    let shortened = shorten(if replaced.is_empty() { "_" } else { &replaced });
    let mut safe = replace_ends(&shortened);
    if let Some(extension) = shell_extension(&safe) {
        let start = safe.len() - extension;
        safe.insert(start, '_');
    }
    if is_reserved(&safe) { format!("_{safe}") } else { safe }
}

/// Whether some file system, Chrome, or a person reading the name would stumble over the character.
fn is_forbidden(c: char) -> bool {
    matches!(c, '"' | '*' | '/' | ':' | '<' | '>' | '?' | '\\' | '|')
        || c.is_control()
        || (c.is_whitespace() && c != ' ')
        || is_format(c)
        || is_noncharacter(c)
}

/// The two joiners that scripts and emoji use. Chrome refuses them, and a name without them can still be read.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Unicode's other format characters (category Cf), among them all that change the direction of text.
fn is_format(c: char) -> bool {
    matches!(u32::from(c),
        0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x180e | 0x200b | 0x200e..=0x200f
        | 0x202a..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff0..=0xfffb | 0x110bd | 0x110cd | 0x13430..=0x1345f
        | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

/// Cuts a long name before its extension, where it has a short one.
fn shorten(name: &str) -> String {
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let extension = name.rfind('.').map_or("", |dot| &name[dot..]);
    let extension = if extension.len() <= 32 { extension } else { "" };
    let stem = &name[..name.len() - extension.len()];
    format!("{}{extension}", &stem[..stem.floor_char_boundary(MAX_NAME - extension.len())])
}

/// Replaces dots and spaces at both ends, and a tilde at the start, which stands for the home folder.
fn replace_ends(name: &str) -> String {
    let at_end = |c: char| matches!(c, '.' | ' ');
    let body = name.trim_start_matches(|c| at_end(c) || c == '~');
    let front = name[..name.len() - body.len()].chars().count();
    let body_end = body.trim_end_matches(at_end);
    let back = body[body_end.len()..].chars().count();
    format!("{}{body_end}{}", "_".repeat(front), "_".repeat(back))
}

/// The length of an extension that the Windows shell acts upon, without its dot.
fn shell_extension(name: &str) -> Option<usize> {
    let (_, extension) = name.rsplit_once('.')?;
    let lower = extension.to_ascii_lowercase();
    let is_class = lower.starts_with('{') && lower.ends_with('}');
    (is_class || matches!(lower.as_str(), "lnk" | "local" | "scf" | "url" | "pif")).then_some(extension.len())
}

/// Whether Windows takes the name for a device or the shell for one of its own files.
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
    numbered || DEVICES.contains(&stem) || stem == "conout$" || matches!(lower.as_str(), "desktop.ini" | "thumbs.db")
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in [
            "a.txt",
            "folder/sub folder/b (1).tar.gz",
            "naïve — “quoted”.pdf",
            "日本語.txt",
            "שלום.txt",
            "'single'.txt",
            "$HOME.txt",
            "a~b",
            "company.txt",
            "com10.txt",
            "auxiliary",
        ] {
            assert_eq!(safe_path(name), name);
        }
    }

    #[test]
    fn troublesome_names_are_changed_just_enough() {
        for (name, safe) in [
            ("<img src=x onerror=alert(1)>", "_img src=x onerror=alert(1)_"),
            ("a:b|c?.txt", "a_b_c_.txt"),
            ("back\\slash", "back_slash"),
            (".hidden", "_hidden"),
            ("~root", "_root"),
            ("trailing. .", "trailing___"),
            ("CON", "_CON"),
            ("con.txt", "_con.txt"),
            ("Com1.tar.gz", "_Com1.tar.gz"),
            ("aux /x", "aux_/x"),
            ("desktop.ini", "_desktop.ini"),
            ("evil\u{202e}fdp.exe", "evil_fdp.exe"),
            ("new\nline\u{7f}", "new_line_"),
            ("shortcut.LNK", "shortcut._LNK"),
            ("x.{20D04FE0-3AEA-1069-A2D8-08002B30309D}", "x._{20D04FE0-3AEA-1069-A2D8-08002B30309D}"),
            ("nul/aux.h", "_nul/_aux.h"),
            ("\u{200d}", "_"),
            ("👩\u{200d}🚀.png", "👩🚀.png"),
            ("", "file"),
        ] {
            assert_eq!(safe_path(name), safe, "{name:?}");
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let safe = safe_path(&format!("{}.tar", "é".repeat(200)));
        assert!(safe.len() <= MAX_NAME && safe.ends_with("é.tar"), "{safe}");
    }

    #[test]
    fn files_of_one_name_in_different_folders_keep_apart() {
        assert_ne!(safe_path("a/same.txt"), safe_path("b/same.txt"));
    }

    #[test]
    fn a_deep_path_loses_its_outermost_folders() {
        let safe = safe_path(&format!("{}/end.txt", vec!["folder"; 500].join("/")));
        assert!(safe.len() <= MAX_PATH && safe.ends_with("/end.txt"));
    }

    proptest! {
        #[test]
        fn whatever_the_server_calls_it_the_path_can_be_saved(path in "(\\PC|[\\x00-\\x1f./~ ]){0,400}") {
            let safe = safe_path(&path);
            prop_assert!(!safe.is_empty() && safe.len() <= MAX_PATH.max(MAX_NAME + 2));
            for name in safe.split('/') {
                prop_assert!(!name.is_empty() && name.len() <= MAX_NAME + 2, "{name:?}");
                prop_assert!(!name.chars().any(|c| is_forbidden(c) || is_joiner(c)), "{name:?}");
                prop_assert!(!is_reserved(name) && shell_extension(name).is_none(), "{name:?}");
                prop_assert!(!name.starts_with(['.', ' ', '~']) && !name.ends_with(['.', ' ']), "{name:?}");
            }
        }

        #[test]
        fn a_safe_path_is_left_alone(path in "\\PC{0,80}") {
            let safe = safe_path(&path);
            prop_assert_eq!(safe_path(&safe), safe);
        }
    }
}
