//! A file as an answer: its head, and its bytes in pieces. A piece is read when the client has taken the previous one.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::stream;
use headers::{AcceptRanges, ContentLength, ContentRange, ContentType, HeaderMapExt, LastModified};
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sync_wrapper::SyncStream;
use warp::reply::{Reply, Response};
use wstp_protocol::{ErrorCode, SharePath, spelling};

use super::Request;
use super::byte_range::Wanted;
use super::conditions::{Validators, Verdict, verdict};
use super::delivery::{Delivery, Overdue};
use super::stream::FileStream;
use crate::places::Seat;
use crate::registry::Presence;
use crate::server::Server;

/// Bytes read at once.
const PIECE: u64 = 256 * 1024;
/// The characters that need no encoding in a parameter of a header (RFC 8187, section 3.2.1).
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Why the bytes end early; the connection ends with them.
#[derive(Debug, thiserror::Error)]
enum DownloadError {
    #[error("the file changed while it was sent")]
    Changed,
    #[error("the file could not be read")]
    Unreadable,
    #[error("the server stops")]
    Stopping,
}

/// Bytes under way to a client.
struct Download {
    file: FileStream,
    left: Range<u64>,
    delivery: Delivery,
}

/// Answers a request for a file.
pub fn respond(
    server: &Arc<Server>,
    request: &Request,
    path: &SharePath,
    file: FileStream,
    presence: Presence,
    seat: Seat,
) -> Response {
    let validators = validators(&file);
    let size = validators.size;
    let (status, sent) = match verdict(&request.method, &request.headers, &validators) {
        Verdict::Failed => (StatusCode::PRECONDITION_FAILED, None),
        Verdict::NotModified => (StatusCode::NOT_MODIFIED, None),
        Verdict::Send(Wanted::Unsatisfiable) => (StatusCode::RANGE_NOT_SATISFIABLE, None),
        Verdict::Send(Wanted::Whole) => (StatusCode::OK, Some(0..size)),
        Verdict::Send(Wanted::Part(part)) => (StatusCode::PARTIAL_CONTENT, Some(part)),
    };
    tracing::debug!(%path, %status, "plain request");
    let mut response = match &sent {
        Some(range) if request.method == Method::GET => {
            let delivery = Delivery::new(server, path, presence, seat);
            let file = file.starting_at(range.start);
            let download = Download { file, left: range.clone(), delivery };
            warp::reply::stream(SyncStream::new(stream::try_unfold(download, Download::next))).into_response()
        }
        _ => Response::default(),
    };
    *response.status_mut() = status;
    describe(response.headers_mut(), status, sent.as_ref(), &validators, path);
    response
}

fn validators(file: &FileStream) -> Validators {
    let version = u128::from_be_bytes(file.version().0);
    Validators {
        etag: format!("\"{version:032x}\"").parse().expect("hexadecimal digits in quotes are a tag"),
        // A date in the future would be invalid (RFC 9110, section 8.8.2.1).
        modified: file.modified().map(|modified| modified.min(SystemTime::now())),
        size: file.size(),
    }
}

/// The fields that describe the content, and those of all answers about a file.
fn describe(
    headers: &mut HeaderMap,
    status: StatusCode,
    sent: Option<&Range<u64>>,
    file: &Validators,
    path: &SharePath,
) {
    headers.typed_insert(file.etag.clone());
    headers.typed_insert(AcceptRanges::bytes());
    if let Some(modified) = file.modified {
        headers.typed_insert(LastModified::from(modified));
    }
    // No browser may take the bytes for a page of this server, whatever they are.
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    if let Some(sent) = sent {
        headers.typed_insert(ContentLength(sent.end - sent.start));
        headers.typed_insert(ContentType::octet_stream());
        headers.insert(header::CONTENT_DISPOSITION, attachment(path));
    }
    let content_range = match (status, sent) {
        (StatusCode::PARTIAL_CONTENT, Some(sent)) => ContentRange::bytes(sent.clone(), file.size).ok(),
        (StatusCode::RANGE_NOT_SATISFIABLE, _) => Some(ContentRange::unsatisfied_bytes(file.size)),
        _ => None,
    };
    if let Some(content_range) = content_range {
        headers.typed_insert(content_range);
    }
}

fn attachment(path: &SharePath) -> HeaderValue {
    // No charset fits a name of arbitrary bytes, so the field has a likeness of it.
    let name = path.name().unwrap_or_default().replace(spelling::is_stand_in, "\u{fffd}");
    let name = utf8_percent_encode(&name, ATTR_CHAR);
    HeaderValue::try_from(format!("attachment; filename*=UTF-8''{name}")).expect("what is encoded is plain ASCII")
}

impl Download {
    /// The next piece, read now; `None` after the last.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, DownloadError> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let start = self.left.start;
        let end = self.left.end.min((start / PIECE + 1).saturating_mul(PIECE));
        let read = self.file.next(end - start);
        let piece = self.delivery.in_time(read).await.map_err(|Overdue| DownloadError::Stopping)?;
        self.left.start = end;
        match piece {
            Ok(piece) => {
                let paced = self.delivery.pace(piece.len() as u64).await;
                paced.map_err(|Overdue| DownloadError::Stopping)?;
                Ok(Some((piece, self)))
            }
            Err(refusal) if refusal.code() == ErrorCode::Changed => Err(DownloadError::Changed),
            Err(_) => Err(DownloadError::Unreadable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_header_is_plain_ascii() {
        for (name, encoded) in [
            ("a.iso", "a.iso"),
            ("a \"b\"\r\nX: y;", "a%20%22b%22%0D%0AX%3A%20y%3B"),
            ("späß%", "sp%C3%A4%C3%9F%25"),
            ("it's (*)", "it%27s%20%28%2A%29"),
        ] {
            let path = SharePath::parse(format!("folder/{name}")).unwrap();
            assert_eq!(attachment(&path), format!("attachment; filename*=UTF-8''{encoded}"));
        }
    }
}
