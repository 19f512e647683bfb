//! Compares a local file with a server's by hash, without fetching any of it.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use tokio::task::spawn_blocking;
use wstp_protocol::SharePath;

use crate::address::{Address, Source};
use crate::exit::{Code, Failure};
use crate::get::Context;
use crate::hash;
use crate::progress::Reporter;
use crate::remote::Remote;
use crate::transfer::Fetched;

/// Compares the local file with the file at the first source that can be reached. Returns it if they are the same,
/// `None` if they differ.
///
/// # Errors
///
/// When no source can be reached, or the local file can't be read.
pub async fn as_on_server(cx: &Context<'_>, sources: &[Source], local: &Path) -> Result<Option<Fetched>, Failure> {
    if let [source] = sources
        && let Some(mut remote) = cx.idle.take(&source.address)
    {
        match compare(cx.reporter, &mut remote, &source.path, local).await {
            // The server may have closed it while it was idle.
            Err(failure) if failure.code == Code::Unreachable => {}
            compared => {
                cx.idle.put(source, remote, &compared);
                return compared;
            }
        }
    }
    let (mut remote, index) = cx.reach(sources).await?;
    let compared = compare(cx.reporter, &mut remote, &sources[index].path, local).await;
    cx.idle.put(&sources[index], remote, &compared);
    compared
}

/// Connections of earlier comparisons, for the next ones. There are no more than comparisons at once.
#[derive(Default)]
pub struct Idle(RefCell<Vec<(Address, Remote)>>);

impl Idle {
    fn take(&self, address: &Address) -> Option<Remote> {
        let mut idle = self.0.borrow_mut();
        let index = idle.iter().position(|(other, _)| other == address)?;
        Some(idle.swap_remove(index).1)
    }

    /// Keeps a connection if the work over it ended well.
    fn put<T>(&self, source: &Source, remote: Remote, done: &Result<T, Failure>) {
        if done.as_ref().is_ok() || done.as_ref().is_err_and(|failure| failure.refusal.is_some()) {
            self.0.borrow_mut().push((source.address.clone(), remote));
        }
    }
}

async fn compare(
    reporter: &Reporter,
    remote: &mut Remote,
    path: &SharePath,
    local: &Path,
) -> Result<Option<Fetched>, Failure> {
    let unreadable = |error| Failure::disk(format!("{} can't be read", crate::partial::shown(local)), &error);
    let size = fs::metadata(local).map_err(unreadable)?.len();
    let opened = remote.open(path.clone()).await?;
    if opened.size != size {
        remote.close(&opened)?;
        return Ok(None);
    }
    let report = reporter.comparing(local, size);
    let (path_here, done) = (local.to_owned(), report.done());
    let hashing = spawn_blocking(move || hash::of_file_counted(&path_here, &done));
    let theirs_and_mine = async {
        let file = report.while_server_hashes(remote.hashed(&opened)).await?;
        remote.close(&opened)?;
        let root = hashing.await.map_err(std::io::Error::other).flatten().map_err(unreadable)?;
        Ok((file.root, root))
    };
    let (theirs, root) = report.during(theirs_and_mine).await?;
    if root != theirs {
        return Ok(None);
    }
    let modified_ms = remote.stat(path.clone()).await?.modified_ms;
    Ok(Some(Fetched { size, root, modified_ms }))
}
