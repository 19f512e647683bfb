//! Serves a folder and shows what the extension does with it: on a screen to a user, or by itself without one.
//!
//! Without a screen this is the shortest honest proof. The extension in a headless Chromium connects, lists, downloads
//! one file and saves it to disk. The program then compares the saved file with the served one.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use wstp_e2e::{Browser, Extension, Page, Profile, View, launch_for_the_user};
use wstp_testkit::{SHORT, Server, Tree, hash_file, make_samples, target};

/// The default address.
const USUAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 3000);

/// Serves a folder and opens Chromium with the extension. Without a display, downloads one file by itself.
#[derive(Debug, Parser)]
#[command(name = "start")]
struct Arguments {
    /// The folder to serve; a few samples by default.
    dir: Option<PathBuf>,
    /// Do the main job without a window, even if there is a display.
    #[arg(long)]
    headless: bool,
    /// Without a window: the file to download, with its folders; by default the largest.
    #[arg(long, value_name = "NAME")]
    file: Option<String>,
    /// Folder to save to.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Address and port of the server; 127.0.0.1:3000 by default.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = run(&Arguments::parse()).await;
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("start: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let has_display =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some_and(|v| !v.is_empty()));
    let interactive = has_display && !arguments.headless;
    let extension = Extension::built()?;
    let dir = folder(arguments)?;
    let server = Server::start_with(&dir, address(arguments.listen, interactive)?, &[]).await?;
    eprintln!("serving {} at ws://{}/ws", dir.display(), server.address());
    if interactive {
        return show(&extension, server, &arguments.out).await;
    }
    // Dropping ends the started programs. So a signal ends this function and not the process.
    tokio::select! {
        done = prove(&extension, &server, &dir, arguments) => done,
        () = told_to_end() => bail!("stopped before it was done"),
    }
}

/// The folder to serve.
fn folder(arguments: &Arguments) -> Result<PathBuf> {
    let dir = match &arguments.dir {
        Some(dir) => dir.clone(),
        None => {
            let dir = target().join("sample");
            make_samples(&dir)?;
            dir
        }
    };
    ensure!(dir.is_dir(), "{} is not a folder", dir.display());
    dir.canonicalize().with_context(|| format!("can't open {}", dir.display()))
}

/// The address to serve at: the user's, else the default, else any free port if nobody has to type it.
fn address(wanted: Option<SocketAddr>, interactive: bool) -> Result<SocketAddr> {
    if let Some(address) = wanted {
        return Ok(address);
    }
    match TcpListener::bind(USUAL) {
        Ok(_) => Ok(USUAL),
        Err(error) if interactive => {
            bail!("can't listen at {USUAL} ({error}); end what uses it, or choose a place with --listen 127.0.0.1:3001")
        }
        Err(error) => {
            eprintln!("can't listen at {USUAL} ({error}); taking a free port instead");
            Ok(SocketAddr::new(USUAL.ip(), 0))
        }
    }
}

/// Opens Chromium for a user and stays until it is closed.
async fn show(extension: &Extension, mut server: Server, out: &Path) -> Result<()> {
    let profile = Profile::kept(&target().join("start"), out)?;
    let mut chromium = launch_for_the_user(&profile, extension, &extension.url("manager.html"))?;
    println!(
        "Chromium opens with the extension: its page in the first tab, its button behind the puzzle piece in the toolbar."
    );
    println!("Type {} and connect. Files are saved to {}.", server.address(), profile.downloads().display());
    println!("Close Chromium or press Ctrl-C to end.");
    tokio::select! {
        status = chromium.wait() => ensure!(status?.success(), "Chromium ended with an error"),
        status = server.ended() => bail!("the server ended with {}", status?),
        () = told_to_end() => {
            Tree::new(chromium.id().context("Chromium ended with an error")?).terminate();
            timeout(SHORT, chromium.wait()).await.context("Chromium does not close")??;
        }
    }
    Ok(())
}

/// Has the extension download one file, and compares it with the source.
async fn prove(extension: &Extension, server: &Server, dir: &Path, arguments: &Arguments) -> Result<()> {
    let path = match &arguments.file {
        Some(path) => path.trim_matches('/').to_owned(),
        None => largest(dir)?,
    };
    let source = dir.join(&path);
    let name = path.rsplit('/').next().expect("rsplit gives at least one part");
    ensure!(source.is_file(), "there is no file {path:?} in {}", dir.display());
    let profile = Profile::saving_to(&arguments.out)?;
    let browser = Browser::launch(&profile, extension).await?;
    let view = View::open(&browser, Page::Popup).await?;
    view.connect(&server.address().to_string()).await?;
    eprintln!("connected; downloading {path:?}, {} bytes", fs::metadata(&source)?.len());
    view.download(&path).await?;
    let saved = view.save(name).await?;
    let hash = hash_file(&saved)?;
    ensure!(hash == hash_file(&source)?, "{} differs from {}", saved.display(), source.display());
    println!("saved {}", saved.display());
    println!("blake3 {hash}");
    Ok(())
}

/// The path of the largest file below a folder, names joined by `/`. Links and hidden files do not count.
fn largest(dir: &Path) -> Result<String> {
    let mut best = None;
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("can't list {}", folder.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                best = best.max(Some((entry.metadata()?.len(), entry.path())));
            }
        }
    }
    let (_, path) = best.with_context(|| format!("there is no file in {}", dir.display()))?;
    let path = path.strip_prefix(dir).expect("it was found below this folder");
    path.to_str()
        .map(str::to_owned)
        .with_context(|| format!("{} has no name that can be typed; use --file", path.display()))
}

/// Resolves on Ctrl-C and on SIGTERM.
async fn told_to_end() {
    let mut terminate = signal(SignalKind::terminate()).expect("the runtime handles signals");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
