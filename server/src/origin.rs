//! Which web origins may open protocol connections and read files.
//!
//! Programs send no `Origin` and browsers always do, so a web page elsewhere can't use a visitor's browser to read the
//! share. Same-origin pages are trusted only under an IP address, `localhost`, a name of this machine or a configured
//! name. Under any other name a hostile page could pass as this server's own origin, because its name could resolve to
//! this server.

use std::net::IpAddr;

use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use warp::reply::{Reply, Response};

use crate::own_names;

/// Whether a request with these headers may open a protocol connection.
pub async fn is_allowed(headers: &HeaderMap, allowed_hosts: &[String]) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = match (origins.next(), origins.next()) {
        (None, _) => return true,
        (Some(origin), None) => origin.to_str().unwrap_or_default(),
        (Some(_), Some(_)) => return false,
    };
    if is_extension(origin) {
        return true;
    }
    match hosts(headers) {
        [Some(host), None] => is_same(origin, host, allowed_hosts).await,
        _ => false,
    }
}

/// The first two names in a request. A request has one (RFC 9112, section 3.2), and no browser sends two.
fn hosts(headers: &HeaderMap) -> [Option<&HeaderValue>; 2] {
    let mut hosts = headers.get_all(header::HOST).iter();
    [hosts.next(), hosts.next()]
}

/// The name in the request, if a stranger could own it. A browser sends no `Origin` with a page's requests to the
/// page's own host. So a hostile page whose name resolves to this server could otherwise read plain files. `None` for a
/// trusted name, and for requests without a `Host`, which come from no browser.
pub async fn foreign_name(headers: &HeaderMap, allowed_hosts: &[String]) -> Option<String> {
    let [host, further] = hosts(headers);
    let host = host?;
    match Authority::try_from(host.as_bytes()) {
        _ if further.is_some() => Some("NAME".to_owned()),
        Ok(authority) if is_trusted(authority.host(), allowed_hosts).await => None,
        Ok(authority) => Some(authority.host().to_owned()),
        Err(_) => Some("NAME".to_owned()),
    }
}

/// The answer to the question of a browser whether a page may send requests with these methods and fields (the CORS
/// preflight of the Fetch standard).
pub fn permission(methods: &'static str, fields: &'static str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let answers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, fields),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    response.headers_mut().extend(answers.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

fn is_extension(origin: &str) -> bool {
    ["chrome-extension://", "moz-extension://"]
        .iter()
        .filter_map(|scheme| origin.strip_prefix(scheme))
        .any(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
}

async fn is_same(origin: &str, host: &HeaderValue, allowed_hosts: &[String]) -> bool {
    let Ok(Some((origin, port))) = origin.parse::<Uri>().map(|uri| {
        let port = match uri.scheme_str()? {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        Some((uri.into_parts().authority?, port))
    }) else {
        return false;
    };
    let Ok(host) = Authority::try_from(host.as_bytes()) else { return false };
    origin.host().eq_ignore_ascii_case(host.host())
        && origin.port_u16().unwrap_or(port) == host.port_u16().unwrap_or(port)
        && is_trusted(host.host(), allowed_hosts).await
}

async fn is_trusted(host: &str, allowed_hosts: &[String]) -> bool {
    let host = without_dot(host);
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok()
        || allowed_hosts.iter().any(|allowed| without_dot(allowed).eq_ignore_ascii_case(host))
        || own_names::is_own(host).await
}

/// A dot at the end of a name only says that the name is complete.
fn without_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn allowed(origin: Option<&'static str>, host: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        is_allowed(&headers, &["files.example".to_owned()]).await
    }

    #[tokio::test]
    async fn extensions_programs_and_own_pages_may_connect() {
        for (origin, host) in [
            (None, "127.0.0.1:3000"),
            (Some("chrome-extension://abcdefghijklmnopabcdefghijklmnop"), "127.0.0.1:3000"),
            (Some("moz-extension://5c0d5d1f-7a53-4d5c-9f0e-5a1e6b1c2d3e"), "127.0.0.1:3000"),
            (Some("http://127.0.0.1:3000"), "127.0.0.1:3000"),
            (Some("http://localhost:3000"), "localhost:3000"),
            (Some("http://[::1]:3000"), "[::1]:3000"),
            (Some("https://files.example"), "files.example"),
            (Some("https://files.example"), "files.example:443"),
        ] {
            assert!(allowed(origin, host).await, "{origin:?} {host}");
        }
    }

    #[tokio::test]
    async fn names_that_anybody_could_own_are_not_the_servers() {
        let foreign = async |host| {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            foreign_name(&headers, &["files.example".to_owned()]).await
        };
        for host in [
            "127.0.0.1",
            "127.0.0.1:3000",
            "[::1]:3000",
            "[fe80::1]",
            "localhost:3000",
            "localhost.",
            "FILES.example",
            "files.example.:3000",
        ] {
            assert_eq!(foreign(host).await, None, "{host}");
        }
        for (host, name) in [
            ("evil.example", "evil.example"),
            ("evil.example:3000", "evil.example"),
            ("127.0.0.1.evil.example", "127.0.0.1.evil.example"),
            ("localhost.evil.example", "localhost.evil.example"),
            ("", "NAME"),
            ("a b", "NAME"),
            ("<b>", "NAME"),
        ] {
            assert_eq!(foreign(host).await.as_deref(), Some(name), "{host}");
        }
        assert_eq!(foreign_name(&HeaderMap::new(), &[]).await, None);
    }

    #[tokio::test]
    async fn other_pages_may_not_connect() {
        for (origin, host) in [
            ("http://evil.example", "127.0.0.1:3000"),
            ("http://evil.example:3000", "evil.example:3000"),
            ("http://127.0.0.1:3001", "127.0.0.1:3000"),
            ("http://127.0.0.1", "127.0.0.1:3000"),
            ("null", "127.0.0.1:3000"),
            ("file://", "127.0.0.1:3000"),
            ("", "127.0.0.1:3000"),
            ("chrome-extension://", "127.0.0.1:3000"),
            ("http://chrome-extension://abc", "127.0.0.1:3000"),
            ("chrome-extension://abc/../x", "127.0.0.1:3000"),
        ] {
            assert!(!allowed(Some(origin), host).await, "{origin} {host}");
        }
    }

    #[tokio::test]
    async fn a_request_with_two_names_is_trusted_under_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, HeaderValue::from_static("127.0.0.1:3000"));
        assert_eq!(foreign_name(&headers, &[]).await, None);
        headers.append(header::HOST, HeaderValue::from_static("127.0.0.1:3000"));
        assert!(foreign_name(&headers, &[]).await.is_some());
        headers.insert(header::ORIGIN, HeaderValue::from_static("http://127.0.0.1:3000"));
        assert!(!is_allowed(&headers, &[]).await);
    }
}
