//! From a path on a server to a path that Chrome takes and every user's system can hold.
//!
//! Chrome refuses a whole download when one part of its name is not portable. Such parts are devices of Windows, and
//! names that the Windows shell acts upon. Forbidden, format and control characters are refused too, and a dot or space
//! at an end. Here such a part is changed just enough; folders are kept. The result is relative, never empty, and
//! cannot leave the downloads folder.

use std::collections::HashMap;

use wstp_client::names::{Policy, key};

/// Chrome's demands. To a name of this length its ` (99)` and its suffix while downloading can be added within 255
/// bytes.
const CHROME: Policy = Policy {
    longest: 237,
    never_first: &['.', ' ', '~'],
    keeps_joiners: false,
    refuses_shell_names: true,
    own_suffix: None,
};
/// Longest path in bytes of UTF-8: what is longer loses its outermost folders.
const MAX_PATH: usize = 700;

/// The path to save `path` under, relative to the downloads folder.
pub fn safe_path(path: &str) -> String {
    let mut names: Vec<String> =
        path.split('/').filter(|name| !name.is_empty()).map(|name| CHROME.safe(name)).collect();
    while names.len() > 1 && names.iter().map(|name| name.len() + 1).sum::<usize>() > MAX_PATH {
        names.remove(0);
    }
    if names.is_empty() { "file".to_owned() } else { names.join("/") }
}

/// Safe paths for everything in one folder. No disk takes two of them for one: the case of letters and the form of
/// accents tell no names apart.
#[derive(Debug)]
pub struct SafePaths {
    root: String,
    folders: HashMap<String, String>,
    /// How often each path was wanted, by [`key`].
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
        let name = CHROME.safe(name);
        let plain = safe_path(&format!("{folder}/{name}"));
        let mut candidate = plain.clone();
        while self.wanted.contains_key(&key(&candidate)) {
            let number = self.wanted.entry(key(&plain)).or_insert(1);
            *number += 1;
            candidate = safe_path(&format!("{folder}/{}", CHROME.numbered(&name, *number)));
        }
        self.wanted.insert(key(&candidate), 1);
        candidate
    }
}

/// The path with a number in its last name, as Chrome would give it.
pub fn numbered_path(path: &str, number: u64) -> String {
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    safe_path(&format!("{folder}/{}", CHROME.numbered(name, number)))
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
        assert!(safe.len() <= CHROME.longest && safe.ends_with("é.tar"), "{safe}");
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
        let mut check = |files: &[&str], expected: &[&str]| {
            let saved: Vec<_> = files.iter().map(|path| paths.file(path)).collect();
            let saved: Vec<_> = saved.iter().map(|path| path.strip_prefix("docs/a_b/").unwrap()).collect();
            assert_eq!(saved, expected);
        };
        check(&["x:y.txt", "x?y.txt", "X_Y.TXT", "plain"], &["x_y.txt", "x_y (2).txt", "X_Y (3).TXT", "plain"]);
        check(&["sub:/a", "sub?/a", "sub:/A"], &["sub_/a", "sub_ (2)/a", "sub_/A (2)"]);
        // One accent in two forms, which the disks of macOS take for one.
        check(&["\u{e9}.txt", "e\u{301}.txt"], &["\u{e9}.txt", "e\u{301} (2).txt"]);
        assert_eq!(SafePaths::new("").file("a"), "file/a");
    }

    proptest! {
        #[test]
        fn no_two_files_of_a_folder_get_one_path(files in prop::collection::hash_set("[aAéÉe\u{301}:?.()2 ]{1,5}(/[aA:?/]{1,3}b)?", 0..40)) {
            let mut paths = SafePaths::new("folder");
            let as_a_disk_sees_it = |path: &String| key(&paths.file(path));
            let saved: std::collections::HashSet<String> = files.iter().map(as_a_disk_sees_it).collect();
            prop_assert_eq!(saved.len(), files.len());
        }

        #[test]
        fn every_path_of_a_folder_can_be_saved(path in "(\\PC|[\\x00-\\x1f./~ ]){0,400}") {
            let mut paths = SafePaths::new("folder");
            for _ in 0..2 {
                let saved = paths.file(&path);
                prop_assert!(saved.len() <= MAX_PATH.max(CHROME.longest));
                prop_assert_eq!(safe_path(&saved), saved);
            }
        }

        #[test]
        fn whatever_the_server_calls_it_the_path_can_be_saved(path in "(\\PC|[\\x00-\\x1f./~ ]){0,400}") {
            let safe = safe_path(&path);
            prop_assert!(!safe.is_empty() && safe.len() <= MAX_PATH.max(CHROME.longest));
            prop_assert!(safe.split('/').all(|name| CHROME.allows(name)), "{safe:?}");
        }

        #[test]
        fn a_safe_path_is_left_alone(path in "\\PC{0,80}") {
            let safe = safe_path(&path);
            prop_assert_eq!(safe_path(&safe), safe);
        }
    }
}
