//! An answer of bytes that are known before they are read: its head, and the wanted parts in pieces. A piece is read when
//! the client has taken the previous one.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::SystemTime;

use base64::Engine;
use bytes::Bytes;
use futures_util::stream;
use headers::{AcceptRanges, ContentLength, ContentRange, HeaderMapExt, LastModified};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use sync_wrapper::SyncStream;
use warp::reply::{Reply, Response};
use wstp_protocol::{ErrorCode, Hash, SharePath};

use super::Request;
use super::archive::{self, Layout};
use super::byte_range::Wanted;
use super::conditions::{Validators, Verdict, verdict};
use super::content::Content;
use super::delivery::{Delivery, Overdue};
use super::disposition::attachment;
use super::multipart::Multipart;
use super::stream::FileStream;

/// The type of every file. No browser shows it as a page of this server.
const FILE_TYPE: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The hash of the whole file, whichever part is sent (RFC 9530).
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// The facts about a file or an archive.
pub struct Representation {
    validators: Validators,
    media_type: HeaderValue,
    /// The name to save it under, as the protocol spells it.
    name: String,
    /// The BLAKE3 hash of the whole, if it is known.
    hash: Option<Hash>,
}

impl Representation {
    /// Those about a file.
    pub fn of_file(file: &FileStream, path: &SharePath, hash: Option<Hash>) -> Self {
        let version = u128::from_be_bytes(file.version().0);
        let validators = Validators {
            etag: format!("\"{version:032x}\"").parse().expect("hexadecimal digits in quotes are a tag"),
            // A date in the future would be invalid (RFC 9110, section 8.8.2.1).
            modified: file.modified().map(|modified| modified.min(SystemTime::now())),
            size: file.size(),
        };
        Self { validators, media_type: FILE_TYPE, name: path.name().unwrap_or_default().to_owned(), hash }
    }

    /// Those about an archive.
    pub fn of_archive(layout: &Layout) -> Self {
        Self {
            validators: Validators { etag: layout.etag(), modified: None, size: layout.size() },
            media_type: HeaderValue::from_static(layout.format.media_type()),
            name: format!("{}.{}", archive::name(&layout.folder), layout.format.extension()),
            hash: None,
        }
    }
}

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
struct Download<C> {
    content: C,
    /// Bytes of the content.
    size: u64,
    /// All that is left to send.
    parts: VecDeque<Part>,
    delivery: Delivery,
}

/// Something that is sent.
pub enum Part {
    /// Bytes of the content; never empty.
    Content(Range<u64>),
    /// Bytes between parts of the content.
    Between(Bytes),
}

/// Answers a request for bytes.
pub fn respond(
    request: &Request,
    about: &Representation,
    content: impl Content + 'static,
    delivery: Delivery,
) -> Response {
    let size = about.validators.size;
    let (status, parts) = match verdict(&request.method, &request.headers, &about.validators) {
        Verdict::Failed => (StatusCode::PRECONDITION_FAILED, None),
        Verdict::NotModified => (StatusCode::NOT_MODIFIED, None),
        Verdict::Send(Wanted::Unsatisfiable) => (StatusCode::RANGE_NOT_SATISFIABLE, None),
        Verdict::Send(Wanted::Whole) => (StatusCode::OK, Some(vec![0..size])),
        Verdict::Send(Wanted::Part(part)) => (StatusCode::PARTIAL_CONTENT, Some(vec![part])),
        Verdict::Send(Wanted::Parts(parts)) => (StatusCode::PARTIAL_CONTENT, Some(parts)),
    };
    tracing::debug!(path = request.path, %status, "plain request");
    let mut fields = HeaderMap::new();
    about.describe(&mut fields);
    let parts = parts.map(|parts| about.enclose(&mut fields, status, parts));
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        fields.typed_insert(ContentRange::unsatisfied_bytes(size));
    }
    let mut response = match parts {
        Some(parts) if request.method == Method::GET => {
            let download = Download { content, size, parts, delivery };
            warp::reply::stream(SyncStream::new(stream::try_unfold(download, Download::next))).into_response()
        }
        _ => Response::default(),
    };
    *response.status_mut() = status;
    response.headers_mut().extend(fields);
    response
}

impl Representation {
    /// Adds the fields of all answers.
    fn describe(&self, fields: &mut HeaderMap) {
        fields.typed_insert(self.validators.etag.clone());
        fields.typed_insert(AcceptRanges::bytes());
        if let Some(modified) = self.validators.modified {
            fields.typed_insert(LastModified::from(modified));
        }
        if let Some(digest) = self.hash.and_then(|hash| repr_digest(&hash)) {
            fields.insert(REPR_DIGEST, digest);
        }
        // No browser may take the bytes for a page of this server, whatever they are.
        fields.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    }

    /// Adds the fields that describe these parts. Returns them as they are sent.
    fn enclose(&self, fields: &mut HeaderMap, status: StatusCode, parts: Vec<Range<u64>>) -> VecDeque<Part> {
        fields.insert(header::CONTENT_DISPOSITION, attachment(&self.name));
        let size = self.validators.size;
        match <[Range<u64>; 1]>::try_from(parts) {
            Ok([part]) => {
                fields.insert(header::CONTENT_TYPE, self.media_type.clone());
                fields.typed_insert(ContentLength(part.end - part.start));
                if status == StatusCode::PARTIAL_CONTENT
                    && let Ok(range) = ContentRange::bytes(part.clone(), size)
                {
                    fields.typed_insert(range);
                }
                Some(part).into_iter().filter(|part| !part.is_empty()).map(Part::Content).collect()
            }
            Err(parts) => {
                let multipart = Multipart::new(&self.media_type, size, parts);
                fields.insert(header::CONTENT_TYPE, multipart.media_type());
                fields.typed_insert(ContentLength(multipart.length()));
                multipart.into_parts()
            }
        }
    }
}

/// The registry of RFC 9530 has no name for BLAKE3 yet. Clients ignore names that they don't know.
fn repr_digest(hash: &Hash) -> Option<HeaderValue> {
    let encoded = base64::engine::general_purpose::STANDARD.encode(hash);
    HeaderValue::try_from(format!("blake3=:{encoded}:")).ok()
}

impl<C: Content> Download<C> {
    /// The next piece, read now; `None` after the last.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, DownloadError> {
        let piece = match self.parts.front_mut() {
            None => return Ok(None),
            Some(Part::Between(bytes)) => std::mem::take(bytes),
            Some(Part::Content(left)) => {
                let read = self.content.next(left.clone());
                let read = self.delivery.in_time(read).await.map_err(|Overdue| DownloadError::Stopping)?;
                let piece = read.map_err(|refusal| match refusal.code() {
                    ErrorCode::Changed => DownloadError::Changed,
                    _ => DownloadError::Unreadable,
                })?;
                let start = left.start;
                left.start += piece.len() as u64;
                self.delivery.serves(self.size, start..left.start);
                piece
            }
        };
        if !matches!(self.parts.front(), Some(Part::Content(left)) if !left.is_empty()) {
            self.parts.pop_front();
        }
        let paced = self.delivery.pace(piece.len() as u64, self.content.path()).await;
        paced.map_err(|Overdue| DownloadError::Stopping)?;
        Ok(Some((piece, self)))
    }
}
