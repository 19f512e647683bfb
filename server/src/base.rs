//! The path below which the server's addresses lie, behind a proxy that has other pages too.
//!
//! The proxy passes paths on as they are. The server takes the prefix off before anything else looks at a request, and
//! names it in each answer. So a client finds the server wherever its user points.

use std::fmt;
use std::str::FromStr;

use http::uri::{PathAndQuery, Uri};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use warp::reply::{Reply, Response};
use wstp_protocol::LINK_PATH;
use wstp_protocol::probe::BASE_FIELD;

use crate::secret::Secret;

/// Longest prefix, in bytes.
const MAX_LEN: usize = 255;
/// Names that lead elsewhere in an address: into the shared files, to the endpoint, up, or nowhere.
const RESERVED: [&str; 5] = ["files", "ws", "..", ".", ""];

/// A prefix of paths. It begins with a slash and ends without one, or it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base(String);

/// The destination of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Way {
    /// To the server, by this address.
    Within(Uri),
    /// To the start page.
    Start,
    /// Beside the server.
    Beside,
}

impl Base {
    /// The prefix, to put in front of a path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The prefix of a share link's addresses.
    pub(crate) fn of_link(&self, code: &Secret) -> Self {
        Self(format!("{}{LINK_PATH}{}", self.0, code.expose()))
    }

    /// The destination of a request to this address.
    #[must_use]
    pub fn way(&self, uri: &Uri) -> Way {
        if self.0.is_empty() {
            return Way::Within(uri.clone());
        }
        let Some(rest) = uri.path().strip_prefix(&self.0) else {
            return if uri.path() == "/" { Way::Start } else { Way::Beside };
        };
        match rest {
            "" => Way::Start,
            _ if !rest.starts_with('/') => Way::Beside,
            _ => self.without(uri).map_or(Way::Beside, Way::Within),
        }
    }

    fn without(&self, uri: &Uri) -> Option<Uri> {
        let path: PathAndQuery = uri.path_and_query()?.as_str().strip_prefix(&self.0)?.parse().ok()?;
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).ok()
    }

    /// The answer to a request that does not go to the server.
    pub(crate) fn elsewhere(&self, way: &Way) -> Response {
        let start = format!("{self}");
        let words = format!("There is nothing at this address. The start page is at {start}.\n");
        let mut response = warp::reply::with_status(words, StatusCode::NOT_FOUND).into_response();
        if *way == Way::Start
            && let Ok(start) = HeaderValue::try_from(start)
        {
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            response.headers_mut().insert(header::LOCATION, start);
        }
        response
    }

    /// Names the prefix in an answer.
    pub(crate) fn mark(&self, response: &mut Response) {
        if !self.0.is_empty()
            && let Ok(value) = HeaderValue::try_from(self.to_string())
        {
            response.headers_mut().insert(BASE_FIELD, value);
        }
    }
}

/// With a slash at both ends: the path of the start page.
impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.0)
    }
}

impl FromStr for Base {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WORDS: &str =
            "write a path such as /wstp/, of letters, digits and -._~, in which no part is called files or ws";
        let names = text.trim_matches('/');
        if names.is_empty() {
            return Ok(Self::default());
        }
        let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        let is_fine = names.split('/').all(|name| is_plain(name) && !RESERVED.contains(&name));
        if !is_fine || names.len() > MAX_LEN {
            return Err(WORDS);
        }
        Ok(Self(format!("/{names}")))
    }
}

impl<'de> Deserialize<'de> for Base {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Base {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_one_spelling_and_leads_nowhere_else() {
        for (text, base) in [("/", "/"), ("", "/"), ("wstp", "/wstp/"), ("/wstp", "/wstp/"), ("/a/b-1/", "/a/b-1/")] {
            assert_eq!(text.parse::<Base>().unwrap().to_string(), base, "{text}");
        }
        for text in
            ["/a b/", "/a%20/", "/../", "/a/./b", "/a//b/", "/files/", "/a/files", "/ws/", "/a?b", &"a".repeat(256)]
        {
            assert!(text.parse::<Base>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_request_goes_to_the_server_below_the_prefix_alone() {
        let base: Base = "/wstp/".parse().unwrap();
        let within = |uri: &str| Way::Within(uri.parse().unwrap());
        for (uri, way) in [
            ("/wstp/", within("/")),
            ("/wstp/files/a%20b?zip", within("/files/a%20b?zip")),
            ("/wstp/wstp/", within("/wstp/")),
            ("http://host:3000/wstp/ws?x", within("http://host:3000/ws?x")),
            ("/wstp//files", within("//files")),
            ("/wstp", Way::Start),
            ("/", Way::Start),
            ("/ws", Way::Beside),
            ("/wstpx/ws", Way::Beside),
            ("/files/wstp/", Way::Beside),
            ("/%77stp/", Way::Beside),
            ("*", Way::Beside),
        ] {
            assert_eq!(base.way(&uri.parse().unwrap()), way, "{uri}");
        }
        assert_eq!(Base::default().way(&"/files/a?b".parse().unwrap()), within("/files/a?b"));
    }
}
