//! The words in the code: its keys, and the literals that look like sentences.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The crates whose words people of all languages read.
const CRATES: [&str; 4] = ["ui/src", "extension/views/src", "extension/core/src", "client/src"];
/// Text before a literal that no user reads, because it goes to the console or names a style. Literals about tests and
/// invariants are here too.
const NOT_FOR_USERS: [&str; 10] = [
    "expect(",
    "reason =",
    // The faults of an answer, for those who write a server.
    "#[error(",
    "class=",
    "JsError::new(",
    "JsError::new(&format!(",
    "warn_1(&format!(",
    "warn_1(&",
    "ok_or(",
    "ok_or_else(|| JsError::new(",
];
/// Literals that look like sentences and are none.
const NO_SENTENCES: [&str; 7] = [
    // Names in style sheets.
    "button primary",
    "button quiet",
    "button danger",
    // Lines to copy into a configuration.
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;",
    // The name of a lock.
    "wstp read {}",
    // For the console.
    "there are too many of this name",
    "the list of downloads can't be written anew: {error:?}",
];

/// The folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if !path.ends_with("tests") && !path.ends_with("testing") => files(&path, found),
            true => {}
            false if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") => {
                found.push(path)
            }
            false => {}
        }
    }
}

/// The code of a file without the module of its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let is_test = |(at, _): &(usize, &str)| {
        let next = text[*at..].lines().nth(1).unwrap_or_default();
        next.contains("mod ") && next.ends_with('{')
    };
    let end = text
        .match_indices("#[cfg(test)]")
        .chain(text.match_indices("#[cfg(all(test,"))
        .filter(is_test)
        .map(|(at, _)| at)
        .min();
    text[..end.unwrap_or(text.len())].to_owned()
}

fn all(crates: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    crates.iter().for_each(|folder| files(&root().join(folder), &mut found));
    found.into_iter().map(|path| (path.clone(), code(&path))).collect()
}

/// All keys that the code, the manifest and its scripts name.
pub fn keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut take = |text: &str, before: &str| {
        for part in text.split(before).skip(1) {
            let key: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if key.chars().next().is_some_and(|c| c.is_ascii_lowercase()) {
                keys.insert(key);
            }
        }
    };
    let crates = [&CRATES[..], &["admin/page/src"]].concat();
    for (_, text) in all(&crates) {
        ["phrase!(", "say!(", "key!("].iter().for_each(|before| take(&text, before));
    }
    // Units are chosen by size.
    for literal in literals(&code(&root().join("words/src/units.rs"))) {
        take(&format!("({}", literal.text), "(");
    }
    for script in ["language.js", "background.js"] {
        let text = fs::read_to_string(root().join("manifest").join(script)).unwrap();
        ["word(\"", "getMessage(\""].iter().for_each(|before| take(&text, before));
    }
    let manifest = fs::read_to_string(root().join("manifest/manifest.json")).unwrap();
    for part in manifest.split("__MSG_").skip(1) {
        keys.insert(part.split("__").next().unwrap().to_owned());
    }
    keys
}

struct Literal {
    before: String,
    text: String,
}

/// The string literals of Rust code, without comments.
fn literals(code: &str) -> Vec<Literal> {
    let (mut found, mut rest) = (Vec::new(), code);
    let mut before = String::new();
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest = &rest[rest[1..].find('\'').unwrap() + 2..];
        } else if c == '"' {
            let mut text = String::new();
            let mut characters = rest[1..].char_indices();
            let end = loop {
                match characters.next().unwrap() {
                    (_, '\\') => drop(characters.next()),
                    (at, '"') => break at,
                    (_, c) => text.push(c),
                }
            };
            found.push(Literal { before: before.trim_end().to_owned(), text });
            rest = &rest[end + 2..];
            before.clear();
        } else {
            before.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    found
}

/// Two words with a space between them.
fn is_sentence(text: &str) -> bool {
    let words: Vec<_> = text.split(' ').collect();
    let is_word = |word: &str| {
        let word = word.trim_end_matches(['.', ',', ':', ';', '…', '?']);
        word.len() > 1 && word.chars().all(|c| c.is_alphabetic() || c == '\'')
    };
    words.windows(2).any(|pair| is_word(pair[0]) && is_word(pair[1]))
}

#[test]
fn no_sentence_is_in_the_code() {
    let mut left = Vec::new();
    for (path, text) in all(&CRATES) {
        for Literal { before, text } in literals(&text) {
            let is_for_users = !NOT_FOR_USERS.iter().any(|ending| before.ends_with(ending));
            if is_sentence(&text) && is_for_users && !NO_SENTENCES.contains(&text.as_str()) {
                left.push(format!("{}: {text}", path.display()));
            }
        }
    }
    assert!(left.is_empty(), "{}", left.join("\n"));
}

#[test]
fn a_literal_that_is_a_sentence_is_found() {
    let code = "// \"not this one\"\nlet c = '\"'; say(\"Two words\"); expect(\"an invariant\"); view! { \"Save\" }";
    let found: Vec<_> = literals(code).into_iter().map(|literal| literal.text).collect();
    assert_eq!(found, ["Two words", "an invariant", "Save"]);
    assert!(
        is_sentence("Two words")
            && is_sentence("x of {} files now")
            && !is_sentence("Save")
            && !is_sentence("M0 8h1000")
    );
}
