//! How a command ends: one code for each kind of ending, and words for the person.

use std::fmt;
use std::io::ErrorKind;
use std::process::ExitCode;

use wstp_protocol::ErrorCode;

use crate::escape::one_line;

/// The kinds of endings; each has a number that scripts may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Everything was done, or everything is the same.
    Ok = 0,
    /// Any other failure.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The server does not have it, or refuses it.
    NotFound = 3,
    /// No source could be reached, or none sent data, within the user's patience.
    Unreachable = 4,
    /// The file changed on the server.
    Changed = 5,
    /// The local disk failed, or the standard output did.
    Disk = 6,
    /// The local file and the server's differ.
    Differs = 7,
    /// Stopped by Ctrl-C or SIGTERM.
    Interrupted = 130,
    /// The reader of the standard output went away. Shells show this number for a program that a closed pipe ended.
    Unread = 141,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.number())
    }
}

impl Code {
    /// The number the process ends with.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// A failure: what happened, and what the user can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// How the command ends if nothing worse happens.
    pub code: Code,
    /// The problem, a sentence.
    pub what: String,
    /// The remedy, a sentence.
    pub advice: String,
    /// Whether other files would fail too, so that there is no use in continuing with them.
    pub ends_all: bool,
    /// Whether waiting changes nothing, so that there is no use in a retry.
    pub lasting: bool,
    /// The server's words, if the server refused.
    pub refusal: Option<ErrorCode>,
}

impl Failure {
    /// A failure from its two sentences.
    pub fn new(code: Code, what: impl Into<String>, advice: impl Into<String>) -> Self {
        let ends_all = matches!(code, Code::Interrupted | Code::Unreachable);
        Self { code, what: what.into(), advice: advice.into(), ends_all, lasting: false, refusal: None }
    }

    /// The disk failed.
    pub fn disk(what: impl fmt::Display, error: &std::io::Error) -> Self {
        let advice = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "Make room and run the same command again: it goes on from what was kept."
            }
            _ if is_too_large(error) => {
                "No file can be so large here. If it is as large as the server says, choose another place with -o."
            }
            ErrorKind::PermissionDenied => "Choose another place with -o, or change who may write there.",
            _ => "Check the disk, or choose another place with -o.",
        };
        let ends_all =
            matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem);
        Self { ends_all, ..Self::new(Code::Disk, format!("{what}: {error}."), advice) }
    }
}

/// Whether the disk, or the system, has no files of the requested length.
pub fn is_too_large(error: &std::io::Error) -> bool {
    match error.kind() {
        ErrorKind::FileTooLarge => true,
        // A length that no system call could take. An error of the system's own has another cause.
        ErrorKind::InvalidInput => error.raw_os_error().is_none(),
        _ => false,
    }
}

/// Both sentences. Nothing in them can move a terminal's cursor, whoever wrote it.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", one_line(&self.what), one_line(&self.advice))
    }
}
