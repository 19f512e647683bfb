//! The worked examples of `protocol/vectors/`.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// The crate's folder.
pub fn crate_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The content of `vectors/NAME.json`.
pub fn vectors<T: DeserializeOwned>(name: &str) -> T {
    let path = crate_dir().join(format!("vectors/{name}.json"));
    let text = std::fs::read_to_string(&path).expect("the vectors are committed");
    serde_json::from_str(&text).expect("the vectors are JSON of this shape")
}

/// The bytes of hexadecimal digits.
pub fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2) && text.is_ascii());
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hexadecimal digits")).collect()
}
