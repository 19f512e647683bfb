//! The command line.

mod acme;

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};
use wstp_protocol::limits::MAX_MIRRORS;
use wstp_protocol::{MirrorUrl, SharePath};

use acme::AcmeArgs;

use crate::accounts::changes;
use crate::accounts::{Role, TokenId, UserName, now};
use crate::base::Base;
use crate::config::{Audience, Config};
use crate::settings::{HostName, Listen, MaxConnections, Mirrors, Settings, SettingsError, TlsSource};

const EXAMPLES: &str = "\
Examples:
  wstp-server                              share this folder with browsers on this machine
  wstp-server ~/Films                      share another folder
  wstp-server ~/Films --listen :3000 --public
                                           share it with everybody on the local network
  wstp-server --listen 0                   let the system choose a free port
  wstp-server --config /etc/wstp.toml      share what the file says; `wstp-server config init` writes one
  wstp-server --log debug --log-format json
  wstp-server --mirror wss://nas.example/ws --mirror https://mirror.example/pub/
                                           tell clients where else the folder is

In the extension, type the address that is printed, such as 127.0.0.1:3000. Browsers, curl and wget find the same files at
http://127.0.0.1:3000/files/. Whoever can reach that address can read the folder, but nothing outside of it; links that
lead out of it are not followed.

Ctrl-C or SIGTERM stops the server: clients are told, and requests under way are finished within ten seconds. SIGHUP has
it read its configuration file again, and so does a change of the file.

Exit status: 0 stopped, 1 failed, 2 wrong arguments or settings, 3 the folder can't be shared, 4 the address can't be
listened on.";

/// Shares folders with the WSTP browser extension, in blocks that are each checked against the file's BLAKE3 hash.
#[derive(Debug, Parser)]
#[command(name = "wstp-server", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct CommandLine {
    /// Anything but serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub serve: Serve,
}

/// Anything but serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look at configuration files, or write one
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Add users, change and remove them. Once there is a user, everybody has to log in
    User(AccountArgs<UserCommand>),
    /// Make tokens for programs, and revoke them
    Token(AccountArgs<TokenCommand>),
    /// Make share links, and remove them
    Link(AccountArgs<LinkCommand>),
    /// Print what happened: logins, refusals, downloads, changes. A server may run meanwhile
    Events(EventsArgs),
}

/// A command for users or tokens, and where they are kept.
#[derive(Debug, Args)]
pub struct AccountArgs<C: Subcommand> {
    /// The command.
    #[command(subcommand)]
    pub command: C,
    /// The folder.
    #[command(flatten)]
    pub state: StateArgs,
}

/// The events to print, and how.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Those since then alone: a date or time, such as 2026-11-30 or 2026-11-30T08:00:00Z, or a span until now, such as
    /// 30m, 12h or 7d
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub since: Option<u64>,
    /// An object a line
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Comma-separated values, for a spreadsheet
    #[arg(long)]
    pub csv: bool,
    /// The folder.
    #[command(flatten)]
    pub state: StateArgs,
}

/// The folder of a server's state.
#[derive(Debug, Args)]
pub struct StateArgs {
    /// Folder of users, tokens and events [default: $XDG_STATE_HOME/wstp or ~/.local/state/wstp]
    #[arg(long, value_name = "DIR", global = true)]
    pub state_dir: Option<PathBuf>,
    /// The server's configuration file, if that names the folder
    #[arg(long, value_name = "FILE", env = "WSTP_CONFIG", global = true)]
    pub config: Option<PathBuf>,
}

impl StateArgs {
    /// The folder; `None` if nothing names one.
    ///
    /// # Errors
    /// When the configuration file can't be used.
    pub fn folder(&self) -> Result<Option<PathBuf>, SettingsError> {
        let configured = match (&self.state_dir, &self.config) {
            (Some(folder), _) => Some(folder.clone()),
            (None, Some(file)) => Settings::read(file)?.state_dir,
            (None, None) => None,
        };
        Ok(configured.or_else(default_state_dir))
    }
}

