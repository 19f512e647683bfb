//! The `Authorization` header of HTTP: `Basic` for users, `Bearer` for tokens.

use std::time::Duration;

use headers::HeaderMapExt;
use headers::authorization::{Basic, Bearer};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::access::{Credential, NotAdmitted};
use crate::secret::Secret;

/// The value of `WWW-Authenticate`. Browsers ask for name and password then.
pub const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"WSTP\", charset=\"UTF-8\"");

const UNAUTHORIZED: &str = "\
Log in to see this: the name or password is wrong or missing, or the token is not valid (any more).
With curl: --user NAME, or --oauth2-bearer TOKEN. With wstp: wstp login HOST.
";
const TRIED_TOO_OFTEN: &str = "Too many wrong passwords were tried. Wait a little before the next try.\n";
const BUSY: &str = "Too many people log in at the moment. Try again shortly.\n";

/// The credential in the head of a request.
pub fn credential(headers: &HeaderMap) -> Option<Credential> {
    if let Some(header) = headers.typed_get::<headers::Authorization<Bearer>>() {
        return Some(Credential::Token(Secret::new(header.token())));
    }
    let header = headers.typed_get::<headers::Authorization<Basic>>()?;
    Some(Credential::Password(header.username().to_owned(), Secret::new(header.password())))
}

/// Status, words, and when to try again.
pub fn denied(reason: NotAdmitted) -> (StatusCode, &'static str, Duration) {
    match reason {
        NotAdmitted::Unauthorized => (StatusCode::UNAUTHORIZED, UNAUTHORIZED, Duration::ZERO),
        NotAdmitted::TriedTooOften(wait) => (StatusCode::TOO_MANY_REQUESTS, TRIED_TOO_OFTEN, wait),
        NotAdmitted::Busy => (StatusCode::SERVICE_UNAVAILABLE, BUSY, Duration::ZERO),
    }
}
