//! Texts that no log, error or metric may show.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// Random bytes in a secret.
pub const RANDOM: usize = 32;
/// Random bytes in a code.
const CODE: usize = 16;

/// A password or a token. Its `Debug` form hides it, it has no `Display` form, and its memory is cleared at the end.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// A new one with 256 random bits, in hexadecimal behind a prefix; `None` when the system has no randomness.
    #[must_use]
    pub fn random(prefix: &str) -> Option<Self> {
        let mut random = [0; RANDOM];
        getrandom::fill(&mut random).ok()?;
        let digits = random.iter().map(|byte| format!("{byte:02x}"));
        Some(Self::new(std::iter::once(prefix.to_owned()).chain(digits).collect::<String>()))
    }

    /// A new one with 128 random bits, short enough for a picture, of characters that stand as they are in an address;
    /// `None` when the system has no randomness.
    #[must_use]
    pub fn code() -> Option<Self> {
        let mut random = [0; CODE];
        getrandom::fill(&mut random).ok()?;
        Some(Self::new(URL_SAFE_NO_PAD.encode(random)))
    }

    /// The text itself. Nothing may keep or show it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_debug_form_hides_it() {
        let shown = format!("{:?} {:#?}", Secret::new("hunter2"), Some(Secret::new("hunter2")));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
