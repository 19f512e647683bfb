//! From a path on a server to a path that Chrome takes and every user's system can hold.
//!
//! Chrome refuses a whole download when one part of its name is not portable: a device of Windows, a character that some file
//! system forbids, a format or control character, a dot or space at an end, a name the Windows shell acts upon. Here such a part is changed
//! just enough; folders are kept. What comes out is relative, never empty, and cannot leave the downloads folder.

use std::collections::HashMap;

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

/// Safe paths for everything in one folder, no two of them the same, not even where the case of letters makes no difference.
#[derive(Debug)]
pub struct SafePaths {
    root: String,
    folders: HashMap<String, String>,
    /// How often each path was wanted.
    wanted: HashMap<String, u64>,
}

impl SafePaths {
    /// For what is in a folder that is called `path`.
    pub fn new(path: &str) -> Self {
        Self { root: safe_path(path), folders: HashMap::new(), wanted: HashMap::new() }
    }

    /// The folder's own safe path.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The path to save a file under, relative to the downloads folder; `path` is its path in the folder.
    pub fn file(&mut self, path: &str) -> String {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.folder(folder);
        self.take(&folder, name)
    }

    fn folder(&mut self, path: &str) -> String {
        if path.is_empty() {
            return self.root.clone();
        }
        if let Some(known) = self.folders.get(path) {
            return known.clone();
        }
        let mut safe = self.root.clone();
        let mut start = 0;
        for end in path.match_indices('/').map(|(at, _)| at).chain([path.len()]) {
            safe = match self.folders.get(&path[..end]) {
                Some(known) => known.clone(),
                None => {
                    let taken = self.take(&safe, &path[start..end]);
                    self.folders.insert(path[..end].to_owned(), taken.clone());
                    taken
                }
            };
            start = end + 1;
        }
        safe
    }

    fn take(&mut self, folder: &str, name: &str) -> String {
        let plain = safe_path(&format!("{folder}/{}", safe_name(name)));
        let mut candidate = plain.clone();
        while self.wanted.contains_key(&candidate.to_lowercase()) {
            let number = self.wanted.entry(plain.to_lowercase()).or_insert(1);
            *number += 1;
            let number = *number;
            candidate = safe_path(&format!("{folder}/{}", numbered(&safe_name(name), number)));
        }
        self.wanted.insert(candidate.to_lowercase(), 1);
        candidate
    }
}

/// The path with a number in its last name, as Chrome would give it.
pub fn numbered_path(path: &str, number: u64) -> String {
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    safe_path(&format!("{folder}/{}", numbered(name, number)))
}

/// The same name with a number.
fn numbered(name: &str, number: u64) -> String {
    let dot = name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= 32).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    let suffix = format!(" ({number}){extension}");
    let room = MAX_NAME.saturating_sub(suffix.len());
    safe_name(&format!("{}{suffix}", &stem[..stem.floor_char_boundary(room)]))
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

    #[test]
    fn names_that_become_the_same_in_a_folder_are_told_apart() {
        let mut paths = SafePaths::new("docs/a:b");
        let files = ["x:y.txt", "x?y.txt", "X_Y.TXT", "sub:/a", "sub?/a", "sub:/A", "plain"];
        let saved = files.map(|path| paths.file(path));
        let expected = ["x_y.txt", "x_y (2).txt", "X_Y (3).TXT", "sub_/a", "sub_ (2)/a", "sub_/A (2)", "plain"];
        assert_eq!(saved.map(|path| path.strip_prefix("docs/a_b/").unwrap().to_owned()), expected);
        assert_eq!(SafePaths::new("").file("a"), "file/a");
    }

    proptest! {
        #[test]
        fn no_two_files_of_a_folder_get_one_path(files in prop::collection::hash_set("[aA:?.()2 ]{1,5}(/[aA:?/]{1,3}b)?", 0..40)) {
            let mut paths = SafePaths::new("folder");
            let saved: std::collections::HashSet<String> = files.iter().map(|path| paths.file(path).to_lowercase()).collect();
            prop_assert_eq!(saved.len(), files.len());
        }

        #[test]
        fn every_path_of_a_folder_can_be_saved(path in "(\\PC|[\\x00-\\x1f./~ ]){0,400}") {
            let mut paths = SafePaths::new("folder");
            for _ in 0..2 {
                let saved = paths.file(&path);
                prop_assert!(saved.len() <= MAX_PATH.max(MAX_NAME + 2));
                prop_assert_eq!(safe_path(&saved), saved);
            }
        }

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
