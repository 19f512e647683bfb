//! The `Authorization` header of HTTP: `Basic` for users, `Bearer` for tokens.

use std::time::Duration;

use headers::HeaderMapExt;
use headers::authorization::{Basic, Bearer};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::access::{Credential, NotAdmitted};
use crate::secret::Secret;

/// The value of `WWW-Authenticate`. Browsers ask for name and password then.
pub const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"WSTP\", charset=\"UTF-8\"");

/// The cookie with the key to a link. Its path is that of the link.
pub const LINK_COOKIE: &str = "wstp-link";

const UNAUTHORIZED: &str = "\
Log in to see this: the name or password is wrong or missing, or the token is not valid (any more).
With curl: --user NAME, or --oauth2-bearer TOKEN. With wstp: wstp login HOST.
";
const TRIED_TOO_OFTEN: &str = "Too many wrong passwords were tried. Wait a little before the next try.\n";
const NO_LINK: &str = "This link has ended, or there never was one.\n";
const BUSY: &str = "Too many people log in at the moment. Try again shortly.\n";

/// The credential in the head of a request.
pub fn credential(headers: &HeaderMap) -> Option<Credential> {
    if let Some(header) = headers.typed_get::<headers::Authorization<Bearer>>() {
        return Some(Credential::Token(Secret::new(header.token())));
    }
    let header = headers.typed_get::<headers::Authorization<Basic>>()?;
    Some(Credential::Password(header.username().to_owned(), Secret::new(header.password())))
}

/// The credential of a request to a share link with this code: the key in the cookie of its page, or the password that
/// programs send.
pub fn of_link(code: Secret, headers: &HeaderMap) -> Credential {
    let password = credential(headers).map(|credential| match credential {
        Credential::Token(secret) | Credential::Password(_, secret) => secret,
        Credential::Link { code, .. } => code,
        Credential::Forwarded(_) => Secret::new(""),
    });
    Credential::Link { code, key: cookie(headers, LINK_COOKIE), password }
}

/// The value of a cookie.
pub fn cookie(headers: &HeaderMap, wanted: &str) -> Option<Secret> {
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
    let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| Secret::new(value))
}

/// Status, words, and when to try again.
pub fn denied(reason: NotAdmitted) -> (StatusCode, &'static str, Duration) {
    match reason {
        NotAdmitted::Unauthorized => (StatusCode::UNAUTHORIZED, UNAUTHORIZED, Duration::ZERO),
        NotAdmitted::TriedTooOften(wait) => (StatusCode::TOO_MANY_REQUESTS, TRIED_TOO_OFTEN, wait),
        NotAdmitted::Busy => (StatusCode::SERVICE_UNAVAILABLE, BUSY, Duration::ZERO),
        NotAdmitted::NoLink => (StatusCode::NOT_FOUND, NO_LINK, Duration::ZERO),
    }
}
