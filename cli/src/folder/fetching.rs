//! The large files of a folder. Each has its own transfer, a few at a time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wstp_engine::folder::{FetchReply, FileId, FolderCommand};
use wstp_engine::{Problem, StoreError};
use wstp_protocol::SharePath;

use super::FolderLoop;
use crate::address::Source;
use crate::exit::{Code, Failure};
use crate::folder_store::{Claims, make_around};
use crate::get::{Context, Share, file};
use crate::transfer::Fetched;

type Ended = (FileId, PathBuf, Result<Fetched, Failure>);

/// The transfers under way.
pub(super) struct Fetching<'a> {
    cx: &'a Context<'a>,
    source: &'a Source,
    output: PathBuf,
    claims: Arc<Claims>,
    share: Share,
    /// Bytes a second that each of them may have.
    rate: watch::Sender<Option<u64>>,
    under_way: FuturesUnordered<LocalBoxFuture<'a, Ended>>,
    stops: HashMap<FileId, CancellationToken>,
}

impl<'a> Fetching<'a> {
    /// No transfers yet. `parallel` files at once, each with this much memory.
    pub(super) fn new(
        cx: &'a Context<'a>,
        source: &'a Source,
        (output, claims): (&Path, Arc<Claims>),
        parallel: u8,
        memory: u64,
    ) -> Self {
        let (rate, each) = watch::channel(cx.options.rate);
        let share = Share { connections: cx.options.connections_of(parallel), memory, rate: each };
        let (under_way, stops) = Default::default();
        Self { cx, source, output: output.to_owned(), claims, share, rate, under_way, stops }
    }

    /// Begins to fetch a file.
    pub(super) fn start(&mut self, id: FileId, path: SharePath, place: &Path) {
        let stop = self.cx.stop.child_token();
        self.stops.insert(id, stop.clone());
        let cx = Context {
            options: self.cx.options.clone(),
            links: Vec::new(),
            idle: self.cx.idle.clone(),
            reporter: self.cx.reporter,
            stop,
        };
        let sources = [Source { path, ..self.source.clone() }];
        let (output, place, share) = (self.output.clone(), place.to_owned(), self.share.clone());
        let claims = self.claims.clone();
        self.under_way.push(Box::pin(async move {
            let target = output.join(&place);
            let fetch = async {
                make_around(&output, &place)?;
                claims.check(&target, id)?;
                let fetched = file(&cx, &sources, &target, share).await?;
                claims.take(&target, id)?;
                Ok(fetched)
            };
            let result = fetch.await;
            (id, target, result)
        }));
    }

    /// Stops a transfer. Its end is still reported.
    pub(super) fn stop(&self, id: FileId) {
        if let Some(stop) = self.stops.get(&id) {
            stop.cancel();
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// The next transfer that ended. Waits for ever while there is none.
    pub(super) async fn next(&mut self) -> Ended {
        match self.under_way.next().await {
            Some(ended) => {
                self.stops.remove(&ended.0);
                ended
            }
            None => std::future::pending().await,
        }
    }
}

impl FolderLoop<'_> {
    /// A transfer ended.
    pub(super) fn fetched(&mut self, id: FileId, target: &Path, result: Result<Fetched, Failure>) {
        let reply = match result {
            Ok(Fetched { size, root, .. }) => {
                self.sum.add(size);
                FetchReply::Done { size, root }
            }
            Err(failure) if failure.code == Code::Interrupted => FetchReply::Stopped,
            Err(failure) if failure.ends_all => {
                if self.ending.is_none() {
                    self.stop_for(failure);
                }
                FetchReply::Stopped
            }
            Err(failure) => {
                let problem =
                    if failure.code == Code::Disk { Problem::Storage(StoreError::Io) } else { Problem::Connection };
                self.failed(Some(target), failure, Some(id));
                FetchReply::FileFailed(problem)
            }
        };
        self.folder.handle_fetched(self.now(), id, reply);
    }

    /// Divides the limit equally among the large files that are being fetched and the small ones, as long as there are
    /// any to request.
    pub(super) fn share_rate(&mut self) {
        let sharers = self.fetching.under_way.len() + usize::from(self.socket.is_some());
        let rate = self.cx.options.rate.map(|rate| (rate / sharers.max(1) as u64).max(1));
        if rate != self.rate {
            self.rate = rate;
            self.fetching.rate.send_replace(rate);
            self.folder.handle_command(self.now(), FolderCommand::SetRateLimit(rate));
        }
    }
}
