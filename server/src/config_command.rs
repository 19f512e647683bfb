//! `wstp-server config`: looks at configuration files, and writes one.

use std::io::{self, Write};
use std::process::ExitCode;

use wstp_server::acme::{Acme, AcmeError};
use wstp_server::args::{ConfigCommand, default_state_dir};
use wstp_server::settings::{Settings, TEMPLATE, TlsSource};

use crate::{FAILED, WRONG_ARGUMENTS, fail};

/// Does it. Returns the exit status.
pub fn run(command: ConfigCommand) -> ExitCode {
    match command {
        ConfigCommand::Check { file } => match Settings::read(&file) {
            Ok(settings) => {
                if let Err(error) = acme(&settings) {
                    return fail(WRONG_ARGUMENTS, &format!("{file:?}: {error}"));
                }
                let missing = settings
                    .shares
                    .iter()
                    .find_map(|(name, share)| std::fs::read_dir(&share.path).err().map(|error| (name, share, error)));
                match missing {
                    None => print(&format!("{} is right\n", file.display())),
                    Some((name, share, error)) => {
                        let words = format!("{:?}: share {:?}: {:?}: {error}", file, name.as_str(), share.path);
                        fail(WRONG_ARGUMENTS, &words)
                    }
                }
            }
            Err(error) => fail(WRONG_ARGUMENTS, &error.to_string()),
        },
        ConfigCommand::Print { file } => match file.as_deref().map(Settings::read).transpose() {
            Ok(settings) => match toml::to_string(&settings.unwrap_or_default()) {
                Ok(text) => print(&text),
                Err(error) => fail(FAILED, &format!("cannot print the settings: {error}")),
            },
            Err(error) => fail(WRONG_ARGUMENTS, &error.to_string()),
        },
        ConfigCommand::Init { file } => {
            match std::fs::File::create_new(&file).and_then(|mut created| created.write_all(TEMPLATE.as_bytes())) {
                Ok(()) => print(&format!("wrote {}: every key with its meaning and its default\n", file.display())),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    fail(FAILED, &format!("{file:?} is there already, and stays as it is"))
                }
                Err(error) => fail(FAILED, &format!("cannot write {file:?}: {error}")),
            }
        }
    }
}

/// Whether the file says all that ACME needs.
fn acme(settings: &Settings) -> Result<(), AcmeError> {
    let state_dir = settings.state_dir.clone().or_else(default_state_dir);
    match settings.tls {
        Some(TlsSource::Acme) => Acme::new(&settings.acme, state_dir.as_deref()).map(drop),
        _ => Ok(()),
    }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, &format!("cannot print: {error}")),
    }
}
