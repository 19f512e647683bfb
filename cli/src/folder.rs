//! A folder, as a tree of files fetched one by one, a few at a time.
//!
//! Nothing is written outside of the output folder: every local path consists of safe names, and a link within it is not followed. A file that fails
//! does not keep the others from being fetched, unless the reason holds for them too.

use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use indicatif::ProgressBar;

use crate::address::Source;
use crate::exit::{Code, Failure};
use crate::get::{Context, Share, file, unless_stopped};
use crate::names::safe_name;
use crate::partial::{make_folder, shown};
use crate::remote::Remote;
use crate::transfer::Fetched;
use crate::tree::{Item, Tree, walk};

/// Files fetched at once.
const MAX_PARALLEL: u8 = 4;

/// Fetches everything in a folder.
///
/// # Errors
///
/// When nothing can be fetched at all, or nothing more.
pub async fn get(cx: &Context<'_>, source: &Source, mut remote: Remote) -> Result<Code, Failure> {
    let output = output(cx, source)?;
    let tree = unless_stopped(cx, walk(&mut remote, &source.path)).await?;
    drop(remote);
    make_folders(&output, &tree)
        .map_err(|(path, error)| Failure::disk(format!("The folder {} can't be made", shown(&path)), &error))?;
    for (path, reason, _) in &tree.left_out {
        cx.reporter.skipped(path, reason);
    }
    let missed = tree.left_out.iter().filter(|(_, _, missed)| *missed).count() as u64;
    let run = Run {
        cx,
        source,
        output,
        bar: cx.reporter.overall(tree.files.iter().map(|item| item.size).fold(0, u64::saturating_add)),
    };
    run.files(tree.files, missed).await
}

fn output(cx: &Context<'_>, source: &Source) -> Result<PathBuf, Failure> {
    match (&cx.options.output, source.path.name()) {
        (Some(output), _) => Ok(output.clone()),
        (None, Some(name)) => Ok(safe_name(name).into()),
        (None, None) => Err(Failure::new(
            Code::Usage,
            "A whole server has no name to be saved under.",
            "Say where to with -o PATH.",
        )),
    }
}

fn make_folders(output: &Path, tree: &Tree) -> Result<(), (PathBuf, std::io::Error)> {
    // The output itself is the person's own, and may be a link.
    std::fs::create_dir_all(output).map_err(|error| (output.to_owned(), error))?;
    for folder in &tree.folders {
        let path = output.join(folder);
        make_folder(&path).map_err(|error| (path, error))?;
    }
    Ok(())
}

struct Run<'a> {
    cx: &'a Context<'a>,
    source: &'a Source,
    output: PathBuf,
    bar: ProgressBar,
}

/// How it went so far.
#[derive(Default)]
struct Sum {
    files: u64,
    bytes: u64,
    failed: u64,
    /// How the command ends.
    code: Option<Code>,
}

impl Run<'_> {
    async fn files(&self, files: Vec<Item>, missed: u64) -> Result<Code, Failure> {
        let parallel = self.cx.options.connections.unwrap_or(MAX_PARALLEL).clamp(1, MAX_PARALLEL);
        let mut sum = Sum { failed: missed, code: (missed > 0).then_some(Code::NotFound), ..Sum::default() };
        let mut to_do = files.into_iter();
        let mut under_way: FuturesUnordered<_> =
            to_do.by_ref().take(parallel.into()).map(|item| self.one(item, parallel)).collect();
        let mut fatal = None;
        while let Some((target, size, result)) = under_way.next().await {
            self.bar.inc(size);
            match result {
                Ok(fetched) => sum.add(&fetched),
                Err(failure) if failure.ends_all => {
                    fatal.get_or_insert(failure);
                    // The others are stopped, so that what arrived of them is on record.
                    self.cx.stop.cancel();
                }
                Err(failure) => {
                    self.cx.reporter.failed(Some(&target.to_string_lossy()), &failure);
                    sum.fail(failure.code);
                }
            }
            if fatal.is_none() {
                under_way.extend(to_do.next().map(|item| self.one(item, parallel)));
            }
        }
        self.bar.finish_and_clear();
        self.cx.reporter.summary(sum.files, sum.bytes, sum.failed);
        fatal.map_or(Ok(sum.code.unwrap_or(Code::Ok)), |failure| Err(self.told_for_all(failure)))
    }

    async fn one(&self, item: Item, parallel: u8) -> (PathBuf, u64, Result<Fetched, Failure>) {
        let target = self.output.join(&item.local);
        let sources = [Source { path: item.path, ..self.source.clone() }];
        let share = Share::of(&self.cx.options, parallel);
        let result = file(self.cx, &sources, &target, share).await;
        (target, item.size, result)
    }

    fn told_for_all(&self, mut failure: Failure) -> Failure {
        if failure.code == Code::Interrupted {
            failure.advice =
                format!("What arrived is kept in {}; run the same command again to go on.", shown(&self.output));
        }
        failure
    }
}

impl Sum {
    fn add(&mut self, fetched: &Fetched) {
        self.files += 1;
        self.bytes += fetched.size;
    }

    /// The first failure decides how the command ends.
    fn fail(&mut self, code: Code) {
        self.failed += 1;
        self.code.get_or_insert(code);
    }
}
