//! The reason why a request fails, in the protocol's codes and in words.

use wstp_protocol::{ErrorCode, Failure, RequestId};

/// When a client that was told to come back later should do so.
const RETRY_AFTER_MS: u32 = 500;
/// When a client should check whether the shared folder is back.
const RETURN_AFTER_MS: u32 = 5000;

/// The reason why a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    code: ErrorCode,
    text: &'static str,
}

impl Refusal {
    /// A refusal with its own words.
    #[must_use]
    pub const fn new(code: ErrorCode, text: &'static str) -> Self {
        Self { code, text }
    }

    /// The kind of error.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The problem and the remedy, for people.
    #[must_use]
    pub const fn text(&self) -> &'static str {
        self.text
    }

    /// The message for the client.
    #[must_use]
    pub fn failure(&self, id: Option<RequestId>) -> Failure {
        let retry_after_ms = match self.code {
            ErrorCode::Busy | ErrorCode::NotReady | ErrorCode::ShuttingDown => Some(RETRY_AFTER_MS),
            ErrorCode::ShareGone => Some(RETURN_AFTER_MS),
            _ => None,
        };
        Failure { id, code: self.code, text: self.text.to_owned(), retry_after_ms }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self { code, text: words(code) }
    }
}

const fn words(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Malformed => {
            "The server did not understand a message. Client and server may be of different versions."
        }
        ErrorCode::UnsupportedVersion => "Client and server have no protocol version in common. Update the older one.",
        ErrorCode::Unauthorized => "The server does not accept this token. Ask its owner for a new one.",
        ErrorCode::NotFound => "There is nothing at this path. List the folder again.",
        ErrorCode::NotAFile => "This is not a regular file and can't be opened.",
        ErrorCode::NotADirectory => "This is not a folder and can't be listed.",
        ErrorCode::Forbidden => "The server may not read this, or it lies outside of what is shared.",
        ErrorCode::InvalidPath => "This path can't be used here.",
        ErrorCode::Changed => "The file changed on the server. Open it again.",
        ErrorCode::OutOfRange => "This lies past the end of the file.",
        ErrorCode::BadHandle => "This file is not open. Open it first.",
        ErrorCode::NotReady => "The server is still computing this file's hashes. It will say when they are ready.",
        ErrorCode::Busy => "The server has too much to do for this client. Try again shortly.",
        ErrorCode::Io => "The server could not read its disk. Try again, or tell its owner.",
        ErrorCode::Cancelled => "The request was cancelled.",
        ErrorCode::ShuttingDown => "The server is stopping. Connect again shortly.",
        ErrorCode::DuplicateId => "A request with this number is under way already.",
        ErrorCode::TooLarge => "This file is too large for a bundle. Open it.",
        ErrorCode::ShareGone => "The shared folder is not there at the moment. Ask the server's owner to put it back.",
        ErrorCode::UsedUp => "What was allowed here is used up. Ask the server's owner for more.",
        ErrorCode::Unknown(_) => "The request failed.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_fits_the_wire() {
        for &code in ErrorCode::ALL {
            let failure = Refusal::from(code).failure(Some(1));
            assert!(!failure.text.is_empty() && failure.text.len() <= wstp_protocol::limits::MAX_ERROR_TEXT);
        }
    }
}
