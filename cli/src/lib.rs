//! `wstp`, the native client: the engine of the browser extension on tokio sockets and local files, with the same
//! journal.
//!
//! [`run`] does what the command line says.
//!
//! **A file.** `get` decides what to fetch and where to. `partial` keeps the parts that are here. `transfer` is the
//! engine's run loop between `link` (a `carrier`, or `plain` HTTP) and `disk`, whose thread has the files
//! (`local_file`). `stream` writes a file to the standard output instead.
//!
//! **A folder.** `folder` is the run loop of the engine's tree. `layout` decides where everything goes, with names that
//! `trial` tried on the disk. `folder_store` writes it there.
//!
//! `remote` looks at servers, for `ls` and `verify`. Everything on the standard output goes through `answers`.
//!
//! `place` and `address` parse the typed text. `carrier` connects to a server of the protocol: by a `socket`, or by
//! `exchange` over HTTP where none gets through. `dial` connects, through the `proxy` that the environment names. `tls`
//! encrypts, `credentials` prove who the user is, `login` gets them, `own_links` are the user's share links, `socket` shakes hands, and `diagnosis` finds out why that fails. `room` checks whether the download fits
//! on its disk.
//!
//! Invariants:
//! - the server is a stranger: its names stay in their folder (`names`) and become harmless before they touch the
//!   terminal (`escape`);
//! - everything that the server can make longer has a bound;
//! - no two files of a download are one on the disk (`layout`, `folder_store::claims`);
//! - a file appears in its place only complete and verified, in one step;
//! - storage is used from separate threads, never from those of the network;
//! - every command ends with a code that says how, and with words that say what can be done.

mod address;
mod answers;
mod args;
mod arrivals;
mod bounded_head;
mod carrier;
mod credentials;
mod diagnosis;
mod dial;
mod disk;
mod escape;
mod exchange;
mod exit;
mod find;
mod folder;
mod folder_store;
mod get;
mod hash;
mod layout;
mod link;
mod local_file;
mod login;
mod ls;
mod names;
mod own_links;
mod pages;
mod partial;
mod place;
mod plain;
mod progress;
mod proxy;
mod reach;
mod remote;
mod room;
mod same;
mod socket;
mod stream;
mod times;
mod tls;
mod transfer;
mod trial;
mod verify;
mod web;
mod words;

use std::rc::Rc;

use tokio_util::sync::CancellationToken;

use answers::Answers;
pub use answers::unprinted;
pub use args::Args;
use args::{Command, LinkCommand};
pub use exit::{Code, Failure};
use place::Place;
use progress::{Audience, Reporter};
use stream::is_stdout;
use words::interrupted;

/// Program and version, as told to servers.
pub const AGENT: &str = concat!("wstp/", env!("CARGO_PKG_VERSION"));

/// Runs the command line until it is done or `stop` fires. Reports failures.
pub async fn run(mut args: Args, stop: CancellationToken) -> Code {
    let audience = match &args.command {
        Command::Get(args) => Audience::of(args.json, args.quiet),
        Command::Ls(args) => Audience::of(args.json, false),
        Command::Find(args) => Audience::of(args.json, false),
        Command::Verify(args) => Audience::of(args.json, args.quiet),
        Command::Link(command) => Audience::of(command.is_json(), false),
        Command::Hash(_) | Command::Login(_) | Command::Logout(_) => Audience::Log,
    };
    let answers = match &args.command {
        Command::Get(args) if is_stdout(args.output.as_deref()) => Answers::beside_a_file(stop.clone()),
        _ => Answers::new(stop.clone()),
    };
    let reporter = Reporter::new(audience, answers.clone());
    let ended = match connectable(&mut args, &stop).await {
        Ok(()) => perform(args.command, &reporter, &answers, stop).await,
        Err(failure) => Err(failure),
    };
    answers.ending(ended).unwrap_or_else(|failure| {
        reporter.failed(None, &failure);
        failure.code
    })
}

