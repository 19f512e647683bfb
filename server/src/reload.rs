//! Follows the configuration file: reads it again when it changes, or on SIGHUP. A file with a mistake changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use wstp_server::args::Serve;
use wstp_server::settings::Settings;
use wstp_server::store::Shares;
use wstp_server::{Control, Folders};

use crate::serve::configuration;

/// How often the server looks whether the file changed.
const LOOK: Duration = Duration::from_secs(1);

/// A running server, and where its settings come from.
pub struct Reload {
    /// The command line.
    pub args: Serve,
    /// The folder in which the server was started.
    pub working_directory: PathBuf,
    /// Opens shared folders.
    pub folders: Folders,
    /// The shares.
    pub shares: Arc<Shares>,
    /// The hold on the server.
    pub control: Arc<Control>,
    /// The settings that hold.
    pub settings: Settings,
}

/// Tells one state of a file from another; `None` if there is no file.
type Stamp = Option<(SystemTime, u64)>;

impl Reload {
    /// Follows the file for as long as the server runs.
    pub async fn run(mut self) {
        let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
        let Some(file) = self.args.config.clone() else {
            // Without a file there is nothing to read again, and nothing to die of.
            while hangup.recv().await.is_some() {}
            return;
        };
        let mut seen = stamp(&file);
        loop {
            let is_told = tokio::select! {
                told = hangup.recv() => told.is_some(),
                () = tokio::time::sleep(LOOK) => false,
            };
            let now = stamp(&file);
            if is_told || now != seen {
                seen = now;
                self = match tokio::task::spawn_blocking(move || self.read_again()).await {
                    Ok(reload) => reload,
                    Err(error) => return tracing::error!(%error, "the configuration is not followed any more"),
                };
            }
        }
    }

    /// Blocking.
    fn read_again(mut self) -> Self {
        let read = configuration(&self.args, &self.working_directory).and_then(|(settings, config)| {
            let layout = self.folders.layout(&config.shares).map_err(|error| error.to_string())?;
            Ok((settings, config, layout))
        });
        match read {
            Ok((settings, config, layout)) => {
                for key in needs_restart(&self.settings, &settings) {
                    tracing::warn!(key, "this setting changed and takes effect after a restart");
                }
                self.shares.replace(layout);
                self.control.replace(config);
                self.settings = settings;
                tracing::info!(file = ?self.args.config, "the configuration was read again");
            }
            Err(error) => tracing::error!(%error, "the changed configuration is not used: the one before stays"),
        }
        self
    }
}

/// The keys that differ and only count at the start.
fn needs_restart(before: &Settings, now: &Settings) -> Vec<&'static str> {
    let differs = [
        ("listen", before.listen != now.listen),
        ("max_connections", before.max_connections != now.max_connections),
        ("tls", before.tls != now.tls || before.tls_key != now.tls_key),
        ("acme", before.acme != now.acme),
        ("state_dir", before.state_dir != now.state_dir),
        ("cache_dir", before.cache_dir != now.cache_dir),
        ("cache_limit", before.cache_limit != now.cache_limit),
        ("congestion", before.congestion != now.congestion),
    ];
    differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
}

fn stamp(file: &Path) -> Stamp {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
