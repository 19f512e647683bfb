//! Who is logged in on the page. A browser proves it with a cookie, which no script can read and no other site's page
//! sends.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::HeaderValue;

use crate::access::{Caller, Callers, Standing};
use crate::accounts::Role;
use crate::authorization;
use crate::base::Base;
use crate::secret::Secret;

/// How long a login lasts.
const LASTS: Duration = Duration::from_secs(12 * 3600);
/// Logins at once. The oldest goes.
const MOST: usize = 64;

/// The logins, by the hash of the cookie.
#[derive(Default)]
pub struct Logins(Mutex<HashMap<blake3::Hash, Login>>);

struct Login {
    caller: Caller,
    since: Instant,
}

/// The cookie of one server. Browsers don't tell the ports of a machine apart, so its name has the port.
#[derive(Clone)]
pub struct Cookie {
    name: String,
    path: String,
    is_secure: bool,
}

impl Cookie {
    /// The cookie of a server at this address.
    pub fn new(local: SocketAddr, is_secure: bool, base: &Base) -> Self {
        let path = format!("{base}{}", super::ADMIN_PATH);
        Self { name: format!("wstp-admin-{}", local.port()), path, is_secure }
    }

    /// The value in a request.
    pub fn of(&self, headers: &HeaderMap) -> Option<Secret> {
        authorization::cookie(headers, &self.name)
    }

    /// Has the browser keep the key of a login.
    pub fn set(&self, key: &Secret) -> HeaderValue {
        self.value(key.expose(), LASTS.as_secs())
    }

    /// Has the browser forget it.
    pub fn cleared(&self) -> HeaderValue {
        self.value("", 0)
    }

    fn value(&self, value: &str, seconds: u64) -> HeaderValue {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let text =
            format!("{}={value}; Path={}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}", self.name, self.path);
        let mut value = HeaderValue::try_from(text).expect("digits and letters make a valid field");
        value.set_sensitive(true);
        value
    }
}

impl Logins {
    /// Keeps a caller logged in. Returns the key to it; `None` when the system has no randomness.
    pub fn begin(&self, caller: Caller) -> Option<Secret> {
        let key = Secret::random("")?;
        let mut logins = self.lock();
        if logins.len() >= MOST
            && let Some(oldest) = logins.iter().min_by_key(|(_, login)| login.since).map(|(hash, _)| *hash)
        {
            logins.remove(&oldest);
        }
        logins.insert(hash(&key), Login { caller, since: Instant::now() });
        Some(key)
    }

    /// The administrator with this key. A login ends in time, and when the password changes or the role goes.
    pub fn caller(&self, key: Option<&Secret>, callers: &Callers) -> Option<Caller> {
        let hash = hash(key?);
        let mut logins = self.lock();
        let login = logins.get(&hash)?;
        let is_admin = callers.user(&login.caller).is_some_and(|(_, role)| role == Role::Admin);
        if login.since.elapsed() > LASTS || callers.standing(&login.caller) == Standing::Gone || !is_admin {
            logins.remove(&hash);
            return None;
        }
        Some(login.caller.clone())
    }

    /// Ends a login.
    pub fn end(&self, key: Option<&Secret>) {
        if let Some(key) = key {
            self.lock().remove(&hash(key));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<blake3::Hash, Login>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(key: &Secret) -> blake3::Hash {
    blake3::hash(key.expose().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header;

    #[test]
    fn the_cookie_is_found_among_others_and_no_log_shows_it() {
        let cookie = Cookie::new(([127, 0, 0, 1], 3000).into(), true, &"nas".parse().unwrap());
        let set = cookie.set(&Secret::new("abc"));
        assert_eq!(format!("{set:?}"), "Sensitive");
        let text = set.to_str().unwrap();
        for part in ["wstp-admin-3000=abc;", "Path=/nas/admin;", "HttpOnly", "SameSite=Strict", "Secure"] {
            assert!(text.contains(part), "{text}");
        }
        let mut headers = HeaderMap::new();
        assert!(cookie.of(&headers).is_none());
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; wstp-admin-30=x"));
        headers.append(header::COOKIE, HeaderValue::from_static("wstp-admin-3000=abc"));
        assert_eq!(cookie.of(&headers), Some(Secret::new("abc")));
    }

    #[test]
    fn logins_are_bounded_and_the_oldest_goes() {
        let logins = Logins::default();
        let keys: Vec<_> = (0..=MOST).map(|_| logins.begin(Caller::default()).unwrap()).collect();
        let kept = logins.lock();
        assert_eq!(kept.len(), MOST);
        assert!(!kept.contains_key(&hash(&keys[0])) && kept.contains_key(&hash(&keys[MOST])));
    }
}
