//! Tokens: random secrets that open what their owner was given.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::secret::{RANDOM, Secret};

/// Marks a text as a token of this server, so that tools which look for leaked secrets find it.
const PREFIX: &str = "wstp_";

/// The public number of a token or a share link. It says nothing about the secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TokenId(String);

/// The BLAKE3 hash of a token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenHash(blake3::Hash);

impl TokenId {
    /// A new token, and its number; `None` when the system has no randomness.
    #[must_use]
    pub fn random() -> Option<(Self, Secret)> {
        let mut number = [0; 4];
        getrandom::fill(&mut number).ok()?;
        Some((Self(format!("{:08x}", u32::from_be_bytes(number))), Secret::random(PREFIX)?))
    }

    /// A new code for a share link, and its number; `None` when the system has no randomness.
    #[must_use]
    pub fn random_code() -> Option<(Self, Secret)> {
        let (id, _) = Self::random()?;
        Some((id, Secret::code()?))
    }

    /// The number.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 8 || !text.bytes().all(is_digit) {
            return Err("the number of a token or a link has 8 hexadecimal digits; `list` shows them");
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for TokenId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether a text has the form of a token.
pub fn is_token(text: &str) -> bool {
    let digits = text.strip_prefix(PREFIX).unwrap_or_default();
    digits.len() == 2 * RANDOM && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl TokenHash {
    /// The hash of a token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(blake3::hash(token.as_bytes()))
    }
}

impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.to_hex().as_str())
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        blake3::Hash::from_hex(&text).map(Self).map_err(|_| serde::de::Error::custom("this is no BLAKE3 hash"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_fit_the_protocol() {
        let ((one, first), (two, second)) = (TokenId::random().unwrap(), TokenId::random().unwrap());
        assert!(one != two && first != second);
        assert!(first.expose().len() <= wstp_protocol::limits::MAX_TOKEN && first.expose().starts_with(PREFIX));
        assert_eq!(one.as_str().parse::<TokenId>(), Ok(one.clone()));
        assert!(!first.expose().contains(one.as_str()));
        assert!(is_token(first.expose()) && !is_token(&first.expose()[1..]) && !is_token("wstp_secret"));
        assert_ne!(TokenHash::of(first.expose()), TokenHash::of(second.expose()));
    }
}