/// Commands for users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user; asks for the password, or reads it from standard input
    Add {
        /// The name
        name: UserName,
        /// The role, which says what the user may do
        #[arg(long, value_enum, default_value_t = RoleName::Normal)]
        role: RoleName,
        /// A share, or a folder or file in one, that the user may read, and no others; can be repeated
        #[arg(long, value_name = "PATH", value_parser = changes::place)]
        only: Vec<SharePath>,
        /// Most bytes a second that the user gets, in KiB
        #[arg(long, value_name = "KIB")]
        rate: Option<NonZeroU64>,
        /// Most bytes a day that the user gets, in MiB
        #[arg(long, value_name = "MIB")]
        volume: Option<NonZeroU64>,
        /// Let the user make share links to what the user may read
        #[arg(long)]
        links: bool,
    },
    /// Let a user make share links, or no more: then those that the user made end
    Links {
        /// The name
        name: UserName,
        /// Whether the user may
        #[arg(value_enum)]
        may: Switch,
    },
    /// Change a password, and log the user out everywhere
    Passwd {
        /// The name
        name: UserName,
    },
    /// Remove a user with all tokens
    Rm {
        /// The name
        name: UserName,
    },
    /// List the users
    List,
}

/// Commands for tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it; it can't be shown again
    Add {
        /// The user on whose behalf it is used: it never opens more than this user may read
        #[arg(long, value_name = "NAME", required_unless_present = "only")]
        user: Option<UserName>,
        /// A share, or a folder or file in one, that it opens, and no others; can be repeated
        #[arg(long, value_name = "PATH", value_parser = changes::place)]
        only: Vec<SharePath>,
        /// Days until it ends
        #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: u32,
        /// How many downloads may begin; ranges and resumes of one from the same address within a day are free
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        downloads: Option<u64>,
    },
    /// Revoke a token; downloads with it end
    Rm {
        /// Its number, as `list` shows it
        id: TokenId,
    },
    /// List the tokens
    List,
}

/// Commands for share links.
#[derive(Debug, Subcommand)]
pub enum LinkCommand {
    /// Make a link and print it; it can't be shown again
    Add {
        /// The file or the folder that it opens: a path in a share
        #[arg(value_parser = changes::place)]
        path: SharePath,
        /// The user on whose behalf it is made: it never opens more than this user may read
        #[arg(long, value_name = "NAME")]
        user: Option<UserName>,
        /// Days until it ends
        #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: u32,
        /// How many visitors may download; one visitor is one network address for a day
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        downloads: Option<u64>,
        /// Protect it with a password; asks for it, or reads it from standard input
        #[arg(long)]
        password: bool,
        /// The server's address in front of the link
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000/")]
        server: String,
    },
    /// Remove a link; downloads with it end
    Rm {
        /// Its number, as `list` shows it
        id: TokenId,
    },
    /// List the links
    List,
}

/// Whether something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It does
    On,
    /// It does not
    Off,
}

/// The role of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Everything, and to manage the server
    Admin,
    /// Everything that a normal user may, and to upload once the server can take uploads
    Upload,
    /// To read every share
    Normal,
    /// To read what --only names, and nothing else
    Limited,
}

/// The places from which the administration page answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AdminName {
    /// From nowhere
    Off,
    /// From this machine alone
    Local,
    /// From every address that reaches the server
    Everywhere,
}

impl From<AdminName> for Audience {
    fn from(name: AdminName) -> Self {
        match name {
            AdminName::Off => Self::Off,
            AdminName::Local => Self::Local,
            AdminName::Everywhere => Self::Everywhere,
        }
    }
}

/// Commands for a configuration file.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Tell whether a file is right, with line and reason if not
    Check {
        /// The file
        #[arg(default_value = "wstp.toml")]
        file: PathBuf,
    },
    /// Print every setting as it would hold
    Print {
        /// The file; without one, the defaults are printed
        file: Option<PathBuf>,
    },
    /// Write a file that explains every setting; an existing file is kept
    Init {
        /// The file
        #[arg(default_value = "wstp.toml")]
        file: PathBuf,
    },
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Admin => Self::Admin,
            RoleName::Upload => Self::Upload,
            RoleName::Normal => Self::Normal,
            RoleName::Limited => Self::Limited,
        }
    }
}

