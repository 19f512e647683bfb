//! `docs/protocol.md` and the crate say the same: examples, limits, error codes.

use std::collections::BTreeMap;

use crate::support::{crate_dir, unhex, vectors};
use serde::Deserialize;
use wstp_protocol::limits::*;
use wstp_protocol::{ErrorCode, features};

#[derive(Deserialize)]
struct Frame {
    name: String,
    hex: String,
}

#[derive(Deserialize)]
struct TreeVector {
    size: u64,
    root: String,
    blocks: Vec<String>,
    pages: Vec<Page>,
}

#[derive(Deserialize)]
struct Page {
    nodes: Vec<String>,
    uncles: Vec<String>,
}

fn document() -> String {
    std::fs::read_to_string(crate_dir().join("../docs/protocol.md")).expect("the document is committed")
}

/// Name and bytes of every example: a fence that begins with "```hex NAME". A `;` begins a comment.
fn examples(document: &str) -> Vec<(String, Vec<u8>)> {
    let fences = document.split("```hex ").skip(1);
    fences
        .map(|fence| {
            let (name, rest) = fence.split_once('\n').expect("a fence has a line of its own");
            let (body, _) = rest.split_once("```").expect("a fence is closed");
            let digits: String = body.lines().map(|line| line.split(';').next().unwrap_or_default()).collect();
            (name.to_owned(), unhex(&digits.replace(' ', "")))
        })
        .collect()
}

/// The rows of the table whose first column is headed `first`, as trimmed cells.
fn table<'a>(document: &'a str, first: &str) -> Vec<Vec<&'a str>> {
    let head = format!("| {first} |");
    let rows = document.lines().skip_while(|line| !line.starts_with(&head)).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn its_examples_are_the_vectors_and_none_is_missing() {
    let frames: Vec<Frame> = vectors("frames");
    let expected: BTreeMap<_, _> = frames.into_iter().map(|frame| (frame.name, unhex(&frame.hex))).collect();
    let examples = examples(&document());
    assert_eq!(examples.len(), expected.len(), "each example stands there once");
    assert_eq!(examples.into_iter().collect::<BTreeMap<_, _>>(), expected);
}

#[test]
fn its_hashes_are_the_vectors() {
    let trees: Vec<TreeVector> = vectors("trees");
    let known: Vec<&String> = trees
        .iter()
        .filter(|tree| [0, 40_960].contains(&tree.size))
        .flat_map(|tree| {
            let pages = tree.pages.iter().flat_map(|page| page.nodes.iter().chain(&page.uncles));
            pages.chain(&tree.blocks).chain([&tree.root])
        })
        .collect();
    let document = document();
    let hashes: Vec<_> = document.split('`').filter(|text| text.len() == 64 && !text.contains(' ')).collect();
    assert_eq!(hashes.len(), 10);
    for hash in hashes {
        assert!(known.iter().any(|known| *known == hash), "{hash}");
    }
}

#[test]
fn its_limits_are_the_crates() {
    let expected = [
        ("MAX_CLIENT_FRAME", MAX_CLIENT_FRAME),
        ("MAX_SERVER_FRAME", MAX_SERVER_FRAME),
        ("MAX_PATH", MAX_PATH),
        ("MAX_NAME", MAX_NAME),
        ("MAX_CURSOR", MAX_CURSOR),
        ("MAX_LIST_ENTRIES", MAX_LIST_ENTRIES as usize),
        ("MAX_SEARCH", MAX_SEARCH),
        ("MAX_SEARCH_CURSOR", MAX_SEARCH_CURSOR),
        ("MAX_AGENT", MAX_AGENT),
        ("MAX_TOKEN", MAX_TOKEN),
        ("MAX_ERROR_TEXT", MAX_ERROR_TEXT),
        ("MAX_MIRRORS", MAX_MIRRORS),
        ("MAX_MIRROR_URL", MAX_MIRROR_URL),
        ("MAX_RUN_BLOCKS", MAX_RUN_BLOCKS as usize),
        ("MAX_BUNDLE_FILES", MAX_BUNDLE_FILES),
        ("MAX_BUNDLED_FILE", MAX_BUNDLED_FILE),
        ("MAX_PAGE_NODES", MAX_PAGE_NODES as usize),
        ("MAX_UNCLES", MAX_UNCLES),
        ("MAX_LEVEL", usize::from(MAX_LEVEL)),
    ];
    let document = document();
    let rows = table(&document, "name | value");
    let rows: Vec<_> = rows.iter().map(|row| (row[0], row[1].parse().expect("a limit is a number"))).collect();
    assert_eq!(rows, expected);
}

#[test]
fn its_error_codes_are_the_crates() {
    let document = document();
    let rows = table(&document, "code | name");
    let rows: Vec<_> = rows.iter().map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
    let expected: Vec<_> = ErrorCode::ALL.iter().map(|code| (code.to_u16().to_string(), format!("{code:?}"))).collect();
    assert_eq!(rows, expected);
}

#[test]
fn its_feature_bits_are_the_crates() {
    let document = document();
    let rows = table(&document, "bit | name");
    let rows: Vec<_> = rows.iter().map(|row| (row[0].parse().expect("a bit is a number"), row[1])).collect();
    let named = [
        (features::MIRRORS, "Mirrors"),
        (features::BUNDLES, "Bundles"),
        (features::LINKS, "Links"),
        (features::ZEROS, "Zeros"),
        (features::COMPRESSED, "Compressed"),
        (features::LOGIN, "Login"),
        (features::EARLY, "Early"),
        (features::SEARCH, "Search"),
    ];
    assert_eq!(rows, named.map(|(feature, name)| (feature.trailing_zeros(), name)));
    assert!(named.iter().all(|(feature, _)| feature.is_power_of_two()));
    assert_eq!(features::KNOWN, named.iter().map(|(feature, _)| feature).sum::<u64>());
}
