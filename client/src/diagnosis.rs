//! Who answers at an address where no WebSocket could be opened. A front end asks the endpoint by plain HTTP and passes
//! the answer; this reads it and words it. The answer proves nothing: it only chooses the words.

use wstp_protocol::probe::Answerer;

use crate::address::Address;
use crate::words::{FrontEnd, Words};
use wstp_text::strangers::one_line;
use wstp_words::{Phrase, phrase};

/// The lines that nginx needs to let WebSockets through.
const NGINX: &str =
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";";
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
        let (number, here, name) = (self.status.to_string(), &Phrase::from(front.here), &Phrase::from(front.name));
        let status = number.as_str();
        match (self.answerer(), self.via.as_deref()) {
            (Answerer::Wstp, Some(via)) => {
                let proxy: String = one_line(via).chars().take(MOST).collect();
                let place = address.host_and_port();
                Words::new(phrase!(proxy_keeps_sockets, label, &proxy), phrase!(proxy_keeps_sockets_advice, &place))
            }
            (Answerer::Wstp, None) => Words::new(
                phrase!(gateway_keeps_sockets, label),
                phrase!(gateway_keeps_sockets_advice, NGINX).and(&front.other_proxy.into()),
            ),
            (Answerer::WstpThatRefuses, _) => {
                Words::new(phrase!(wstp_refuses, label, here, status), phrase!(ask_to_let_in, name))
            }
            (Answerer::Busy, _) => Words::new(phrase!(server_busy_status, label, status), phrase!(try_in_a_moment)),
            (Answerer::WantsPassword, _) => {
                Words::new(phrase!(wants_password, label, status), phrase!(wants_password_advice, name))
            }
            (Answerer::ProxyWantsPassword, _) => {
                Words::new(phrase!(proxy_wants_password, label, status), front.log_in_to_proxy)
            }
            (Answerer::Forbids, _) => Words::new(phrase!(forbids, label, here, status), phrase!(forbids_advice)),
            (Answerer::OtherName, _) => Words::new(phrase!(other_name, label, status), phrase!(other_name_advice)),
            (Answerer::ServerIsDown, _) => {
                Words::new(phrase!(server_is_down, label, status), phrase!(server_is_down_advice))
            }
            (Answerer::Redirects | Answerer::Other, _) => not_wstp(label, &phrase!(answers_with_status, status)),
        }
    }
}

/// Something else than a WSTP server answers at the address shown as `label`.
#[must_use]
pub fn not_wstp(label: &str, reason: &Phrase) -> Words {
    Words::new(phrase!(not_wstp, label, reason), phrase!(check_address))
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
            let told = format!("{} {}", what.say(), advice.say());
            assert!(told.contains(expected) && told.ends_with('.'), "{answer:?}: {told}");
        }
    }

    #[test]
    fn a_proxys_own_words_are_bounded_and_harmless() {
        let answer =
            Answer { version: Some("1".to_owned()), via: Some("\u{1b}[2J".repeat(99)), ..Answer::of_status(426) };
        let told = answer.words(&Address::parse("nas").unwrap(), "nas", &FRONT).what.say();
        assert!(told.len() < 300 && !told.contains('\u{1b}'), "{told}");
    }
}
