//! How many downloads may begin with a link or a token.
//!
//! A download begins when somebody is first sent bytes, and lasts a day: ranges, resumes and further connections of the
//! same visitor belong to it. A visitor is a network address. With a link, all that it opens is one download. With a
//! token, each file or archive is one. The begun ones are forgotten when the server ends; their number is kept.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use wstp_protocol::{ErrorCode, SharePath};
use wstp_provider::Refusal;

use super::Proof;
use crate::accounts::{Book, BookError, Downloads, TokenId};

/// How long a download lasts.
const LASTS: Duration = Duration::from_secs(86_400);
/// Downloads that are remembered. The oldest go, and count again when they are resumed.
const MOST: usize = 16_384;

const USED_UP: Refusal = Refusal::new(ErrorCode::UsedUp, "All the downloads that were allowed here are used up.");
const NOT_KEPT: Refusal = Refusal::new(ErrorCode::Io, "The server can't count this download. Its log says why.");

/// The downloads that have begun.
#[derive(Default)]
pub struct Begun(Mutex<HashMap<Download, Instant>>);

/// One download.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Download {
    by: TokenId,
    visitor: IpAddr,
    path: SharePath,
}

/// The part of one caller.
pub struct Allotment {
    book: Arc<Book>,
    begun: Arc<Begun>,
    proof: Proof,
    visitor: IpAddr,
}

impl Allotment {
    /// The part of a caller, if its downloads are counted.
    pub fn of(book: &Arc<Book>, begun: &Arc<Begun>, proof: &Proof, visitor: IpAddr) -> Option<Arc<Self>> {
        let accounts = book.accounts();
        let is_counted = match proof {
            Proof::Link(id) | Proof::LinkToken(id, _) => accounts.links.get(id)?.downloads.is_some(),
            Proof::Token(id) => accounts.tokens.get(id)?.downloads.is_some(),
            _ => false,
        };
        let (book, begun, proof) = (book.clone(), begun.clone(), proof.clone());
        is_counted.then(|| Arc::new(Self { book, begun, proof, visitor }))
    }

    /// Whether this visitor may begin a download of all, or has begun it.
    pub fn is_open(&self) -> bool {
        let accounts = self.book.accounts();
        let downloads = match &self.proof {
            Proof::Link(id) | Proof::LinkToken(id, _) => accounts.links.get(id).and_then(|link| link.downloads),
            Proof::Token(id) => accounts.tokens.get(id).and_then(|token| token.downloads),
            _ => None,
        };
        let Some(download) = self.download(&SharePath::root()) else { return true };
        downloads.is_none_or(|downloads| downloads.left() > 0) || self.begun.has(&download)
    }

    /// Begins the download of a path, or goes on with it.
    ///
    /// # Errors
    /// When none is left.
    pub async fn begin(self: &Arc<Self>, path: &SharePath) -> Result<(), Refusal> {
        let Some(download) = self.download(path) else { return Ok(()) };
        if self.begun.has(&download) {
            return Ok(());
        }
        let own = self.clone();
        let counting = tokio::task::spawn_blocking(move || own.count(download));
        counting.await.unwrap_or(Err(NOT_KEPT))
    }

    fn download(&self, path: &SharePath) -> Option<Download> {
        let (by, path) = match &self.proof {
            Proof::Link(id) | Proof::LinkToken(id, _) => (id.clone(), SharePath::root()),
            Proof::Token(id) => (id.clone(), path.clone()),
            _ => return None,
        };
        Some(Download { by, visitor: self.visitor, path })
    }

    /// Blocking.
    fn count(&self, download: Download) -> Result<(), Refusal> {
        // Two ranges of one download come at once: the second waits until the first is counted.
        let mut begun = self.begun.lock();
        if begun.get(&download).is_some_and(|since| since.elapsed() < LASTS) {
            return Ok(());
        }
        let counted = self.book.update(|accounts| {
            let downloads: Option<&mut Downloads> = match &self.proof {
                Proof::Link(id) | Proof::LinkToken(id, _) => {
                    accounts.links.get_mut(id).and_then(|link| link.downloads.as_mut())
                }
                Proof::Token(id) => accounts.tokens.get_mut(id).and_then(|token| token.downloads.as_mut()),
                _ => None,
            };
            Ok::<_, BookError>(downloads.is_none_or(|downloads| downloads.begin()))
        });
        let is_left = counted.map_err(|error| {
            tracing::error!(%error, "a download can't be counted");
            NOT_KEPT
        })?;
        if !is_left {
            return Err(USED_UP);
        }
        let now = Instant::now();
        if begun.len() >= MOST {
            begun.retain(|_, since| now.duration_since(*since) < LASTS);
        }
        if begun.len() >= MOST
            && let Some(oldest) = begun.iter().min_by_key(|(_, since)| **since).map(|(download, _)| download.clone())
        {
            begun.remove(&oldest);
        }
        begun.insert(download, now);
        Ok(())
    }
}

impl Begun {
    fn has(&self, download: &Download) -> bool {
        self.lock().get(download).is_some_and(|since| since.elapsed() < LASTS)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Download, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Allotment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allotment").field("proof", &self.proof).field("visitor", &self.visitor).finish_non_exhaustive()
    }
}
