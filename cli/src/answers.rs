//! The standard output: lines for people, objects for programs, and the bytes of `get -o -`.
//!
//! Its first error stops the command in good order. The user is told of a full disk, but not of a reader that closed
//! the pipe, as `head` does.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::escape;
use crate::exit::{Code, Failure};

/// The output for answers. Clones share it.
#[derive(Clone, Debug)]
pub struct Answers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Whether lines go to the standard error, because the standard output carries a file.
    beside: bool,
    stop: CancellationToken,
    lost: OnceLock<io::Error>,
}

impl Answers {
    /// To the standard output. `stop` is cancelled once it accepts nothing more.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self(Arc::new(Inner { beside: false, stop, lost: OnceLock::new() }))
    }

    /// Lines to the standard error, and only a file's bytes to the standard output.
    #[must_use]
    pub fn beside_a_file(stop: CancellationToken) -> Self {
        Self(Arc::new(Inner { beside: true, stop, lost: OnceLock::new() }))
    }

    /// Prints a line. Returns whether the output accepted it.
    pub fn line(&self, line: &str) -> bool {
        if self.0.beside {
            return writeln!(io::stderr().lock(), "{line}").is_ok();
        }
        self.keep(writeln!(io::stdout().lock(), "{line}"))
    }

    /// Prints an object as a line. Returns whether the output accepted it.
    pub fn object(&self, object: &impl Serialize) -> bool {
        let text = serde_json::to_string(object).expect("texts and numbers can be written as JSON");
        self.line(&escape::json(&text))
    }

    /// Writes bytes of a file. Returns whether the output accepted them.
    pub fn bytes(&self, bytes: &[u8]) -> bool {
        let mut out = io::stdout().lock();
        self.keep(out.write_all(bytes).and_then(|()| out.flush()))
    }

    fn keep(&self, printed: io::Result<()>) -> bool {
        let taken = printed.is_ok();
        if let Err(error) = printed {
            let _only_the_first_counts = self.0.lost.set(error);
            self.0.stop.cancel();
        }
        taken
    }

    /// Whether the standard output accepts nothing more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.0.lost.get().is_some()
    }

    /// How the command ends: as it would, unless the standard output failed.
    ///
    /// # Errors
    ///
    /// The reason, in words.
    pub fn ending(&self, ended: Result<Code, Failure>) -> Result<Code, Failure> {
        let Some(error) = self.0.lost.get() else { return ended };
        let advice = ended.err().filter(|failure| failure.code == Code::Interrupted).map(|failure| failure.advice);
        unprinted(error, advice.as_deref().unwrap_or("Make room there, or send it elsewhere."))
    }
}

/// How a command ends when its standard output failed.
///
/// # Errors
///
/// The words, unless the reader closed the pipe: that is no failure.
pub fn unprinted(error: &io::Error, advice: &str) -> Result<Code, Failure> {
    if error.kind() == ErrorKind::BrokenPipe {
        return Ok(Code::Unread);
    }
    Err(Failure::new(Code::Disk, format!("The standard output can't be written: {error}."), advice))
}
