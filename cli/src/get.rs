//! `wstp get`: a file, or everything in a folder, into a place on the local disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use indicatif::DecimalBytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wstp_engine::journal::Recovered;
use wstp_engine::{Connections, Phase};
use wstp_protocol::{EntryKind, ErrorCode};

use crate::address::Source;
use crate::answers::Answers;
use crate::exit::{Code, Failure};
use crate::names::{Why, on_disk};
use crate::partial::{Partial, exists, parent, shown};
use crate::place::{FileUrl, Place};
use crate::progress::Reporter;
use crate::remote::Remote;
use crate::same::Idle;
use crate::stream::{self, is_stdout};
use crate::transfer::{self, Fetched, Standing, Task};
use crate::trial::Trial;
use crate::words::{go_on_later, interrupted, no_connection};
use crate::{folder, reach, same, times};

/// The most connections over all servers when the user sets no number.
pub(crate) const MOST_CONNECTIONS: u8 = 32;
/// Bytes in flight and unwritten, over all transfers.
pub(crate) const MEMORY: u64 = 64 << 20;

/// How to fetch.
#[derive(Clone, Debug)]
pub struct Options {
    /// The target; by default the name on the server, in the current folder.
    pub output: Option<PathBuf>,
    /// Connections at once; `None`: as many as help.
    pub connections: Option<u8>,
    /// Bytes a second, over all transfers; `None`: no limit.
    pub rate: Option<u64>,
    /// Whether mirrors that the server offers are used.
    pub mirrors: bool,
    /// How long no data may arrive before the command gives up; `None`: for ever.
    pub patience: Option<Duration>,
    /// Whether the server's current version replaces files that changed there or differ here.
    pub update: bool,
    /// Whether it begins even if it does not fit on the disk.
    pub anyway: bool,
}

/// One transfer's share of the resources of a command.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) connections: Connections,
    /// Bytes in flight and unwritten.
    pub(crate) memory: u64,
    /// Bytes a second; the rate may change while it runs.
    pub(crate) rate: watch::Receiver<Option<u64>>,
}

impl Options {
    /// How many connections each of `parallel` transfers uses.
    pub(crate) fn connections_of(&self, parallel: u8) -> Connections {
        match self.connections {
            Some(connections) => Connections::Fixed(connections / parallel),
            None => Connections::Auto { most: MOST_CONNECTIONS / parallel },
        }
    }
}

impl Share {
    /// Everything there is.
    pub(crate) fn whole(options: &Options) -> Self {
        Self { connections: options.connections_of(1), memory: MEMORY, rate: watch::channel(options.rate).1 }
    }
}

/// The things that all transfers of a command share.
pub struct Context<'a> {
    /// How to fetch.
    pub options: Options,
    /// The places of the file at servers of plain HTTP, if it is one file.
    pub links: Vec<FileUrl>,
    /// Connections over which files were compared.
    pub idle: Rc<Idle>,
    /// Reports progress.
    pub reporter: &'a Reporter,
    /// Fires when the user wants to stop.
    pub stop: CancellationToken,
}

/// Fetches a file from its sources, or a folder from its one source.
///
/// # Errors
///
/// In words, with the code to end with.
pub async fn run(cx: &Context<'_>, sources: &[Source], answers: &Answers) -> Result<Code, Failure> {
    let sources = &linked(cx, sources).await?[..];
    check_copies(sources)?;
    match sources {
        [] => {
            let advice = "Put the address of a WSTP server in front: its hashes prove what the others send.";
            Err(Failure::new(Code::Usage, "Plain HTTP alone proves nothing.", advice))
        }
        _ if is_stdout(cx.options.output.as_deref()) => stream::run(cx, sources, answers).await,
        [source] => one(cx, source).await,
        _ => mirrors(cx, sources).await,
    }
}

