//! `wstp hash`: the BLAKE3 hashes of local files, as b3sum prints them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use wstp_protocol::Hash;

use crate::answers::Answers;
use crate::exit::{Code, Failure};
use crate::partial::shown;

/// Hashes files in order and prints a line for each. Continues after unreadable ones.
pub fn run(paths: &[PathBuf], answers: &Answers, tell: impl Fn(&Failure)) -> Code {
    let mut code = Code::Ok;
    for path in paths {
        match of_file(path) {
            Ok(hash) => {
                if !answers.line(&line(&hash, &path.to_string_lossy())) {
                    return code;
                }
            }
            Err(error) => {
                tell(&unreadable(path, &error));
                code = Code::Failed;
            }
        }
    }
    code
}

/// The BLAKE3 hash of a file. Blocking: reads the file.
///
/// # Errors
///
/// When it can't be read.
pub fn of_file(path: &Path) -> io::Result<Hash> {
    of_file_counted(path, &AtomicU64::default())
}

/// The same, and adds the read bytes to `done`.
///
/// # Errors
///
/// When it can't be read.
pub fn of_file_counted(path: &Path, done: &AtomicU64) -> io::Result<Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(Counted { file: File::open(path)?, done })?;
    Ok(*hasher.finalize().as_bytes())
}

struct Counted<'a> {
    file: File,
    done: &'a AtomicU64,
}

impl Read for Counted<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(bytes)?;
        self.done.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Code::Failed,
        format!("{} can't be read: {error}.", shown(path)),
        "Check the name and who may read it.",
    )
}

/// A line in b3sum's format; a name of several lines is escaped.
fn line(hash: &Hash, path: &str) -> String {
    let hex = blake3::Hash::from(*hash).to_hex();
    if path.contains(['\\', '\n']) {
        format!("\\{hex}  {}", path.replace('\\', "\\\\").replace('\n', "\\n"))
    } else {
        format!("{hex}  {path}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_b3sum() {
        let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        let hash = *blake3::hash(b"").as_bytes();
        assert_eq!(line(&hash, "a b"), format!("{empty}  a b"));
        assert_eq!(line(&hash, "a\nb\\c"), format!("\\{empty}  a\\nb\\\\c"));
    }
}
