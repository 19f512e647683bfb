//! Finds out who answers plain HTTP at the endpoint. A client that could not open a WebSocket asks, to find the cause.
//!
//! The answer proves nothing, and nobody may trust it. It only chooses the words for a failure.

/// The field in each HTTP answer of a server. Its value is the highest version that the server speaks.
pub const VERSION_FIELD: &str = "wstp-version";

/// The field in each HTTP answer of a server that lies below a prefix of paths. Its value is that prefix, with a slash at
/// both ends. The endpoint is `ws` below it.
pub const BASE_FIELD: &str = "wstp-base";

/// The field in the answer that opens a WebSocket, if the server takes requests right behind the greeting:
/// [`EARLY_REQUESTS`](crate::limits::EARLY_REQUESTS). Its value has no meaning.
pub const EARLY_FIELD: &str = "wstp-early";

/// Who answers, judged by one answer to `GET` of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answerer {
    /// A server of the protocol. If no WebSocket could be opened, an intermediary does not carry it.
    Wstp,
    /// A server of the protocol that does not let this client in.
    WstpThatRefuses,
    /// A server that has too much to do at the moment.
    Busy,
    /// A web server that wants a name and a password.
    WantsPassword,
    /// A proxy of the client that wants a name and a password.
    ProxyWantsPassword,
    /// A web server that refuses everybody here.
    Forbids,
    /// A web server that does not answer under this name.
    OtherName,
    /// A proxy whose server does not answer.
    ServerIsDown,
    /// A web server that redirects to another place.
    Redirects,
    /// Any other answer.
    Other,
}

impl Answerer {
    /// Reads the status and the value of [`VERSION_FIELD`] of an answer.
    #[must_use]
    pub fn of(status: u16, version: Option<&str>) -> Self {
        match (status, version) {
            (403, Some(_)) => Self::WstpThatRefuses,
            (503, Some(_)) | (429, _) => Self::Busy,
            (_, Some(_)) => Self::Wstp,
            (401, None) => Self::WantsPassword,
            (407, None) => Self::ProxyWantsPassword,
            (403, None) => Self::Forbids,
            (421, None) => Self::OtherName,
            (500..=599, None) => Self::ServerIsDown,
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
        for (status, version, answerer) in [
            (403, Some("1"), Answerer::WstpThatRefuses),
            (403, None, Answerer::Forbids),
            (503, None, Answerer::ServerIsDown),
            (503, Some("1"), Answerer::Busy),
            (429, None, Answerer::Busy),
            (401, None, Answerer::WantsPassword),
            (407, None, Answerer::ProxyWantsPassword),
            (421, None, Answerer::OtherName),
            (301, None, Answerer::Redirects),
        ] {
            assert_eq!(Answerer::of(status, version), answerer, "{status} {version:?}");
        }
    }
}
