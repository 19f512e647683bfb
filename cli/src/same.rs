//! Whether a local file is the one a server has, told by its hash, without fetching any of it.

use std::fs;
use std::path::Path;

use tokio::task::spawn_blocking;

use crate::address::Source;
use crate::exit::Failure;
use crate::get::Context;
use crate::hash;
use crate::transfer::Fetched;

/// What the file is, if it is the one the first source that can be reached has; `None` if it differs.
///
/// # Errors
///
/// When no source can be reached, or the local file can't be read.
pub async fn as_on_server(cx: &Context<'_>, sources: &[Source], local: &Path) -> Result<Option<Fetched>, Failure> {
    let unreadable = |error| Failure::disk(format!("{} can't be read", crate::partial::shown(local)), &error);
    let size = fs::metadata(local).map_err(unreadable)?.len();
    let (mut remote, index) = cx.reach(sources).await?;
    let opened = remote.open(sources[index].path.clone()).await?;
    if opened.size != size {
        return Ok(None);
    }
    let path = local.to_owned();
    let hashing = spawn_blocking(move || hash::of_file(&path));
    let file = remote.hashed(&opened).await?;
    let root = hashing.await.map_err(std::io::Error::other).flatten().map_err(unreadable)?;
    Ok((root == file.root).then_some(Fetched { size, root }))
}
