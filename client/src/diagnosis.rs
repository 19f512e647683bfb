//! Who answers at an address where no WebSocket could be opened. A front end asks the endpoint by plain HTTP and passes
//! the answer; this reads it and words it. The answer proves nothing: it only chooses the words.

use wstp_protocol::probe::Answerer;

use crate::address::Address;
use crate::words::{FrontEnd, Words};
use wstp_text::strangers::one_line;

/// Advice about an address where something else answers.
pub const CHECK_ADDRESS: &str = "Check the address. WSTP servers usually listen on port 3000.";
/// Most characters of a proxy's name that are shown.
const MOST: usize = 60;

/// The parts of an answer over plain HTTP that tell who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The value of [`wstp_protocol::probe::VERSION_FIELD`].
    pub version: Option<String>,
    /// The field `Via`, if it names a proxy that a WebSocket would pass too.
    pub via: Option<String>,
}

impl Answer {
    /// An answer of which only the status is known.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        Self { status, version: None, via: None }
    }

    /// Who gave it.
    #[must_use]
    pub fn answerer(&self) -> Answerer {
        Answerer::of(self.status, self.version.as_deref())
    }

    /// Why there is no WebSocket at `address`, which is shown as `label`.
    #[must_use]
    pub fn words(&self, address: &Address, label: &str, front: &FrontEnd) -> Words {
        let status = self.status;
        match (self.answerer(), self.via.as_deref()) {
            (Answerer::Wstp, Some(via)) => Words::new(
                format!(
                    "A WSTP server answers at {label}, but the proxy on the way ({}) lets no WebSocket through.",
                    one_line(via).chars().take(MOST).collect::<String>()
                ),
                format!(
                    "Ask who runs the proxy to allow CONNECT to {}, or use no proxy for this server.",
                    address.host_and_port()
                ),
            ),
            (Answerer::Wstp, None) => Words::new(
                format!("A WSTP server answers at {label}, but a proxy in front of it lets no WebSocket through."),
                format!(
                    "In nginx, add to its location: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
                     proxy_set_header Connection \"upgrade\"; The whole of it is in docs/server.md.{}",
                    front.other_proxy
                ),
            ),
            (Answerer::WstpThatRefuses, _) => Words::new(
                format!("{label} is a WSTP server, and does not let {} in ({status}).", front.here),
                format!("Ask who runs the server to let {} in.", front.name),
            ),
            (Answerer::Busy, _) => Words::new(format!("{label} is busy ({status})."), "Try again in a moment."),
            (Answerer::WantsPassword, _) => Words::new(
                format!("{label} asks for a name and a password ({status})."),
                format!(
                    "This version of {} can't give them. Ask who runs the server to let you in without.",
                    front.name
                ),
            ),
            (Answerer::ProxyWantsPassword, _) => Words::new(
                format!("A proxy on the way to {label} asks for a name and a password ({status})."),
                front.log_in_to_proxy,
            ),
            (Answerer::Forbids, _) => Words::new(
                format!("What answers at {label} refuses {} ({status}).", front.here),
                "Ask who runs the server, or the proxy before it, to let you in.",
            ),
            (Answerer::OtherName, _) => Words::new(
                format!("What answers at {label} is not called so ({status})."),
                "Try its IP address, or start wstp-server with --allow-host and this name.",
            ),
            (Answerer::ServerIsDown, _) => Words::new(
                format!("A proxy answers at {label}, but the server behind it does not ({status})."),
                "Check that wstp-server runs, and that the proxy passes on to its port.",
            ),
            (Answerer::Redirects | Answerer::Other, _) => {
                not_wstp(label, &format!("it answers with the status {status}"))
            }
        }
    }
}

/// Something else than a WSTP server answers at the address shown as `label`.
#[must_use]
pub fn not_wstp(label: &str, reason: &str) -> Words {
    Words::new(format!("What answers at {label} is not a WSTP server ({}).", one_line(reason)), CHECK_ADDRESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::tests::FRONT;

    #[test]
    fn each_answer_says_what_is_in_the_way() {
        let address = Address::parse("nas:3000").unwrap();
        for (status, version, via, expected) in [
            (426, Some("1"), None, "proxy_set_header Upgrade $http_upgrade"),
            (426, Some("1"), None, " Look for another."),
            (426, Some("1"), Some("1.1 tinyproxy"), "the proxy on the way (1.1 tinyproxy) lets no WebSocket through"),
            (426, Some("1"), Some("1.1 tinyproxy"), "allow CONNECT to nas:3000"),
            (403, Some("1"), None, "does not let this computer in (403)"),
            (503, Some("1"), None, "NAS is busy (503)"),
            (429, None, None, "NAS is busy (429)"),
            (426, None, None, "is not a WSTP server (it answers with the status 426)"),
            (200, None, None, "is not a WSTP server (it answers with the status 200)"),
            (302, None, None, "is not a WSTP server (it answers with the status 302)"),
            (401, None, None, "NAS asks for a name and a password (401). This version of it can't"),
            (403, None, None, "refuses this computer (403)"),
            (407, None, None, "Log in."),
            (421, None, None, "--allow-host"),
            (500, None, None, "the server behind it does not (500)"),
            (502, None, None, "the server behind it does not (502)"),
        ] {
            let answer = Answer { status, version: version.map(str::to_owned), via: via.map(str::to_owned) };
            let Words { what, advice } = answer.words(&address, "NAS", &FRONT);
            let told = format!("{what} {advice}");
            assert!(told.contains(expected) && told.ends_with('.'), "{answer:?}: {told}");
        }
    }

    #[test]
    fn a_proxys_own_words_are_bounded_and_harmless() {
        let answer =
            Answer { version: Some("1".to_owned()), via: Some("\u{1b}[2J".repeat(99)), ..Answer::of_status(426) };
        let told = answer.words(&Address::parse("nas").unwrap(), "nas", &FRONT).what;
        assert!(told.len() < 300 && !told.contains('\u{1b}'), "{told}");
    }
}
