//! Parses the text that a user types or pastes: a server, and perhaps a folder or a file on it.

use wstp_client::address::{AddressError, Rules, Source, WebSocketPath};
use wstp_messages::Problem;

use crate::words::address_problem;

/// The meaning of a text to the extension.
const RULES: Rules = Rules { web_socket_path: WebSocketPath::Endpoint };
/// Pairs of characters that people and programs put around an address.
const WRAPPERS: [(char, char); 9] = [
    ('<', '>'),
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('(', ')'),
    ('\u{201c}', '\u{201d}'),
    ('\u{2018}', '\u{2019}'),
    ('\u{201e}', '\u{201c}'),
    ('\u{ab}', '\u{bb}'),
];

/// Parses a server's address with a path behind it.
///
/// # Errors
///
/// In words for the one who typed it. They repeat nothing of what was typed: it may hold a password.
pub fn parse(typed: &str) -> Result<Source, Problem> {
    let typed = unwrapped(typed);
    let source = Source::parse(typed, &RULES).map_err(|error| address_problem(&error))?;
    // Nobody types such a name; it was pasted with more than the address.
    match typed.chars().chain(source.path.as_str().chars()).any(char::is_control) {
        true => Err(address_problem(&AddressError::Encoding)),
        false => Ok(source),
    }
}

/// Without blanks, and what stands around it in a text that it was copied from.
pub fn unwrapped(typed: &str) -> &str {
    let blank = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}' | '\u{feff}');
    let mut text = typed.trim_matches(blank);
    while let Some((open, close)) = text.chars().next().and_then(|c| WRAPPERS.iter().find(|(open, _)| *open == c)) {
        text = text.strip_prefix(*open).unwrap_or(text);
        text = text.strip_suffix(*close).unwrap_or(text).trim_matches(blank);
    }
    text
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wstp_protocol::SharePath;

    #[test]
    fn what_is_pasted_is_a_place_without_what_stands_around_it() {
        for (typed, address, path) in [
            ("host:3000/sub dir/", "ws://host:3000/ws", "sub dir"),
            ("WSS://Host:8443/deep/ws", "wss://host:8443/deep/ws", ""),
            ("https://host/nas/files/a/b", "wss://host:443/nas/ws", "a/b"),
            (" \t<http://host:3000/files/a>\n", "ws://host:3000/ws", "a"),
            ("\"host:4000\"", "ws://host:4000/ws", ""),
            ("\u{201c}http://host/files/a\u{201d}", "ws://host:80/ws", "a"),
            ("(`host:3000/a`)", "ws://host:3000/ws", "a"),
            ("\u{feff}host\u{200b}", "ws://host:3000/ws", ""),
        ] {
            let parsed = parse(typed).map(|typed| (typed.address.to_string(), typed.path.to_string()));
            assert_eq!(parsed, Ok((address.to_owned(), path.to_owned())), "{typed:?}");
        }
    }

    #[test]
    fn what_names_no_place_is_refused_in_words_that_repeat_nothing() {
        for typed in [
            "",
            "two words",
            "ftp://host/a",
            "host/../x",
            "host/a\nb",
            "http://host/files/a%2Fb",
            "http://host/files/%4",
            "http://host/files/a%0Ab",
            "user:secret@host",
            "http://user:secret@host/files/",
            "user:secret@x://host",
            "wss://user:secret@host/ws",
            "<>",
        ] {
            let refused = parse(typed).unwrap_err();
            assert!(refused.what.say().ends_with('.') && refused.advice.say().ends_with('.'), "{typed:?}");
            assert!(!format!("{refused:?}").contains("secret"), "{refused:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_typed_is_either_a_place_or_words(typed in "(https?://)?\\PC{0,40}") {
            let _ = parse(&typed);
        }

        #[test]
        fn the_link_of_a_file_leads_to_it(names in prop::collection::vec("\\PC{1,12}", 1..4)) {
            if let Ok(path) = SharePath::parse(names.join("/")) {
                let folder = wstp_protocol::MirrorUrl::parse("http://host:3000/files").unwrap();
                let url = wstp_engine::http_source::file_url(&folder, &path);
                prop_assert_eq!(parse(&url).map(|typed| typed.path), Ok(path));
            }
        }
    }
}