/// The sources, with those that are share links replaced by what these open: the one entry that such a server shows.
async fn linked(cx: &Context<'_>, sources: &[Source]) -> Result<Vec<Source>, Failure> {
    let mut sources = sources.to_vec();
    for source in sources.iter_mut().filter(|source| source.address.is_link() && source.path.is_root()) {
        let asking = async {
            let (mut remote, _) = cx.reach(std::slice::from_ref(source)).await?;
            remote.list(source.path.clone(), None).await
        };
        if let [entry] = &unless_stopped(cx, asking).await?.entries[..] {
            source.path = source.path.join(&entry.name).unwrap_or_default();
        }
    }
    Ok(sources)
}

/// Refuses two paths on one server: sources are copies of one file.
fn check_copies(sources: &[Source]) -> Result<(), Failure> {
    let is_other = |a: &Source, b: &Source| a.address == b.address && a.path != b.path;
    let Some(source) = sources.iter().find(|source| sources.iter().any(|other| is_other(source, other))) else {
        return Ok(());
    };
    let server = source.address.host_and_port();
    let what = format!("Several sources are taken for copies of one file, and {server} is named with several paths.");
    let advice = "To fetch several files, run it once for each, or fetch the folder that they are in.";
    Err(Failure::new(Code::Usage, what, advice))
}

/// Fetches one file from several servers. The first source gives it its name, whichever answers. So the same command
/// resumes the same file.
async fn mirrors(cx: &Context<'_>, sources: &[Source]) -> Result<Code, Failure> {
    let target = file_target(cx.options.output.as_deref(), sources)?;
    alone(cx, &begin_with_one_that_answers(cx, sources).await?, &target).await
}

/// Fetches the entry at a source. It is taken for a file first, so that a file costs no question; a server says if that
/// is wrong.
async fn one(cx: &Context<'_>, source: &Source) -> Result<Code, Failure> {
    if !may_be_file(cx, source).await? {
        return whole_folder(cx, source).await;
    }
    let sources = std::slice::from_ref(source);
    match alone(cx, sources, &file_target(cx.options.output.as_deref(), sources)?).await {
        Err(failure) if failure.refusal == Some(ErrorCode::NotAFile) => whole_folder(cx, source).await,
        Err(failure) if matches!(failure.refusal, Some(ErrorCode::Forbidden | ErrorCode::NotFound)) => {
            match unless_stopped(cx, cx.reach(sources)).await {
                Ok((mut remote, _)) => Err(remote.explain(source.path.clone(), failure).await),
                Err(_) => Err(failure),
            }
        }
        ended => ended,
    }
}

/// Whether to begin with it as a file. If a folder is in the place that a file would get, the server is asked.
async fn may_be_file(cx: &Context<'_>, source: &Source) -> Result<bool, Failure> {
    if source.path.name().is_none() {
        return Ok(false);
    }
    let target = file_target(cx.options.output.as_deref(), std::slice::from_ref(source))?;
    if !target.path.is_dir() {
        return Ok(true);
    }
    let asking = async {
        let (mut remote, _) = cx.reach(std::slice::from_ref(source)).await?;
        remote.stat(source.path.clone()).await
    };
    Ok(unless_stopped(cx, asking).await?.kind != EntryKind::Directory)
}

async fn whole_folder(cx: &Context<'_>, source: &Source) -> Result<Code, Failure> {
    if cx.links.is_empty() {
        return folder::get(cx, source).await;
    }
    Err(Failure::new(Code::Usage, "A link can't be a mirror of a folder.", "Leave the link out, or name a file."))
}

/// Fetches a file that is no part of a folder. A failure leaves no new empty folder behind.
async fn alone(cx: &Context<'_>, sources: &[Source], target: &Target) -> Result<Code, Failure> {
    let around = parent(&target.path);
    let new: Vec<_> = around
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .map(Path::to_owned)
        .collect();
    fs::create_dir_all(around)
        .map_err(|error| Failure::disk(format!("The folder {} can't be made", shown(around)), &error))?;
    let fetched = file(cx, sources, &target.path, Share::whole(&cx.options)).await;
    if fetched.is_err() {
        // A folder with content stays, and so do those around it.
        let _stays = new.iter().try_for_each(fs::remove_dir);
    }
    fetched?;
    if let (Some(why), Some(name)) = (target.renamed, sources.first().and_then(|source| source.path.name())) {
        cx.reporter.renamed(name, &target.path.to_string_lossy(), why);
    }
    Ok(Code::Ok)
}

