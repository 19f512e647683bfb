//! The system's errors as refusals.

use std::io;

use rustix::io::Errno;
use wstp_protocol::ErrorCode;
use wstp_provider::Refusal;

/// The system's reason for a failure, for the client.
pub fn refused(error: io::Error) -> Refusal {
    let is = |errno: Errno| error.raw_os_error() == Some(errno.raw_os_error());
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => {
            ErrorCode::NotFound.into()
        }
        // Links that lead in a circle lead nowhere.
        _ if is(Errno::LOOP) => ErrorCode::NotFound.into(),
        // Too many open files, here or on the whole machine.
        _ if is(Errno::MFILE) || is(Errno::NFILE) => ErrorCode::Busy.into(),
        // Links that lead out of the share come as this too.
        io::ErrorKind::PermissionDenied => ErrorCode::Forbidden.into(),
        // The file became shorter while it was read.
        io::ErrorKind::UnexpectedEof => ErrorCode::Changed.into(),
        _ => {
            tracing::warn!(%error, "the file system failed");
            ErrorCode::Io.into()
        }
    }
}