/// How to serve.
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// The folder to share, in place of the shares in the configuration file [default without a file: .]
    pub dir: Option<PathBuf>,
    /// File with settings and shares; the server reads it again when it changes
    #[arg(long, value_name = "FILE", env = "WSTP_CONFIG")]
    pub config: Option<PathBuf>,
    /// Address and port to listen on; `:PORT` listens on every address of this machine, and port 0 takes any free one
    /// [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<Listen>,
    /// Prefix of every path, such as /wstp/, behind a proxy that has other pages too
    #[arg(long, value_name = "PATH")]
    pub base: Option<Base>,
    /// Encrypt: a file with a certificate in PEM, `acme` for one of Let's Encrypt, or `self-signed`
    #[arg(long, value_name = "FILE")]
    pub tls: Option<TlsSource>,
    /// File with the certificate's key in PEM [default: the certificate's]
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub tls_key: Option<PathBuf>,
    /// How a certificate is asked for.
    #[command(flatten)]
    pub acme: AcmeArgs,
    /// Address or network of a proxy in front, such as 127.0.0.1/32, that names the client in X-Forwarded-For; can be
    /// repeated
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub trusted_proxy: Vec<IpNet>,
    /// Whence the administration page at /admin/ answers [default: local]
    #[arg(long, value_name = "WHENCE", value_enum)]
    pub admin: Option<AdminName>,
    /// Let everybody who can reach the server read every share
    #[arg(long)]
    pub public: bool,
    /// List and serve files and folders whose names begin with a dot too
    #[arg(long)]
    pub hidden: bool,
    /// Folder of users, tokens and events [default: $XDG_STATE_HOME/wstp or ~/.local/state/wstp]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Folder for computed hashes [default: $XDG_CACHE_HOME/wstp or ~/.cache/wstp]
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
    /// Most space the kept hashes may take, in MiB; a file takes 0.4 % of its size [default: 4096]
    #[arg(long, value_name = "MIB")]
    pub cache_limit: Option<u64>,
    /// Most clients at once; the server asks others to come back later [default: 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub max_connections: Option<u32>,
    /// Name of this server, besides its machine's own names, localhost and IP addresses: its pages may connect, and
    /// /files/ is served; can be repeated
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<HostName>,
    /// Another place of the same folder, named to clients that ask: `ws://HOST:PORT/ws` of another server, or a folder
    /// at `https://HOST/PATH/`. Can be repeated, in the order of use
    #[arg(long, value_name = "URL")]
    pub mirror: Vec<MirrorUrl>,
    /// Congestion control for what the server sends: a name that the system has, or `system` for its own [default: bbr
    /// where the system allows it]
    #[arg(long, value_name = "NAME")]
    pub congestion: Option<String>,
    /// Events to log: error, warn, info, debug, trace, or a list such as `info,wstp_server=debug`
    #[arg(long, value_name = "FILTER", env = "WSTP_LOG", default_value = "info", value_parser = filter)]
    pub log: String,
    /// Format of the log, always on standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

impl CommandLine {
    /// The arguments of this process. Ends it, with words, if they are wrong.
    pub fn of_process() -> Self {
        let line = Self::parse();
        if line.serve.mirror.len() > MAX_MIRRORS {
            let words = format!("--mirror can be given {MAX_MIRRORS} times at most");
            Self::command().error(ErrorKind::TooManyValues, words).exit();
        }
        line
    }
}

impl Serve {
    /// The same with absolute paths, which outlive the working directory.
    pub fn absolute(mut self) -> std::io::Result<Self> {
        let certificate = match &mut self.tls {
            Some(TlsSource::File(path)) => Some(path),
            _ => None,
        };
        let acme = [&mut self.acme.acme_ca, &mut self.acme.acme_cache];
        let paths = [&mut self.dir, &mut self.config, &mut self.state_dir, &mut self.cache_dir, &mut self.tls_key];
        for path in paths.into_iter().chain(acme).flatten().chain(certificate) {
            *path = std::path::absolute(&path)?;
        }
        Ok(self)
    }