impl Context<'_> {
    /// Connects to the first source that answers, and says which it is.
    ///
    /// # Errors
    ///
    /// When none does within the user's patience.
    pub(crate) async fn reach(&self, sources: &[Source]) -> Result<(Remote, usize), Failure> {
        reach::first(sources, self.options.patience, |failure, wait| self.reporter.waiting(failure, wait)).await
    }
}

/// The engine lets its first source say which file it is, and waits for it.
pub(crate) async fn begin_with_one_that_answers(cx: &Context<'_>, sources: &[Source]) -> Result<Vec<Source>, Failure> {
    let (_, first) = unless_stopped(cx, cx.reach(sources)).await?;
    let mut sources = sources.to_vec();
    sources[..=first].rotate_right(1);
    Ok(sources)
}

/// Runs work that can be dropped when the user wants to stop.
pub(crate) async fn unless_stopped<T>(
    cx: &Context<'_>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        () = cx.stop.cancelled() => Err(interrupted("Nothing was lost; run the same command again.")),
        done = work => done,
    }
}

/// The target of a file.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    path: PathBuf,
    /// The reason for a name other than on the server.
    renamed: Option<Why>,
}

/// The place of a file: in the output if that is a folder, else the output itself, else the current folder.
fn file_target(output: Option<&Path>, sources: &[Source]) -> Result<Target, Failure> {
    let within = |folder: &Path| {
        let name = sources.first().and_then(|source| source.path.name()).ok_or_else(|| {
            let advice = "Put the path of a file behind the address; `wstp ls` shows what is there.";
            Failure::new(Code::Usage, "A whole server can't be a mirror of a file.", advice)
        })?;
        let (name, renamed) = Trial::within(folder).fit(name);
        Ok(Target { path: folder.join(on_disk(&name)), renamed })
    };
    match output {
        None => within(Path::new("")),
        Some(output) if output.is_dir() || output.as_os_str().as_encoded_bytes().ends_with(b"/") => within(output),
        Some(output) if output.file_name().is_none() => Err(Failure::new(
            Code::Usage,
            format!("{} names no file.", shown(output)),
            "Give -o a name that ends in one.",
        )),
        Some(output) => Ok(Target { path: output.to_owned(), renamed: None }),
    }
}

/// Fetches one file to `target`. Bytes that arrived before are not fetched again.
pub(crate) async fn file(
    cx: &Context<'_>,
    sources: &[Source],
    target: &Path,
    share: Share,
) -> Result<Fetched, Failure> {
    let replace = match unless_stopped(cx, existing(cx, sources, target)).await? {
        Existing::None => false,
        Existing::Same(fetched) => return Ok(fetched),
        Existing::Replaceable => true,
    };
    let (partial, fetched) = transferred(cx, sources, target, share, Partial::open(target)?).await?;
    partial.finish(replace, fetched.modified_ms)?;
    cx.reporter.saved(&target.to_string_lossy(), fetched.size, &fetched.root, false);
    Ok(fetched)
}

enum Existing {
    None,
    Same(Fetched),
    Replaceable,
}

/// Compares the entry in the target's place.
async fn existing(cx: &Context<'_>, sources: &[Source], target: &Path) -> Result<Existing, Failure> {
    let Ok(there) = fs::symlink_metadata(target) else { return Ok(Existing::None) };
    if !there.is_file() {
        let what = format!("{} is already there, and not a file.", shown(target));
        return Err(Failure::new(Code::Differs, what, "Choose another place with -o."));
    }
    if let Some(fetched) = same::as_on_server(cx, sources, target).await? {
        if Partial::folder_of(target).exists() {
            Partial::open(target)?.0.discard();
        }
        times::set(target, fetched.modified_ms);
        cx.reporter.saved(&target.to_string_lossy(), fetched.size, &fetched.root, true);
        return Ok(Existing::Same(fetched));
    }
    if cx.options.update { Ok(Existing::Replaceable) } else { Err(exists(target)) }
}

