//! `wstp-server`: shares one folder.

mod args;
mod reachable;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use args::{Args, LogFormat};
use rustix::process::{Resource, Rlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use wstp_server::{Config, StartError};

/// The arguments are wrong.
const WRONG_ARGUMENTS: u8 = 2;
/// The folder can't be shared.
const NO_FOLDER: u8 = 3;
/// The server can't listen on the address.
const NO_ADDRESS: u8 = 4;
/// Any other failure.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let args = Args::of_process();
    start_log(&args);
    allow_many_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(FAILED, &format!("cannot start: {error}")),
    };
    let code = runtime.block_on(serve(args));
    // Hashing threads and reads under way end with the process.
    runtime.shutdown_background();
    code
}

async fn serve(args: Args) -> ExitCode {
    let listen = args.listen;
    let config = Config::from(args);
    if let Err(error) = config.congestion.check() {
        return fail(WRONG_ARGUMENTS, &error.to_string());
    }
    let listener = match TcpListener::bind(listen).await {
        Ok(listener) => listener,
        Err(error) => {
            let hint = match error.kind() {
                std::io::ErrorKind::AddrInUse => ": another program uses this port; choose one with --listen ADDR:PORT",
                std::io::ErrorKind::PermissionDenied => ": ports below 1024 need special rights; choose a higher one",
                _ => "",
            };
            return fail(NO_ADDRESS, &format!("cannot listen on {listen}: {error}{hint}"));
        }
    };
    let (mut terminate, address) = match (signal(SignalKind::terminate()), listener.local_addr()) {
        (Ok(terminate), Ok(address)) => (terminate, address),
        (Err(error), _) | (_, Err(error)) => return fail(FAILED, &format!("cannot start: {error}")),
    };
    if let Err(error) = std::fs::read_dir(&config.root) {
        return fail(NO_FOLDER, &format!("cannot share {:?}: {error}", config.root));
    }
    let config = match leave_working_directory(config) {
        Ok(config) => config,
        Err(error) => return fail(FAILED, &format!("cannot start: {error}")),
    };
    let mut lines = std::iter::once(format!("listening on ws://{address}/ws")).chain(reachable::hint(address));
    if let Err(error) = lines.try_for_each(|line| writeln!(std::io::stdout(), "{line}")) {
        tracing::debug!(%error, "nobody reads the standard output");
    }
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    match wstp_server::run(listener, config, shutdown).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ StartError::Root { .. }) => fail(NO_FOLDER, &error.to_string()),
        Err(error) => fail(FAILED, &error.to_string()),
    }
}

/// A working directory on the shared disk would keep it from being unmounted.
fn leave_working_directory(config: Config) -> std::io::Result<Config> {
    let root = std::path::absolute(&config.root)?;
    let cache_dir = config.cache_dir.as_ref().map(std::path::absolute).transpose()?;
    std::env::set_current_dir("/")?;
    Ok(Config { root, cache_dir, ..config })
}

/// Each open handle is an open file. The system's usual limit is meant for programs that can't handle more than 1,024.
fn allow_many_files() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "cannot raise the limit of open files");
    }
}

fn start_log(args: &Args) {
    let filter = EnvFilter::new(&args.log);
    let is_terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(is_terminal);
    match args.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("wstp-server: {message}");
    ExitCode::from(code)
}
