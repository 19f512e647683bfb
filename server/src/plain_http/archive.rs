//! A folder as one archive, for people who have nothing but a browser and for scripts: `?zip` and `?tar`.
//!
//! The archive is written nowhere. A listing of the folder gives its [`Layout`]: every name, size, date and version, and
//! so its length, its tag, and the place of each byte. Ranges of it are therefore sent like those of a file, and a
//! download is resumed as long as nothing changed. The bytes of files are read as the client takes them, through the
//! store and with the caller's rights. When one of them is another version than in the listing, the connection breaks.

mod checksums;
mod format;
mod layout;
mod member;
mod stream;
mod tar;
mod walk;
mod zip;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;
use wstp_protocol::{ErrorCode, SharePath};
use wstp_provider::Refusal;

use super::query::Query;
use crate::access::Caller;
use crate::store::{Folder, Store};
use checksums::Checksums;
pub use format::Format;
pub use layout::Layout;
pub use stream::ArchiveStream;

/// Folders that are listed for an archive at once.
const LISTED: usize = 4;
/// Archives in memory at once: a listing takes up to 30 MiB. Clients of the same one share it.
const KEPT: usize = 8;
/// The name of the archive of everything.
const EVERYTHING: &str = "files";

const FULL: Refusal = Refusal::new(
    ErrorCode::Busy,
    "The server sends as many different archives as it can at once. Try again when one of them is done.",
);

/// The archives that are being sent.
pub struct Archives {
    listed: Semaphore,
    kept: Arc<Semaphore>,
    layouts: Mutex<Vec<Weak<Layout>>>,
    checksums: Checksums,
}

impl Default for Archives {
    fn default() -> Self {
        Self {
            listed: Semaphore::new(LISTED),
            kept: Arc::new(Semaphore::new(KEPT)),
            layouts: Mutex::default(),
            checksums: Checksums::default(),
        }
    }
}

impl Archives {
    /// The number of different archives that are being sent.
    pub fn under_way(&self) -> usize {
        KEPT - self.kept.available_permits()
    }

    /// The archive of an opened folder, as it is now.
    ///
    /// # Errors
    /// When the folder is too large or changes meanwhile, and when too many archives are sent.
    pub async fn plan(
        &self,
        store: &dyn Store,
        caller: &Caller,
        path: &SharePath,
        folder: Box<dyn Folder>,
        format: &'static dyn Format,
    ) -> Result<Arc<Layout>, Refusal> {
        let turn = self.listed.acquire().await.expect("the semaphore is never closed");
        let (members, settles_in) = walk::members(store, caller, path, folder, walk::BOUNDS).await?;
        // Until then a change may not show, and one tag would name two archives.
        tokio::time::sleep(settles_in).await;
        let mut layout = Layout::new(format, name(path), path.clone(), members)?;
        drop(turn);
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        layouts.retain(|layout| layout.strong_count() > 0);
        if let Some(same) = layouts.iter().filter_map(Weak::upgrade).find(|other| other.etag() == layout.etag()) {
            return Ok(same);
        }
        layout.place = Some(self.kept.clone().try_acquire_owned().map_err(|_| FULL)?);
        let layout = Arc::new(layout);
        layouts.push(Arc::downgrade(&layout));
        Ok(layout)
    }
}

/// The format that a query asks for.
pub fn asked_for(query: Query<'_>) -> Option<&'static dyn Format> {
    let formats: [&'static dyn Format; 2] = [&zip::Zip, &tar::Tar];
    formats.into_iter().find(|format| query.has(format.extension()))
}

/// The name of the archive of a folder, without its ending, and of the folder in it.
pub fn name(path: &SharePath) -> &str {
    path.name().unwrap_or(EVERYTHING)
}
