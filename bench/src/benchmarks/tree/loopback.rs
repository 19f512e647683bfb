//! `wstp get` of the folder beside six HTTP connections to nginx.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use crate::http::Connection;
use crate::ours::get_all;

use super::{CONNECTIONS, Share};

/// Seconds from the start of `wstp` to its end.
pub async fn ours(share: &Share) -> Result<f64> {
    let folder = share.files.folder()?;
    let target = folder.path().join("got");
    let took = get_all(share.ours.address(), &target).await?;
    share.files.check(&target)?;
    Ok(took.as_secs_f64())
}

/// Seconds that the six connections take.
pub async fn peer(share: &Share) -> Result<f64> {
    let folder = share.files.folder()?;
    let names: Arc<[String]> = share.files.names.as_slice().into();
    let began = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        tasks.spawn(fetch_some(share.nginx.address(), names.clone(), next.clone(), folder.path().to_owned()));
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let took = began.elapsed();
    share.files.check(folder.path())?;
    Ok(took.as_secs_f64())
}

async fn fetch_some(address: SocketAddr, names: Arc<[String]>, next: Arc<AtomicUsize>, to: PathBuf) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
        let target = to.join(name);
        fs::create_dir_all(target.parent().context("a file lies in a folder")?)?;
        connection.get(name, 0, &mut File::create(target)?).await.1?;
    }
    Ok(())
}