/// Prepares what all connections have in common, before the first one.
async fn connectable(args: &mut Args, stop: &CancellationToken) -> Result<(), Failure> {
    if matches!(args.command, Command::Hash(_)) {
        return Ok(());
    }
    carrier::choose(args.carrier);
    proxy::check()?;
    tls::trust(&args.ca)?;
    tokio::select! {
        () = stop.cancelled() => {}
        () = args.command.find_prefix() => {}
    }
    let Some(server) = args.command.first_server() else { return Ok(()) };
    tokio::select! {
        () = stop.cancelled() => Err(interrupted("Run it again.")),
        done = login::prepare(args.token_file.as_deref(), &server, args.command.is_login()) => done,
    }
}

async fn perform(
    command: Command,
    reporter: &Reporter,
    answers: &Answers,
    stop: CancellationToken,
) -> Result<Code, Failure> {
    match command {
        Command::Get(args) => get(args, reporter, answers, stop).await,
        Command::Ls(args) => unless(stop, ls::run(&args.source.on_server()?, args.style(), answers)).await,
        Command::Find(args) => {
            let (source, words) = (args.source.on_server()?, args.words.join(" "));
            unless(stop, find::run(&source, &words, args.style(), answers)).await
        }
        Command::Hash(args) => {
            let tell = |failure: &Failure| eprintln!("wstp: {failure}");
            let answers = answers.clone();
            let hashing = tokio::task::spawn_blocking(move || hash::run(&args.paths, &answers, tell));
            unless(stop, async { Ok(hashing.await.unwrap_or(Code::Failed)) }).await
        }
        Command::Login(args) => {
            unless(stop, login::log_in(&args.server.on_server()?.address, args.user, answers)).await
        }
        Command::Link(LinkCommand::Make(args)) => {
            let (source, wishes) = (args.source.on_server()?, args.wishes());
            unless(stop, own_links::make(&source, wishes, args.json, answers)).await
        }
        Command::Link(LinkCommand::List(args)) => {
            unless(stop, own_links::list(&args.server.on_server()?.address, args.json, answers)).await
        }
        Command::Link(LinkCommand::Rm(args)) => {
            unless(stop, own_links::remove(&args.server.on_server()?.address, &args.number, answers)).await
        }
        Command::Logout(args) => unless(stop, login::log_out(&args.server.on_server()?.address, answers)).await,
        Command::Verify(args) => unless(stop, verify::run(&args.path, &args.source.on_server()?, reporter)).await,
    }
}

async fn get(
    args: args::GetArgs,
    reporter: &Reporter,
    answers: &Answers,
    stop: CancellationToken,
) -> Result<Code, Failure> {
    let (mut sources, mut links) = (Vec::new(), Vec::new());
    for place in &args.sources {
        match place {
            Place::Wstp(source) => sources.push(source.clone()),
            Place::Http(url) => links.push(url.clone()),
        }
    }
    let options = args.options();
    if sources.is_empty() {
        let tell = |failure: &Failure, wait| reporter.waiting(failure, wait);
        let asking = reach::server_among(&mut links, options.patience, tell);
        sources.push(tokio::select! {
            () = stop.cancelled() => return Err(interrupted("Nothing was lost; run the same command again.")),
            server = asking => server?,
        });
    }
    if let Some(link) = links.iter().find(|link| !link.has_path()) {
        let what = format!("The link to {} has no path, so it leads to no file.", link.label());
        return Err(Failure::new(Code::Usage, what, "Copy the link from where the file can be downloaded."));
    }
    let cx = get::Context { options, links, idle: Rc::default(), reporter, stop };
    get::run(&cx, &sources, answers).await
}

async fn unless(stop: CancellationToken, work: impl Future<Output = Result<Code, Failure>>) -> Result<Code, Failure> {
    tokio::select! {
        () = stop.cancelled() => Err(interrupted("Run it again.")),
        done = work => done,
    }
}
