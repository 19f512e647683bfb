//! `wstp-server`: shares folders.

mod account_commands;
mod config_command;
mod events_command;
mod listening;
mod reachable;
mod reload;
mod serve;

use std::io::IsTerminal;
use std::process::ExitCode;

use listenfd::ListenFd;
use rustix::process::{Resource, Rlimit};
use tikv_jemallocator::Jemalloc;
use tracing_subscriber::EnvFilter;
use wstp_server::args::{Command, CommandLine, LogFormat, Serve};

/// With it, an idle connection with TLS takes a third less memory: what a handshake frees is taken by the next ones.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// The arguments or settings are wrong.
const WRONG_ARGUMENTS: u8 = 2;
/// The folder can't be shared.
const NO_FOLDER: u8 = 3;
/// The server can't listen on the address.
const NO_ADDRESS: u8 = 4;
/// Any other failure.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let line = CommandLine::of_process();
    match line.command {
        Some(Command::Config(command)) => return config_command::run(command),
        Some(Command::User(args)) => return account_commands::user(args),
        Some(Command::Token(args)) => return account_commands::token(args),
        Some(Command::Link(args)) => return account_commands::link(args),
        Some(Command::Events(args)) => return events_command::run(args),
        None => {}
    }
    let args = line.serve;
    start_log(&args);
    allow_many_files();
    // It changes the environment, so no other thread may run yet.
    let handed = ListenFd::from_env();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(FAILED, &format!("cannot start: {error}")),
    };
    let code = runtime.block_on(serve::serve(args, handed));
    // Hashing threads and reads under way end with the process.
    runtime.shutdown_background();
    code
}

/// Each open handle is an open file. The system's usual limit is meant for programs that can't handle more than 1,024.
fn allow_many_files() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "cannot raise the limit of open files");
    }
}

fn start_log(args: &Serve) {
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
