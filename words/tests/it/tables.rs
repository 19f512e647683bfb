//! The five tables beside each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::code::{self, root};

/// Each language with its plural categories (CLDR).
const LANGUAGES: [(&str, &[&str]); 5] = [
    ("en", &["one", "other"]),
    ("de", &["one", "other"]),
    ("es", &["one", "many", "other"]),
    ("ja", &["other"]),
    ("ar", &["zero", "one", "two", "few", "many", "other"]),
];

/// Keys whose words are the same in other languages too, each for a reason.
const ALIKE: [(&str, &[&str]); 4] = [
    // The product's name.
    ("name", &["extension_name"]),
    // Symbols of the international system, and their order with a number.
    (
        "units",
        &[
            "size_b",
            "size_kb",
            "size_mb",
            "size_gb",
            "size_tb",
            "size_pb",
            "size_eb",
            "per_second",
            "mb_per_second",
            "seconds",
            "minutes",
            "hours",
            "days",
            "percent",
            "two_units",
            "bytes_one",
            "bytes_other",
        ],
    ),
    // Only punctuation and arguments.
    ("frames", &["size", "text", "listed", "size_in_bytes", "named_state"]),
    // The language has the same word.
    (
        "words",
        &[
            "details",
            "server",
            "column_name",
            "user_name",
            "kind_videos",
            "kind_audio",
            "token",
            "role_normal",
            "auto",
            "direction",
        ],
    ),
];

type Table = BTreeMap<String, Value>;

fn table(language: &str) -> Table {
    let path = root().join("manifest/_locales").join(language).join("messages.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The family of a plural form: `files` for `files_few`.
fn family<'a>(table: &Table, key: &'a str) -> Option<&'a str> {
    let (family, form) = key.rsplit_once('_')?;
    let is_form = ["zero", "one", "two", "few", "many", "other"].contains(&form);
    (is_form && table.contains_key(&format!("{family}_other"))).then_some(family)
}

fn keys(table: &Table) -> BTreeSet<&str> {
    table.keys().map(|key| family(table, key).unwrap_or(key)).collect()
}

fn message(entry: &Value) -> &str {
    entry["message"].as_str().unwrap()
}

/// The names between dollar signs.
fn places(entry: &Value) -> BTreeSet<String> {
    message(entry).split('$').skip(1).step_by(2).map(str::to_ascii_lowercase).collect()
}

#[test]
fn every_language_has_every_sentence_in_every_plural_form() {
    let english = table("en");
    for (language, categories) in LANGUAGES {
        let table = table(language);
        assert_eq!(keys(&table), keys(&english), "{language}");
        for key in table.keys() {
            if let Some(family) = family(&table, key) {
                let forms: BTreeSet<_> =
                    table.keys().filter(|other| self::family(&table, other) == Some(family)).collect();
                let expected: BTreeSet<_> = categories.iter().map(|form| format!("{family}_{form}")).collect();
                assert_eq!(forms, expected.iter().collect(), "{language}");
            }
        }
    }
    let offered = wstp_words::language::LANGUAGES.map(|(language, _)| language);
    assert_eq!(offered, LANGUAGES.map(|(language, _)| language), "the settings offer each");
    let folders = fs::read_dir(root().join("manifest/_locales")).unwrap().count();
    assert_eq!(folders, LANGUAGES.len(), "each language is in this test");
}

#[test]
fn every_sentence_names_the_same_things_in_the_same_order_of_arguments() {
    let english = table("en");
    for (language, _) in LANGUAGES {
        let table = table(language);
        for (key, entry) in &table {
            let model =
                english.get(key).unwrap_or_else(|| &english[&format!("{}_other", key.rsplit_once('_').unwrap().0)]);
            let (mut places, mut expected) = (places(entry), places(model));
            // A form for one or two things may say the number as a word.
            if family(&table, key).is_some() {
                places.insert("count".to_owned());
                expected.insert("count".to_owned());
            }
            assert_eq!(places, expected, "{language}: {key}");
            let declared = entry["placeholders"].as_object().cloned().unwrap_or_default();
            for (name, place) in &declared {
                let same = model["placeholders"].get(name).is_none_or(|model| model == place);
                assert!(same && self::places(entry).contains(name), "{language}: {key} declares {name}");
            }
            assert!(self::places(entry).iter().all(|name| declared.contains_key(name)), "{language}: {key}");
        }
    }
}

#[test]
fn no_english_is_left_in_another_language() {
    let english = table("en");
    let alike: Vec<_> = ALIKE.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
    for (language, _) in &LANGUAGES[1..] {
        for (key, entry) in &table(language) {
            let same = english.get(key).is_some_and(|model| message(model) == message(entry));
            assert!(!same || alike.contains(&key.as_str()), "{language}: {key} is English");
        }
    }
    let others = LANGUAGES[1..].iter().map(|(language, _)| table(language)).collect::<Vec<_>>();
    for key in alike {
        let used =
            others.iter().any(|table| table.get(key).is_some_and(|entry| message(entry) == message(&english[key])));
        assert!(used, "{key} is different in every language: it needs no exception");
    }
}

#[test]
fn every_key_of_the_code_has_words_and_all_words_are_used() {
    let english = table("en");
    let (known, used) = (keys(&english), code::keys());
    let known: BTreeSet<String> = known.into_iter().map(str::to_owned).collect();
    assert_eq!(used.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "without words");
    assert_eq!(known.difference(&used).collect::<Vec<_>>(), Vec::<&String>::new(), "never said");
}
