//! Logging in to a server: what the answers of its login page mean. The front end asks, and keeps the token.

use wstp_words::{Arg, phrase};

use crate::words::Words;

/// Why a server logs nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The name, the password or the token is wrong.
    Wrong,
    /// Too many wrong passwords were tried. The next try makes sense after so many seconds.
    TriedTooOften(u64),
    /// Nobody has to log in.
    NoUsers,
    /// Too many people log in at the moment.
    Busy,
    /// Something else answers, with this status.
    Odd(u16),
}

/// The proof that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A name and a password.
    Password,
    /// A token.
    Token,
    /// The password of a share link.
    Link,
}

/// The seconds to wait when the server does not say.
const WAIT: u64 = 60;

impl Refusal {
    /// The meaning of a status other than 200. `retry_after` is the field of this name.
    #[must_use]
    pub fn of(status: u16, retry_after: Option<&str>) -> Self {
        match status {
            401 => Self::Wrong,
            429 => Self::TriedTooOften(retry_after.and_then(|seconds| seconds.parse().ok()).unwrap_or(WAIT)),
            404 | 405 => Self::NoUsers,
            503 => Self::Busy,
            other => Self::Odd(other),
        }
    }

    /// The refusal of a server called `label` in words.
    #[must_use]
    pub fn words(self, label: &str, proof: Proof) -> Words {
        match self {
            Self::Wrong if proof == Proof::Token => {
                Words::new(phrase!(token_unknown, label), phrase!(token_unknown_advice))
            }
            Self::Wrong if proof == Proof::Link => {
                Words::new(phrase!(link_password_wrong), phrase!(link_password_wrong_advice))
            }
            Self::NoUsers if proof == Proof::Link => {
                Words::new(phrase!(link_opens_nothing), phrase!(link_opens_nothing_advice))
            }
            Self::Wrong => Words::new(phrase!(password_wrong, label), phrase!(password_wrong_advice)),
            Self::TriedTooOften(seconds) => {
                Words::new(phrase!(tried_too_often, label), phrase!(try_again_in, Arg::Number(seconds)))
            }
            Self::NoUsers => Words::new(phrase!(no_users, label), phrase!(no_users_advice)),
            Self::Busy => Words::new(phrase!(logins_busy, label), phrase!(try_in_a_moment)),
            Self::Odd(status) => {
                crate::diagnosis::not_wstp(label, &phrase!(answered_with, status.to_string().as_str()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_what_to_do() {
        use Proof::{Link, Password, Token};
        for (status, retry_after, proof, expected) in [
            (401, None, Password, "does not know this name with this password. Check both"),
            (401, None, Token, "does not know this token. It may have ended"),
            (401, None, Link, "This is not the password of the link. Check it"),
            (404, None, Link, "This link has ended"),
            (429, Some("30"), Password, "at nas:3000. Try again in 30 s."),
            (429, Some("Mon, 30 Nov 2026 00:00:00 GMT"), Password, "Try again in 60 s."),
            (404, None, Password, "has no users"),
            (405, None, Token, "has no users"),
            (503, None, Link, "Try again in a moment."),
            (200, None, Password, "is not a WSTP server (it answered with 200)"),
        ] {
            let Words { what, advice } = Refusal::of(status, retry_after).words("nas:3000", proof);
            let told = format!("{} {}", what.say(), advice.say());
            assert!(told.contains(expected), "{status}: {told}");
        }
    }
}
