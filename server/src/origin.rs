//! Which web origins may open protocol connections and read files.
//!
//! Programs send no `Origin` and browsers always do, so a web page elsewhere can't use a visitor's browser to read the share.
//! Same-origin pages are trusted only under an IP address, `localhost` or a configured name: under any other name a hostile page
//! could have its own name resolve to this server and pass as its own origin.

use std::net::IpAddr;

use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Uri, header};

/// Whether a request with these headers may open a protocol connection.
pub fn is_allowed(headers: &HeaderMap, allowed_hosts: &[String]) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(origin), None) => origin.to_str().is_ok_and(|origin| {
            is_extension(origin) || headers.get(header::HOST).is_some_and(|host| is_same(origin, host, allowed_hosts))
        }),
        (Some(_), Some(_)) => false,
    }
}

/// Whether the request names this server as only its owner can: a browser sends no `Origin` with a page's requests to the page's own
/// host, so a hostile page whose name resolves to this server could otherwise read plain files. Requests without a `Host` come from
/// no browser.
pub fn is_own_name(headers: &HeaderMap, allowed_hosts: &[String]) -> bool {
    headers.get(header::HOST).is_none_or(|host| {
        Authority::try_from(host.as_bytes()).is_ok_and(|authority| is_trusted(authority.host(), allowed_hosts))
    })
}

fn is_extension(origin: &str) -> bool {
    ["chrome-extension://", "moz-extension://"]
        .iter()
        .filter_map(|scheme| origin.strip_prefix(scheme))
        .any(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
}

fn is_same(origin: &str, host: &HeaderValue, allowed_hosts: &[String]) -> bool {
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
        && is_trusted(host.host(), allowed_hosts)
}

fn is_trusted(host: &str, allowed_hosts: &[String]) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok()
        || allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origin: Option<&'static str>, host: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        is_allowed(&headers, &["files.example".to_owned()])
    }

    #[test]
    fn extensions_programs_and_own_pages_may_connect() {
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
            assert!(allowed(origin, host), "{origin:?} {host}");
        }
    }

    #[test]
    fn names_that_anybody_could_own_are_not_the_servers() {
        let own = |host| {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            is_own_name(&headers, &["files.example".to_owned()])
        };
        for host in ["127.0.0.1", "127.0.0.1:3000", "[::1]:3000", "localhost:3000", "FILES.example"] {
            assert!(own(host), "{host}");
        }
        for host in ["evil.example", "evil.example:3000", "127.0.0.1.evil.example", "", "a b"] {
            assert!(!own(host), "{host}");
        }
        assert!(is_own_name(&HeaderMap::new(), &[]));
    }

    #[test]
    fn other_pages_may_not_connect() {
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
            assert!(!allowed(Some(origin), host), "{origin} {host}");
        }
    }
}