/// Describes to a transfer which file to fetch, and how.
pub(crate) fn task(cx: &Context<'_>, sources: &[Source], share: Share) -> Task {
    let links = cx.links.iter().cloned().map(Place::Http);
    Task {
        places: sources.iter().cloned().map(Place::Wstp).chain(links).collect(),
        share,
        mirrors: cx.options.mirrors,
        patience: cx.options.patience,
        update: cx.options.update,
        queue: None,
        to_fit: None,
    }
}

/// Fetches the missing blocks into the partial folder. Existing blocks are read back, even if all had arrived and the
/// file was not moved into place.
async fn transferred(
    cx: &Context<'_>,
    sources: &[Source],
    target: &Path,
    share: Share,
    (partial, recovered): (Partial, Recovered),
) -> Result<(Partial, Fetched), Failure> {
    let to_fit = (!cx.options.anyway).then(|| target.to_owned());
    let mut task = Task { to_fit, ..task(cx, sources, share) };
    // A complete partial file of the old version is of no use beside the server's current version.
    task.update |= recovered.is_complete();
    let mut report = cx.reporter.file(target.to_string_lossy().into_owned());
    let (mut kept, mut size, mut waits_until) = (0, None, None);
    let (partial, result) = transfer::fetch(&task, partial, recovered, &cx.stop, |standing| {
        (kept, size) = (standing.progress.verified + standing.progress.received, standing.progress.size);
        if let Some((until, wait)) = waits_to_begin(standing)
            && waits_until.replace(until) != Some(until)
        {
            cx.reporter.waiting(&no_connection(standing.problem.as_deref().unwrap_or("nobody answers")), wait);
        }
        report.tell(standing);
    })
    .await;
    match (partial, result) {
        (Some(partial), Ok(fetched)) => Ok((partial, fetched)),
        (partial, result) => {
            if let Some(partial) = partial {
                partial.discard_if_empty();
            }
            let failure =
                result.err().unwrap_or_else(|| Failure::disk("The disk failed", &std::io::ErrorKind::Other.into()));
            Err(with_what_is_kept(failure, target, kept, size))
        }
    }
}

/// How long a transfer still waits when no source could be reached yet, and how long in all.
fn waits_to_begin(standing: &Standing<'_>) -> Option<(wstp_engine::Instant, Duration)> {
    match standing.progress.phase {
        Phase::Waiting(until) if standing.progress.size.is_none() => Some((until, standing.wait?)),
        _ => None,
    }
}

/// Says how to resume after a stop, or after nothing arrived any more.
fn with_what_is_kept(mut failure: Failure, target: &Path, kept: u64, size: Option<u64>) -> Failure {
    let of = size.map_or_else(String::new, |size| format!(" of {}", DecimalBytes(size)));
    let words = format!("Of {}, {}{of} are kept.", shown(target), DecimalBytes(kept));
    match failure.code {
        Code::Interrupted => failure.advice = format!("{words} Run the same command again to go on."),
        Code::Unreachable if kept > 0 && failure.lasting => {
            failure.advice = format!("{} {words} The same command then goes on.", failure.advice);
        }
        Code::Unreachable if kept > 0 => failure.advice = go_on_later(&words),
        _ => {}
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_where_it_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let sources = [crate::address::parse("host/a/b:c.txt").unwrap()];
        let target = |output: Option<&Path>| file_target(output, &sources).unwrap().path;
        assert_eq!(target(None), Path::new("b:c.txt"));
        assert_eq!(target(Some(dir.path())), dir.path().join("b:c.txt"));
        assert_eq!(target(Some(Path::new("new/"))), Path::new("new/b:c.txt"));
        assert_eq!(target(Some(Path::new("x/y"))), Path::new("x/y"));
        assert!(file_target(Some(Path::new("nowhere/..")), &sources).is_err());
        assert!(file_target(None, &[crate::address::parse("host").unwrap()]).is_err());
    }
}
