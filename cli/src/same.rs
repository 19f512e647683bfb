//! Whether a local file is the one a server has, told by its hash, without fetching any of it.

use std::fs;
use std::path::Path;

use tokio::task::spawn_blocking;

use crate::address::Source;
use crate::exit::{Code, Failure};
use crate::get::Context;
use crate::hash;
use crate::remote::Remote;
use crate::transfer::Fetched;
use crate::words::silent;

/// What the file is, if it is the one the first source that can be reached has; `None` if it differs.
///
/// # Errors
///
/// When no source can be reached, or the local file can't be read.
pub async fn as_on_server(cx: &Context<'_>, sources: &[Source], local: &Path) -> Result<Option<Fetched>, Failure> {
    let unreadable = |error| Failure::disk(format!("{} can't be read", crate::partial::shown(local)), &error);
    let size = fs::metadata(local).map_err(unreadable)?.len();
    let (mut remote, source) = first_reachable(cx, sources).await?;
    let opened = remote.open(source.path.clone()).await?;
    if opened.size != size {
        return Ok(None);
    }
    let path = local.to_owned();
    let hashing = spawn_blocking(move || hash::of_file(&path));
    let file = remote.hashed(&opened).await?;
    let root = hashing.await.map_err(std::io::Error::other).flatten().map_err(unreadable)?;
    Ok((root == file.root).then_some(Fetched { size, root }))
}

/// The first source that answers; while none does, they are tried again for as long as the person wants to wait.
async fn first_reachable<'s>(cx: &Context<'_>, sources: &'s [Source]) -> Result<(Remote, &'s Source), Failure> {
    let (first, others) = sources.split_first().ok_or_else(|| silent("nobody"))?;
    for source in std::iter::once(first).chain(others).filter(|_| !others.is_empty()) {
        match Remote::connect(&source.address).await {
            Err(failure) if failure.code == Code::Unreachable => {}
            other => return Ok((other?, source)),
        }
    }
    let tell = |failure: &Failure, wait| cx.reporter.waiting(failure, wait);
    Ok((Remote::connect_patiently(&first.address, cx.options.patience, tell).await?, first))
}
