//! `wstp`: gets, lists, hashes and verifies files of WSTP servers.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use wstp_cli::{Args, Code, unprinted};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(words) => return told(&words).into(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("wstp: cannot start: {error}");
            return Code::Failed.into();
        }
    };
    let code = runtime.block_on(async {
        let stop = CancellationToken::new();
        tokio::spawn(stop_on_signals(stop.clone()));
        wstp_cli::run(args, stop).await
    });
    // Hashing of a file that no caller waits for any more ends with the process.
    runtime.shutdown_background();
    code.into()
}

/// Prints help, the version, or the problem with the arguments.
fn told(words: &clap::Error) -> Code {
    let printed = words.print().and_then(|()| std::io::stdout().flush());
    match printed {
        _ if words.use_stderr() => Code::Usage,
        Ok(()) => Code::Ok,
        Err(error) => unprinted(&error, "Make room there, or send it elsewhere.").unwrap_or_else(|failure| {
            eprintln!("wstp: {failure}");
            failure.code
        }),
    }
}

/// The first signal stops in good order, a second one at once.
async fn stop_on_signals(stop: CancellationToken) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    for _ in 0..2 {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if stop.is_cancelled() {
            std::process::exit(Code::Interrupted.number().into());
        }
        stop.cancel();
    }
}
