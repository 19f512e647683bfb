//! Why a request of the pages for logins and links fails, and the head that all answers of these pages have.
//!
//! The rule for origins and names is that of plain files, so no page elsewhere uses what a browser remembers.

use std::borrow::Cow;
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use warp::reply::{Reply, Response};

use crate::access::NotAdmitted;
use crate::authorization;
use crate::origin;
use crate::server::Server;

/// The reason why a request fails.
pub struct Denied {
    status: StatusCode,
    words: Cow<'static, str>,
    /// When to try again; zero if that is not known.
    retry_after: Duration,
}

/// Answers a request of a welcome origin. `respond` does nothing before it is polled.
pub async fn answer(
    server: &Server,
    headers: &HeaderMap,
    respond: impl Future<Output = Result<Response, Denied>>,
) -> Response {
    let hosts = &server.config().allowed_hosts;
    let is_welcome = origin::is_allowed(headers, hosts).await && origin::foreign_name(headers, hosts).await.is_none();
    let answered = if is_welcome {
        respond.await
    } else {
        Err(Denied::new(StatusCode::FORBIDDEN, "Pages of this origin may not ask for this."))
    };
    let mut response = answered.unwrap_or_else(|denied| denied.into_response(headers));
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = headers.get(header::ORIGIN).filter(|_| is_welcome) {
        fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}

impl Denied {
    /// Says why, in words for people.
    pub fn new(status: StatusCode, words: impl Into<Cow<'static, str>>) -> Self {
        Self { status, words: words.into(), retry_after: Duration::ZERO }
    }

    /// A change can't be written.
    pub fn not_kept() -> Self {
        const WORDS: &str = "The server can't keep this. Ask its owner to look at the log.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, WORDS)
    }

    fn into_response(self, headers: &HeaderMap) -> Response {
        let words = format!("{}\n", self.words.trim_end());
        let mut response = warp::reply::with_status(words, self.status).into_response();
        let fields = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED && !headers.contains_key(header::ORIGIN) {
            // A browser would ask for name and password by itself, in front of the extension's own question.
            fields.insert(header::WWW_AUTHENTICATE, authorization::CHALLENGE);
        }
        if !self.retry_after.is_zero() {
            fields.insert(header::RETRY_AFTER, (self.retry_after.as_secs() + 1).into());
        }
        response
    }
}

impl From<NotAdmitted> for Denied {
    fn from(reason: NotAdmitted) -> Self {
        let (status, words, retry_after) = authorization::denied(reason);
        Self { retry_after, ..Self::new(status, words) }
    }
}
