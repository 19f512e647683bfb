//! The proxies that the environment names, read as curl does: `http_proxy`, `https_proxy`, `all_proxy`, and `no_proxy`
//! for the exceptions.
//!
//! WebSockets are tunnelled (`CONNECT`, RFC 9110, section 9.3.6, or SOCKS). Requests of plain HTTP go the usual way of
//! their library. A name and a password in a proxy's address go to the proxy, and into no message.

use std::env;
use std::sync::OnceLock;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::Url;

use crate::exit::{Code, Failure};

/// All of them, by the scheme of the requested URL.
#[derive(Clone, Debug, Default)]
struct Environment {
    http: Option<String>,
    https: Option<String>,
    exceptions: String,
}

/// The proxy for a server.
#[derive(Clone)]
pub struct Proxy {
    intercept: Intercept,
    url: String,
}

impl Proxy {
    /// The one to use for a server, by the environment.
    #[must_use]
    pub fn of(secure: bool, host: &str, port: u16) -> Option<Self> {
        static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
        ENVIRONMENT.get_or_init(|| Environment::read(|name| env::var(name).ok())).proxy(secure, host, port)
    }

    /// The label to show: host and port alone.
    #[must_use]
    pub fn label(&self) -> String {
        let uri = self.uri();
        format!("{}:{}", uri.host().unwrap_or_default(), uri.port_u16().unwrap_or_default())
    }

    /// Its URL, with the port and without name and password.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        self.intercept.uri()
    }

    /// Name and password for the handshake of HTTP.
    #[must_use]
    pub fn basic_auth(&self) -> Option<&http::HeaderValue> {
        self.intercept.basic_auth()
    }

    /// Name and password for the handshake of SOCKS.
    #[must_use]
    pub fn raw_auth(&self) -> Option<(&str, &str)> {
        self.intercept.raw_auth()
    }

    /// Whether its address has a name and a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.basic_auth().is_some() || self.raw_auth().is_some()
    }

    /// Its whole URL. Never show it.
    #[must_use]
    pub fn secret_url(&self) -> &str {
        &self.url
    }
}

/// Refuses an environment with a proxy that can't be parsed. Without the refusal all traffic would silently bypass the
/// proxy.
///
/// # Errors
///
/// In words, with the name of the variable alone.
pub fn check() -> Result<(), Failure> {
    check_variables(|name| env::var(name).ok())
}

fn check_variables(variable: impl Fn(&str) -> Option<String>) -> Result<(), Failure> {
    let unusable = |name: &&str| variable(name).is_some_and(|value| !value.is_empty() && understood(&value).is_none());
    match ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"].into_iter().find(unusable) {
        None => Ok(()),
        Some(name) => Err(Failure::new(
            Code::Usage,
            format!("The proxy that the environment names in {name} can't be understood."),
            "Write it like http://proxy.example:8080 or socks5h://127.0.0.1:1080, or unset it.",
        )),
    }
}

/// The URL of a proxy, spelled with scheme and port.
fn understood(value: &str) -> Option<String> {
    let value = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let intercept = Matcher::builder().http(&value).build().intercept(&Uri::from_static("http://host/"))?;
    if intercept.uri().port_u16().is_some() {
        return Url::parse(&value).is_ok().then_some(value);
    }
    let port = match intercept.uri().scheme_str()? {
        "http" => 80,
        "https" => 443,
        _ => 1080,
    };
    let (scheme, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?.trim_end_matches(':');
    Some(format!("{scheme}://{authority}:{port}")).filter(|url| Url::parse(url).is_ok())
}

impl Environment {
    /// A variable in small letters comes first. `HTTP_PROXY` does not count: in a CGI program, it is a header that
    /// anyone may send.
    fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let any = |names: &[&str]| names.iter().find_map(|name| variable(name));
        let all = || any(&["all_proxy", "ALL_PROXY"]);
        let proxy = |names: &[&str]| any(names).or_else(all).as_deref().and_then(understood);
        Self {
            http: proxy(&["http_proxy"]),
            https: proxy(&["https_proxy", "HTTPS_PROXY"]),
            exceptions: any(&["no_proxy", "NO_PROXY"]).unwrap_or_default(),
        }
    }

    fn proxy(&self, secure: bool, host: &str, port: u16) -> Option<Proxy> {
        let (scheme, url) = if secure { ("https", &self.https) } else { ("http", &self.http) };
        let url = url.clone()?;
        let host = if host.contains(':') { format!("[{}]", host.trim_matches(['[', ']'])) } else { host.to_owned() };
        let destination = format!("{scheme}://{host}/").parse().ok()?;
        let matcher = Matcher::builder().all(&url).no(exceptions_at(&self.exceptions, port)).build();
        Some(Proxy { intercept: matcher.intercept(&destination)?, url })
    }
}

