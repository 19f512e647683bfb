//! `wstp-server` without a command: serves until it is told to stop, and follows its configuration file.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use wstp_protocol::ENDPOINT_PATH;
use wstp_server::accounts::{Accounts, Book};
use wstp_server::acme::Acme;
use wstp_server::args::Serve;
use wstp_server::events::Events;
use wstp_server::settings::{Settings, TlsSource};
use wstp_server::store::Shares;
use wstp_server::tls::{self, TlsError};
use wstp_server::{Config, Control, Folders, StartError};

use crate::listening::{handed_over, listen};
use crate::reload::Reload;
use crate::{FAILED, NO_ADDRESS, NO_FOLDER, WRONG_ARGUMENTS, fail, reachable};

/// Serves, on a socket that was handed over if there is one. Returns the exit status.
pub async fn serve(args: Serve, sockets: ListenFd) -> ExitCode {
    let prepared = args.absolute().and_then(|args| Ok((args, std::env::current_dir()?)));
    let (args, working_directory) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return fail(FAILED, &format!("cannot start: {error}")),
    };
    let (settings, config) = match configuration(&args, &working_directory) {
        Ok(found) => found,
        Err(words) => return fail(WRONG_ARGUMENTS, &words),
    };
    let book = match settings.state_dir.as_deref().map_or_else(|| Ok(Book::in_memory(Accounts::default())), Book::open)
    {
        Ok(book) => Arc::new(book),
        Err(error) => return fail(FAILED, &error.to_string()),
    };
    let handed = match handed_over(sockets) {
        Ok(handed) => handed,
        Err(words) => return fail(NO_ADDRESS, &words),
    };
    let address = handed.as_ref().map_or(settings.listen.0, |handed| handed.address);
    if let Err(words) = may_listen(address, &config, &book.accounts()) {
        return fail(WRONG_ARGUMENTS, &words);
    }
    let listener = match listen(handed, settings.listen).await {
        Ok(listener) => listener,
        Err(words) => return fail(NO_ADDRESS, &words),
    };
    let (mut terminate, address) = match (signal(SignalKind::terminate()), listener.local_addr()) {
        (Ok(terminate), Ok(address)) => (terminate, address),
        (Err(error), _) | (_, Err(error)) => return fail(FAILED, &format!("cannot start: {error}")),
    };
    let folders = Folders::default();
    let shares = match folders.layout(&config.shares) {
        Ok(layout) => Arc::new(Shares::new(layout)),
        Err(error) => return fail(NO_FOLDER, &error.to_string()),
    };
    // A working directory on a shared disk would keep it from being unmounted.
    if let Err(error) = std::env::set_current_dir("/") {
        return fail(FAILED, &format!("cannot start: {error}"));
    }
    let events = settings.state_dir.as_deref().map_or_else(Events::default, Events::kept);
    let control = Arc::new(Control::with_accounts(config, book).with_events(events));
    let reload = Reload {
        args,
        working_directory,
        folders,
        shares: shares.clone(),
        control: control.clone(),
        settings: settings.clone(),
    };
    tokio::spawn(reload.run());
    let certificate = control.config().tls.as_ref().map(|files| files.certificate.clone());
    let scheme = if certificate.is_some() { "wss" } else { "ws" };
    let own = certificate.filter(|_| settings.tls == Some(TlsSource::SelfSigned));
    let own = own.and_then(|file| Some(reachable::how_to_trust(&file, &tls::fingerprint(&file).ok()?)));
    let base = control.config().base.clone();
    let listening = std::iter::once(format!("listening on {scheme}://{address}{}{ENDPOINT_PATH}", base.as_str()));
    let mut lines = listening.chain(reachable::hint(address, scheme, &base)).chain(own);
    if let Err(error) = lines.try_for_each(|line| writeln!(io::stdout(), "{line}")) {
        tracing::debug!(%error, "nobody reads the standard output");
    }
    // The server polls this once it accepts connections.
    let shutdown = async move {
        tell_starter(NotifyState::Ready);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        tell_starter(NotifyState::Stopping);
    };
    let ended = wstp_server::run_store(listener, control.clone(), shares, shutdown).await;
    control.events().flush();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ StartError::Root { .. }) => fail(NO_FOLDER, &error.to_string()),
        Err(error) => fail(FAILED, &error.to_string()),
    }
}

/// The settings that hold, and the configuration that follows from them; or what is wrong with them.
pub fn configuration(args: &Serve, working_directory: &Path) -> Result<(Settings, Config), String> {
    let settings = args.settings().map_err(|error| error.to_string())?;
    let mut config = args.configuration(settings.clone(), working_directory);
    config.file.clone_from(&args.config);
    if settings.tls == Some(TlsSource::Acme) {
        let acme = Acme::new(&settings.acme, settings.state_dir.as_deref()).map_err(|error| error.to_string())?;
        (config.tls, config.acme) = (Some(acme.files()), Some(acme));
    } else {
        config.tls = certificate(&settings).map_err(|error| error.to_string())?;
    }
    config.congestion.check().map_err(|error| error.to_string())?;
    if config.shares.is_empty() {
        let file = args.config.as_deref().unwrap_or(Path::new("wstp.toml"));
        return Err(format!("{file:?} names no share: add one, such as\n[shares.films]\npath = \"/srv/films\""));
    }
    Ok((settings, config))
}

/// The files of the certificate that the settings name. Makes one if they want a self-signed one.
fn certificate(settings: &Settings) -> Result<Option<tls::Files>, TlsError> {
    match &settings.tls {
        None | Some(TlsSource::Acme) => Ok(None),
        Some(TlsSource::File(certificate)) => {
            let key = settings.tls_key.clone().unwrap_or_else(|| certificate.clone());
            Ok(Some(tls::Files { certificate: certificate.clone(), key }))
        }
        Some(TlsSource::SelfSigned) => {
            let none = || TlsError::NotMade("there is no folder for it: name one with --state-dir DIR".to_owned());
            let folder = settings.state_dir.as_deref().ok_or_else(none)?;
            tls::self_signed(folder, reachable::own_names(settings)).map(Some)
        }
    }
}

/// Tells systemd what the server does, if systemd started it.
fn tell_starter(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the program that started the server can't be told what it does");
    }
}

/// Without users, everybody who reaches the server reads everything. On an address that others reach, somebody has to
/// want that.
fn may_listen(address: SocketAddr, config: &Config, accounts: &Accounts) -> Result<(), String> {
    let is_meant = !accounts.users.is_empty() || config.shares.iter().all(|share| share.public);
    if address.ip().is_loopback() || is_meant {
        return Ok(());
    }
    Err(format!(
        "others can reach {}, and this server has no users, so everybody could read what is shared.\nAdd a user with \
         `wstp-server user add NAME`, or allow everybody with --public, or listen on this machine alone with --listen {}",
        address,
        address.port()
    ))
}
