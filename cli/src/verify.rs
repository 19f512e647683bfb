//! `wstp verify`: finds the bytes of a local file that differ from the server's, from the server's hash tree alone. No
//! data is fetched.
//!
//! A group is the set of blocks that one page of hashes can name. Groups are compared by one node each, one page for
//! the nodes of up to a page of groups. Only if a group differs are the hashes of its blocks fetched.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use wstp_client::store::hash_run;
use wstp_protocol::tree::{Tree, fold};
use wstp_protocol::{BLOCK_SIZE, BlockRun, Hash};

use crate::address::Source;
use crate::exit::{Code, Failure};
use crate::hash::unreadable;
use crate::local_file::LocalFile;
use crate::progress::Reporter;
use crate::remote::{OpenFile, Remote};

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Differs { first: u64, end: u64 },
    Result { same: bool, differing: u64, size: u64, blake3: &'a str },
}

/// Compares and prints.
///
/// # Errors
///
/// When one of the two can't be read.
pub async fn run(path: &Path, source: &Source, reporter: &Reporter) -> Result<Code, Failure> {
    let local = File::open(path).map_err(|error| unreadable(path, &error))?;
    let size = local.metadata().map_err(|error| unreadable(path, &error))?.len();
    let mut remote = Remote::connect(&source.address).await?;
    let opened = remote.open(source.path.clone()).await?;
    let report = reporter.comparing(path, size);
    let file = report.during(report.while_server_hashes(remote.hashed(&opened))).await?;
    let mut printer = Printer { reporter, open: None, differing: 0 };
    let mut compared =
        Comparison { remote, file, local: Arc::new(LocalFile(local)), local_size: size, done: report.done() };
    report.during(compared.run(&mut |range| printer.differs(range))).await.map_err(|error| match error {
        Broken::Local(error) => unreadable(path, &error),
        Broken::Remote(failure) => failure,
    })?;
    drop(report);
    printer.end(&file, size);
    Ok(if printer.differing == 0 { Code::Ok } else { Code::Differs })
}

/// A local file and one on a server.
pub struct Comparison {
    remote: Remote,
    file: OpenFile,
    local: Arc<LocalFile>,
    local_size: u64,
    /// The counter of compared bytes, in whole blocks.
    done: Arc<AtomicU64>,
}

/// Why a comparison could not be finished.
pub enum Broken {
    /// The local file can't be read.
    Local(io::Error),
    /// The server's hashes can't be fetched.
    Remote(Failure),
}

impl Comparison {
    /// Reports every byte range that differs, in order.
    async fn run(&mut self, differs: &mut impl FnMut(Range<u64>)) -> Result<(), Broken> {
        let page = self.remote.page_nodes();
        let blocks = Tree::of_size(self.file.size).blocks();
        let level = u8::try_from(page.ilog2()).expect("the logarithm of 32 bits is at most 31");
        let groups = blocks.div_ceil(u64::from(page));
        for first in (0..groups).step_by(page as usize) {
            let nodes = self.remote.hashes(&self.file, level, first, page).await.map_err(Broken::Remote)?;
            for (group, node) in (first..).zip(nodes) {
                self.compare_group(group * u64::from(page), page, node, differs).await?;
            }
        }
        if self.local_size > self.file.size {
            differs(self.file.size..self.local_size);
        }
        Ok(())
    }

    async fn compare_group(
        &mut self,
        first: u64,
        page: u32,
        node: Hash,
        differs: &mut impl FnMut(Range<u64>),
    ) -> Result<(), Broken> {
        let blocks = Tree::of_size(self.file.size).blocks();
        let count = u32::try_from(blocks - first).unwrap_or(page).min(page);
        let run = BlockRun { first, count };
        let local = self.hash_local(run).await.map_err(Broken::Local)?;
        self.done.fetch_add(local.len() as u64 * BLOCK_SIZE, Ordering::Relaxed);
        let whole = local.len() == count as usize;
        if whole && fold(&local, u64::from(count) == blocks) == Some(node) {
            return Ok(());
        }
        let remote = self.remote.hashes(&self.file, 0, first, page).await.map_err(Broken::Remote)?;
        for (index, hash) in remote.iter().enumerate() {
            if local.get(index) != Some(hash) {
                let start = (first + index as u64) * BLOCK_SIZE;
                differs(start..start.saturating_add(BLOCK_SIZE).min(self.file.size));
            }
        }
        Ok(())
    }

    /// The hashes of the blocks that are as long here as on the server. They end with the first block that is not.
    async fn hash_local(&self, run: BlockRun) -> io::Result<Vec<Hash>> {
        let (local, size) = (self.local.clone(), self.file.size);
        let whole = if self.local_size >= size { run.end() } else { self.local_size / BLOCK_SIZE };
        let end = run.end().min(whole);
        let hashing = tokio::task::spawn_blocking(move || {
            let count = u32::try_from(end.saturating_sub(run.first)).unwrap_or(run.count);
            Ok(hash_run(&*local, BlockRun { count, ..run }, size)?.unwrap_or_default())
        });
        hashing.await.map_err(io::Error::other)?
    }
}

/// Prints ranges. Neighbours become one.
struct Printer<'a> {
    reporter: &'a Reporter,
    open: Option<Range<u64>>,
    differing: u64,
}

impl Printer<'_> {
    fn differs(&mut self, range: Range<u64>) {
        self.differing += range.end - range.start;
        match &mut self.open {
            Some(open) if open.end == range.start => open.end = range.end,
            _ => {
                self.flush();
                self.open = Some(range);
            }
        }
    }

    fn flush(&mut self) {
        let Some(Range { start, end }) = self.open.take() else { return };
        let text = format!("differs: bytes {start} to {} ({} bytes)", end - 1, end - start);
        self.reporter.answer(&Event::Differs { first: start, end }, &text);
    }

    fn end(&mut self, file: &OpenFile, local_size: u64) {
        self.flush();
        let hash = blake3::Hash::from(file.root).to_hex();
        let same = self.differing == 0;
        let text = match () {
            () if same => format!("same: {} bytes, blake3 {hash}", file.size),
            () if local_size == file.size => format!("{} bytes differ", self.differing),
            () => {
                format!("{} bytes differ; {local_size} bytes here, {} on the server", self.differing, file.size)
            }
        };
        let result = Event::Result { same, differing: self.differing, size: file.size, blake3: &hash };
        self.reporter.answer(&result, &text);
    }
}