/// The exceptions for a port, as hosts and networks separated by commas. The variable may separate them by blanks too,
/// and give each a port.
fn exceptions_at(exceptions: &str, port: u16) -> String {
    let at_port = |exception: &str| match exception.rsplit_once(':') {
        // In an IPv6 address without brackets, the last part is no port.
        Some((host, digits)) if !host.contains(':') || host.ends_with(']') => {
            (digits.parse() == Ok(port)).then(|| host.to_owned())
        }
        _ => Some(exception.to_owned()),
    };
    let bare = |exception: String| exception.trim_matches(['[', ']']).trim_end_matches('.').to_owned();
    let exceptions = exceptions.split([',', ' ', '\t']).filter(|exception| !exception.is_empty());
    exceptions.filter_map(at_port).map(bare).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &'static [(&str, &str)]) -> Environment {
        Environment::read(|name| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn label(variables: &'static [(&str, &str)], secure: bool) -> Option<String> {
        environment(variables).proxy(secure, "host", 3000).map(|proxy| proxy.label())
    }

    #[test]
    fn each_scheme_has_its_variable_and_all_proxy_is_for_both() {
        assert_eq!(label(&[], false), None);
        assert_eq!(label(&[("http_proxy", "http://p:1")], false).as_deref(), Some("p:1"));
        assert_eq!(label(&[("http_proxy", "http://p:1")], true), None);
        assert_eq!(label(&[("HTTP_PROXY", "http://p:1")], false), None);
        assert_eq!(label(&[("HTTPS_PROXY", "p:1")], true).as_deref(), Some("p:1"));
        assert_eq!(label(&[("https_proxy", "a:1"), ("HTTPS_PROXY", "b:1")], true).as_deref(), Some("a:1"));
        assert_eq!(label(&[("all_proxy", "socks5h://s")], false).as_deref(), Some("s:1080"));
        assert_eq!(label(&[("ALL_PROXY", "http://s/")], true).as_deref(), Some("s:80"));
        assert_eq!(label(&[("http_proxy", ""), ("all_proxy", "s:1")], false), None);
    }

    #[test]
    fn exceptions_are_hosts_domains_networks_and_ports() {
        let goes_past = |exceptions: &str, host: &str| {
            let http = Some("http://p:1".to_owned());
            Environment { http, https: None, exceptions: exceptions.to_owned() }.proxy(false, host, 3000).is_none()
        };
        for (exceptions, host) in [
            ("*", "host"),
            ("a, host ,b", "host"),
            ("a host", "host"),
            ("example.org", "nas.example.org"),
            (".example.org", "nas.example.org"),
            (".example.org", "example.org"),
            ("EXAMPLE.org.", "nas.example.ORG"),
            ("127.0.0.1", "127.0.0.1"),
            ("192.168.0.0/16", "192.168.7.1"),
            ("::1", "::1"),
            ("[::1]:3000", "::1"),
            ("fd00::/8", "fd00::1"),
            ("host:3000", "host"),
        ] {
            assert!(goes_past(exceptions, host), "{exceptions} {host}");
        }
        for (exceptions, host) in [
            ("", "host"),
            ("example.org", "notexample.org"),
            ("nas.example.org", "example.org"),
            ("127.0.0.1", "localhost"),
            ("localhost", "127.0.0.1"),
            ("10.0.0.0/8", "192.168.7.1"),
            ("host:80", "host"),
            ("[::1]:80", "::1"),
        ] {
            assert!(!goes_past(exceptions, host), "{exceptions} {host}");
        }
    }

    #[test]
    fn a_proxy_that_is_not_understood_is_refused_and_no_secret_told() {
        for value in ["ftp://user:secret@p:1", "http://user:secret@", "http://user:secret@p:x"] {
            let refused = check_variables(|name| (name == "http_proxy").then(|| value.to_owned())).unwrap_err();
            assert_eq!(refused.code, Code::Usage, "{value}");
            assert!(refused.what.contains("http_proxy") && !refused.to_string().contains("secret"), "{refused}");
        }
        assert_eq!(check_variables(|_| Some("socks5://user:secret@p".to_owned())), Ok(()));
        let proxy = environment(&[("http_proxy", "http://user:secret@p:1")]).proxy(false, "host", 80).unwrap();
        assert!(proxy.has_password() && proxy.label() == "p:1");
        assert!(!proxy.uri().to_string().contains("secret"));
    }
}
