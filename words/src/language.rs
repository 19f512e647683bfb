//! The language in which phrases are said. It is English until a page brings another one.

#[cfg(all(target_arch = "wasm32", feature = "english"))]
pub use brought::use_english;
#[cfg(target_arch = "wasm32")]
pub use brought::{Language, use_language};
#[cfg(not(target_arch = "wasm32"))]
pub use english::table;

/// The languages that have words, each with its own name for itself.
pub const LANGUAGES: [(&str, &str); 5] =
    [("en", "English"), ("de", "Deutsch"), ("es", "Español"), ("ja", "日本語"), ("ar", "العربية")];

/// The sentence with a key, with `$1` to `$9` for its arguments. An unknown key is said as it is.
#[must_use]
pub fn word(key: &str) -> String {
    find(key).unwrap_or_else(|| key.to_owned())
}

/// The form of a sentence for a number of things: its key ends with the number's plural category in the language
/// (CLDR).
pub(crate) fn counted(key: &str, count: u64) -> String {
    let form = |category: &str| find(&format!("{key}_{category}"));
    form(&category(count)).or_else(|| form("other")).unwrap_or_else(|| key.to_owned())
}

#[cfg(target_arch = "wasm32")]
use brought::{category, find};
#[cfg(target_arch = "wasm32")]
pub use brought::{is_right_to_left, locale, number};
#[cfg(not(target_arch = "wasm32"))]
use english::{category, find};
#[cfg(not(target_arch = "wasm32"))]
pub use english::{is_right_to_left, locale, number};

/// English, without a browser's help.
mod english {
    /// A number with its thousands set apart: `100,000`, `8.19`.
    #[must_use]
    pub fn number(value: f64, decimals: usize) -> String {
        let text = format!("{value:.decimals$}");
        let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
        let mut grouped = String::with_capacity(text.len() + whole.len() / 3);
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        if let Some(fraction) = fraction {
            grouped.push('.');
            grouped.push_str(fraction);
        }
        grouped
    }

    pub(super) fn category(count: u64) -> String {
        if count == 1 { "one" } else { "other" }.to_owned()
    }

    #[cfg(any(not(target_arch = "wasm32"), feature = "english"))]
    pub(super) fn find(key: &str) -> Option<String> {
        use std::collections::HashMap;
        use std::sync::LazyLock;

        static ENGLISH: LazyLock<HashMap<String, String>> =
            LazyLock::new(|| table(include_str!("../../manifest/_locales/en/messages.json")));
        ENGLISH.get(key).cloned()
    }

    /// English runs from left to right.
    #[cfg(not(target_arch = "wasm32"))]
    #[must_use]
    pub const fn is_right_to_left() -> bool {
        false
    }

    /// Its name for the browser's `Intl`. `None` for the browser's own.
    #[cfg(not(target_arch = "wasm32"))]
    #[must_use]
    pub const fn locale() -> Option<String> {
        None
    }

    /// A table in Chrome's format: each key with its sentence, in which named placeholders became `$1` to `$9`. Empty
    /// if the text is no such table.
    #[cfg(any(not(target_arch = "wasm32"), feature = "english"))]
    #[must_use]
    pub fn table(json: &str) -> std::collections::HashMap<String, String> {
        let json: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
        let sentence = |entry: &serde_json::Value| {
            let mut sentence = entry["message"].as_str()?.to_owned();
            for (name, place) in entry["placeholders"].as_object().into_iter().flatten() {
                sentence = sentence.replace(&format!("${}$", name.to_ascii_uppercase()), place["content"].as_str()?);
            }
            Some(sentence)
        };
        let entries = json.as_object().into_iter().flatten();
        entries.filter_map(|(key, entry)| Some((key.clone(), sentence(entry)?))).collect()
    }

    #[cfg(all(test, not(target_arch = "wasm32")))]
    mod tests {
        use super::*;

        #[test]
        fn numbers_are_grouped() {
            for (value, decimals, text) in [
                (0.0, 0, "0"),
                (999.0, 0, "999"),
                (1000.0, 0, "1,000"),
                (1_234_567.0, 0, "1,234,567"),
                (8.192, 2, "8.19"),
            ] {
                assert_eq!(number(value, decimals), text);
            }
        }
    }
}

/// The language that a page brought.
#[cfg(target_arch = "wasm32")]
mod brought {
    use std::cell::{Cell, RefCell};

    use wasm_bindgen::prelude::*;

    use super::english;

    #[wasm_bindgen]
    extern "C" {
        /// A language: `manifest/language.js` makes it from Chrome's table and the browser's `Intl`.
        #[derive(Clone)]
        pub type Language;
        #[wasm_bindgen(method, structural)]
        fn word(this: &Language, key: &str) -> Option<String>;
        #[wasm_bindgen(method, structural)]
        fn category(this: &Language, count: f64) -> String;
        #[wasm_bindgen(method, structural)]
        fn number(this: &Language, value: f64, decimals: u32) -> String;
        #[wasm_bindgen(method, structural, getter)]
        fn locale(this: &Language) -> String;
        #[wasm_bindgen(method, structural, getter)]
        fn direction(this: &Language) -> String;
    }

    /// Finds the word of a key.
    type Find = fn(&str) -> Option<String>;

    thread_local! {
        static LANGUAGE: RefCell<Option<Language>> = const { RefCell::new(None) };
        /// The words without a language. A page that never sets this does not hold the table.
        static ENGLISH: Cell<Option<Find>> = const { Cell::new(None) };
    }

    fn with<T>(ask: impl FnOnce(&Language) -> T) -> Option<T> {
        LANGUAGE.with_borrow(|language| language.as_ref().map(ask))
    }

    /// From now on, this page speaks this language.
    #[wasm_bindgen]
    pub fn use_language(language: Language) {
        LANGUAGE.set(Some(language));
    }

    /// From now on, this page speaks the English that it has in itself.
    #[cfg(feature = "english")]
    pub fn use_english() {
        ENGLISH.set(Some(english::find));
    }

    pub(super) fn find(key: &str) -> Option<String> {
        let brought = with(|language| language.word(key)).flatten().filter(|word| !word.is_empty());
        brought.or_else(|| ENGLISH.get()?(key))
    }

    pub(super) fn category(count: u64) -> String {
        with(|language| language.category(count as f64)).unwrap_or_else(|| english::category(count))
    }

    /// A number as the language writes it.
    #[must_use]
    pub fn number(value: f64, decimals: usize) -> String {
        let said = with(|language| language.number(value, u32::try_from(decimals).unwrap_or_default()));
        said.unwrap_or_else(|| english::number(value, decimals))
    }

    /// Its name for the browser's `Intl`, such as `de-AT`. `None` for the browser's own.
    #[must_use]
    pub fn locale() -> Option<String> {
        with(Language::locale)
    }

    /// Whether it is written from right to left.
    #[must_use]
    pub fn is_right_to_left() -> bool {
        with(|language| language.direction() == "rtl").unwrap_or_default()
    }
}
