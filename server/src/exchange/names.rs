//! The parts of sessions that go over HTTP, by the secret that names each.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderValue};
use wstp_protocol::exchange::SESSION_FIELD;

/// Bytes in a secret. Nobody guesses so many.
const SECRET: usize = 16;

/// Names a session. Anyone who knows it can speak in the session, so no log shows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionName([u8; SECRET]);

/// A `T` of each session.
pub struct ByName<T>(Mutex<HashMap<SessionName, T>>);

impl SessionName {
    /// A new one; `None` when the system has no randomness.
    fn random() -> Option<Self> {
        let mut secret = [0; SECRET];
        getrandom::fill(&mut secret).ok()?;
        Some(Self(secret))
    }

    /// The one in the head of a request; `None` without one. One that can't be right is an error.
    pub fn of(headers: &HeaderMap) -> Option<Result<Self, NoSuchSession>> {
        Some(Self::parse(headers.get(SESSION_FIELD)?.as_bytes()))
    }

    /// The one that a client wrote.
    pub fn parse(value: &[u8]) -> Result<Self, NoSuchSession> {
        let mut secret = [0; SECRET];
        if value.len() != 2 * SECRET {
            return Err(NoSuchSession);
        }
        for (byte, digits) in secret.iter_mut().zip(value.chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'));
            *byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or(NoSuchSession)?;
        }
        Ok(Self(secret))
    }

    /// Its form in the head of a response.
    pub fn value(&self) -> HeaderValue {
        let digits = self.0.iter().fold(String::new(), |mut digits, byte| {
            let _is_infallible = write!(digits, "{byte:02x}");
            digits
        });
        let mut value = HeaderValue::try_from(digits).expect("hexadecimal digits are plain ASCII");
        value.set_sensitive(true);
        value
    }
}

impl<T: Clone> ByName<T> {
    /// The one with this name.
    pub fn get(&self, id: &SessionName) -> Option<T> {
        self.lock().get(id).cloned()
    }
}

/// No session has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchSession;

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> ByName<T> {
    /// Gives a session a name, which is to be [removed](Self::remove) in the end; `None` when the system has no
    /// randomness.
    pub fn add(&self, session: T) -> Option<SessionName> {
        let id = SessionName::random()?;
        self.lock().insert(id.clone(), session);
        Some(id)
    }

    /// Forgets a name, and returns what had it.
    pub fn remove(&self, id: &SessionName) -> Option<T> {
        self.lock().remove(id)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionName, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_under_its_name_alone_and_no_log_shows_it() {
        let names = ByName::default();
        let id = names.add(()).unwrap();
        let value = id.value();
        assert_eq!(format!("{value:?}"), "Sensitive");
        let mut headers = HeaderMap::new();
        assert!(SessionName::of(&headers).is_none());
        headers.insert(SESSION_FIELD, value);
        let read = SessionName::of(&headers).unwrap().unwrap();
        assert!(names.get(&read).is_some());
        assert!(names.remove(&read).is_some());
        assert!(names.get(&id).is_none());
        for wrong in ["", "00", "+0000000000000000000000000000000", "zz000000000000000000000000000000"] {
            headers.insert(SESSION_FIELD, HeaderValue::from_static(wrong));
            assert_eq!(SessionName::of(&headers).unwrap().err(), Some(NoSuchSession), "{wrong}");
        }
    }
}
