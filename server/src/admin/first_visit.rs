//! The code that proves that the first visitor can read the server's log.

use std::sync::{Mutex, PoisonError};

use crate::secret::Secret;

/// Letters and digits that nobody takes for one another: 32 of them.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Characters in a code: 60 bits.
const LENGTH: usize = 12;
/// Wrong codes after which none is right.
const MAX_WRONG: u8 = 10;

/// A code that is right once. After too many wrong ones, none is right.
pub struct Code(Mutex<Option<Open>>);

struct Open {
    code: Secret,
    wrong: u8,
}

impl Code {
    /// No code is right.
    pub fn none() -> Self {
        Self(Mutex::new(None))
    }

    /// A new one; none when the system has no randomness.
    pub fn random() -> Self {
        let mut random = [0; LENGTH];
        if getrandom::fill(&mut random).is_err() {
            return Self::none();
        }
        let code: String = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
        Self(Mutex::new(Some(Open { code: Secret::new(code), wrong: 0 })))
    }

    /// The code as people read it.
    pub fn shown(&self) -> Option<String> {
        let open = self.lock();
        let code = open.as_ref()?.code.expose();
        Some(code.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-"))
    }

    /// Whether there is a code.
    pub fn is_open(&self) -> bool {
        self.lock().is_some()
    }

    /// Whether this is the code, as somebody typed it.
    pub fn is(&self, typed: &str) -> bool {
        let typed: String = typed.chars().filter(char::is_ascii_alphanumeric).take(LENGTH + 1).collect();
        let mut open = self.lock();
        let Some(Open { code, wrong }) = open.as_mut() else { return false };
        if blake3::hash(typed.to_ascii_uppercase().as_bytes()) == blake3::hash(code.expose().as_bytes()) {
            return true;
        }
        *wrong += 1;
        if *wrong >= MAX_WRONG {
            *open = None;
        }
        false
    }

    /// From now on none is right.
    pub fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_typed_in_any_way_and_guessed_ten_times_at_most() {
        let code = Code::random();
        let shown = code.shown().unwrap();
        assert_eq!(shown.len(), LENGTH + 2, "{shown}");
        for typed in [shown.clone(), shown.to_lowercase(), shown.replace('-', " "), shown.replace('-', "")] {
            assert!(code.is(&typed), "{typed}");
        }
        for wrong in ["", &shown[1..], &format!("{shown}A")] {
            assert!(!code.is(wrong), "{wrong}");
        }
        for _ in 3..MAX_WRONG {
            assert!(code.is(&shown) && !code.is("0"));
        }
        assert!(!code.is(&shown) && !code.is_open());
    }
}
