//! The order of names, and finding them by letters. Neither case nor accents of Latin letters count.

use std::cmp::Ordering;

/// The base letters of U+00C0 to U+017F; a dot stands for what is no letter.
const LATIN: &[u8; 192] = b"\
    aaaaaaaceeeeiiiidnooooo.ouuuuytsaaaaaaaceeeeiiiidnooooo.ouuuuyty\
    aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllll\
    lllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
/// The same of U+1E00 to U+1EFF.
const MORE_LATIN: &[u8; 256] = b"\
    aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmm\
    mmmmnnnnnnnnoooooooopppprrrrrrrrssssssssssttttttttuuuuuuuuuuvvvv\
    wwwwwwwwwwxxxxyyzzzzzzhtwy......aaaaaaaaaaaaaaaaaaaaaaaaeeeeeeee\
    eeeeeeeeiiiioooooooooooooooooooooooouuuuuuuuuuuuuuyyyyyyyy......";

/// The letter that an accented Latin letter is made from.
fn base(c: char) -> Option<char> {
    let code = u32::from(c);
    let letter = match code {
        0xc0..=0x17f => LATIN[(code - 0xc0) as usize],
        0x1e00..=0x1eff => MORE_LATIN[(code - 0x1e00) as usize],
        _ => return None,
    };
    (letter != b'.').then_some(char::from(letter))
}

/// A text in small letters without accents: the form in which texts are compared.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        match base(c) {
            _ if c == 'ß' => folded.push_str("ss"),
            Some(letter) => folded.push(letter),
            // Accents that stand alone, as some systems write them.
            None if matches!(u32::from(c), 0x300..=0x36f) => {}
            None => folded.extend(c.to_lowercase()),
        }
    }
    folded
}

/// A key whose bytes have the natural order of names: numbers in them count by value, so `file 2` comes before
/// `file 10`. Equal keys need a second look at the names themselves ([`compare`]).
#[must_use]
pub fn key(name: &str) -> String {
    let folded = fold(name);
    if !folded.bytes().any(|byte| byte.is_ascii_digit()) {
        return folded;
    }
    let mut key = String::with_capacity(folded.len() + 4);
    let mut rest = folded.as_str();
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        key.push_str(&rest[..start]);
        let end = rest[start..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |length| start + length);
        let digits = rest[start..end].trim_start_matches('0');
        // The digit in front puts numbers where digits stand. Their length comes next, because a longer one is larger.
        key.push('0');
        key.push(char::from_u32(digits.len().min(0x7fff) as u32 + 1).unwrap_or(char::MAX));
        key.push_str(digits);
        rest = &rest[end..];
    }
    key.push_str(rest);
    key
}

/// The natural order of two names whose keys are at hand. No two different names are equal.
#[must_use]
pub fn compare(a: (&str, &str), b: (&str, &str)) -> Ordering {
    a.0.cmp(b.0).then_with(|| a.1.cmp(b.1))
}

/// Whether a name contains all words of a search. The words are folded already ([`words`]).
#[must_use]
pub fn contains(name: &str, words: &[String]) -> bool {
    let folded = fold(name);
    words.iter().all(|word| folded.contains(word.as_str()))
}

/// The words of a search, folded.
#[must_use]
pub fn words(search: &str) -> Vec<String> {
    fold(search).split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(names: &[&str]) -> Vec<String> {
        let mut names: Vec<_> = names.iter().map(|name| (key(name), (*name).to_owned())).collect();
        names.sort_by(|a, b| compare((&a.0, &a.1), (&b.0, &b.1)));
        names.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn numbers_in_names_count_by_value() {
        for ordered in [
            &["file", "file 1", "file 2", "file 10", "file 100", "file a"][..],
            &["1.txt", "2.txt", "10.txt", "a.txt"],
            &["v1.2.9", "v1.2.10", "v1.10.0"],
            &["x0", "x007", "x7", "x08", "x70"],
            &["img9.jpg", "img12.jpg", "Img99.jpg", "img123456789012345678901234567890.jpg"],
            &["Apple", "äpple 2", "apple 10", "Banana", "éclair", "zebra"],
        ] {
            let mut turned: Vec<_> = ordered.to_vec();
            turned.reverse();
            assert_eq!(sorted(&turned), ordered);
        }
    }

    #[test]
    fn neither_case_nor_accents_matter_to_a_search() {
        for (name, search, expected) in [
            ("Résumé 2026.PDF", "resume", true),
            ("Re\u{301}sume\u{301}.pdf", "RÉSUMÉ", true),
            ("Straße nach Łódź.txt", "lodz strasse", true),
            ("Việt Nam.txt", "viet nam", true),
            ("ΑΒΓ.txt", "αβγ", true),
            ("photo 12.jpg", "12 photo", true),
            ("photo 12.jpg", "photo 13", false),
            ("anything", "  ", true),
        ] {
            assert_eq!(contains(name, &words(search)), expected, "{search:?} in {name:?}");
        }
    }
}