    /// The settings that hold: those of the command line, then those of the file, then the defaults. Reads the file.
    pub fn settings(&self) -> Result<Settings, SettingsError> {
        let file = self.config.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
        Ok(Settings {
            listen: self.listen.unwrap_or(file.listen),
            base: self.base.clone().unwrap_or(file.base),
            // A key belongs to the certificate beside it.
            tls_key: if self.tls.is_some() { self.tls_key.clone() } else { file.tls_key },
            tls: self.tls.clone().or(file.tls),
            acme: self.acme.settings(file.acme),
            trusted_proxies: match self.trusted_proxy.is_empty() {
                true => file.trusted_proxies,
                false => self.trusted_proxy.clone(),
            },
            proxy_field: file.proxy_field,
            identity_header: file.identity_header,
            admin: self.admin.map_or(file.admin, Audience::from),
            metrics: file.metrics,
            public: self.public || file.public,
            hidden: self.hidden || file.hidden,
            allow_hosts: if self.allow_host.is_empty() { file.allow_hosts } else { self.allow_host.clone() },
            mirrors: if self.mirror.is_empty() { file.mirrors } else { Mirrors(self.mirror.clone()) },
            rate: file.rate,
            client_rate: file.client_rate,
            max_connections: self.max_connections.map_or(file.max_connections, MaxConnections),
            state_dir: self.state_dir.clone().or(file.state_dir).or_else(default_state_dir),
            cache_dir: self.cache_dir.clone().or(file.cache_dir).or_else(default_cache_dir),
            cache_limit: self.cache_limit.unwrap_or(file.cache_limit),
            congestion: self.congestion.clone().or(file.congestion),
            shares: file.shares,
        })
    }

    /// The configuration of a server with these settings.
    pub fn configuration(&self, settings: Settings, working_directory: &Path) -> Config {
        let is_without_share = settings.shares.is_empty() && self.config.is_none();
        settings.config(self.dir.clone().or_else(|| is_without_share.then(|| working_directory.to_owned())))
    }
}

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    Text,
    /// An object per line, for programs
    Json,
}

/// The text of a filter. Unlike the parsed filter, it can be cloned.
fn filter(text: &str) -> Result<String, tracing_subscriber::filter::ParseError> {
    tracing_subscriber::EnvFilter::try_new(text).map(|_| text.to_owned())
}

/// A moment in seconds since 1970.
fn since(text: &str) -> Result<u64, &'static str> {
    const WORDS: &str = "write a date, such as 2026-11-30 or 2026-11-30T08:00:00Z, or a span, such as 30m, 12h or 7d";
    let mut units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)].into_iter();
    let seconds = |(unit, seconds): (char, u64)| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(seconds);
    if let Some(span) = units.find_map(seconds) {
        return Ok(now().saturating_sub(span));
    }
    let date = |text: &str| Date::parse(text, format_description!("[year]-[month]-[day]")).ok();
    let then = OffsetDateTime::parse(text, &Rfc3339).ok().or_else(|| Some(date(text)?.midnight().assume_utc()));
    then.and_then(|then| then.unix_timestamp().try_into().ok()).ok_or(WORDS)
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| "write an address or a network, such as 10.0.0.0/8".to_owned())
}

/// The folder of users and tokens when nobody names one.
pub fn default_state_dir() -> Option<PathBuf> {
    let state = || absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    absolute("STATE_DIRECTORY").or_else(|| state().map(|state| state.join("wstp")))
}

fn default_cache_dir() -> Option<PathBuf> {
    let cache = || absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    absolute("CACHE_DIRECTORY").or_else(|| cache().map(|cache| cache.join("wstp")))
}

/// The absolute path in a variable of the environment.
fn absolute(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_a_time_or_a_span() {
        assert_eq!(since("2025-11-30"), Ok(1_764_460_800));
        assert_eq!(since("2025-11-30T10:00:00Z"), Ok(1_764_496_800));
        assert_eq!(since("2025-11-30T11:00:00+01:00"), Ok(1_764_496_800));
        let day_ago = now() - 86_400;
        assert!(["1d", "24h", "1440m"].into_iter().all(|text| since(text).unwrap().abs_diff(day_ago) < 60));
        for wrong in ["", "yesterday", "5", "d", "-1d", "2025-13-01", "99999999999999999999d", "1969-01-01"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
