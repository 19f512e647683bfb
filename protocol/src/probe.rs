//! Tells from an answer of plain HTTP at the endpoint who gave it. A client that could open no WebSocket asks for one, to find out why.
//!
//! The answer is no proof of anything, and nothing is trusted for it. It only chooses the words in which a failure is told.

/// The field in each HTTP answer of a server; its value is the highest version that it speaks.
pub const VERSION_FIELD: &str = "wstp-version";

/// Who answers, as far as one answer to `GET` of the endpoint says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answerer {
    /// A server of the protocol. Where a WebSocket could not be opened all the same, something on the way does not carry it.
    Wstp,
    /// A server of the protocol that does not let this client in.
    WstpThatRefuses,
    /// Somebody who wants a name and a password.
    WantsPassword,
    /// A proxy of the client's that wants a name and a password.
    ProxyWantsPassword,
    /// Somebody who lets nobody in here.
    Forbids,
    /// Somebody who is not called so.
    OtherName,
    /// Somebody in front of a server that does not answer.
    ServerIsDown,
    /// Somebody who names another place.
    Redirects,
    /// Something else.
    Other,
}

impl Answerer {
    /// Reads the status and the value of [`VERSION_FIELD`] of an answer.
    #[must_use]
    pub fn of(status: u16, version: Option<&str>) -> Self {
        match (status, version) {
            (403, Some(_)) => Self::WstpThatRefuses,
            (_, Some(_)) => Self::Wstp,
            (401, None) => Self::WantsPassword,
            (407, None) => Self::ProxyWantsPassword,
            (403, None) => Self::Forbids,
            (421, None) => Self::OtherName,
            (502..=504, None) => Self::ServerIsDown,
            (301 | 302 | 303 | 307 | 308, None) => Self::Redirects,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_its_field_and_not_by_its_status() {
        for status in [200, 400, 426] {
            assert_eq!(Answerer::of(status, Some("1")), Answerer::Wstp);
            assert_eq!(Answerer::of(status, None), Answerer::Other);
        }
        assert_eq!(Answerer::of(403, Some("1")), Answerer::WstpThatRefuses);
        assert_eq!(Answerer::of(403, None), Answerer::Forbids);
        assert_eq!(Answerer::of(503, None), Answerer::ServerIsDown);
    }
}
