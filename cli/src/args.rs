//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{StringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::address::Address;
use crate::carrier::Choice;
use crate::exit::Failure;
use crate::get;
use crate::ls::Style;
use crate::own_links::Wishes;
use crate::place::Place;

const AFTER: &str = "\
A SOURCE is a server and a path on it: host:3000/path, ws://host:3000/path, or wss://host/path over TLS. Without a scheme the
port is 3000 unless it is given. The path is spelled as `wstp ls` shows it: %20 is three characters, not a space. A link that
a browser shows, http://host:3000/files/path, is decoded.

The environment's http_proxy, https_proxy, all_proxy and no_proxy are honoured as curl does.

Exit status:
    0  done, or the same
    1  failed
    2  wrong arguments
    3  the server does not have it, or does not give it
    4  no source could be reached, or nothing arrived for --timeout seconds
    5  the file changed on the server
    6  the local disk failed or has too little room, or the standard output failed
    7  the local file differs
  130  stopped by Ctrl-C or SIGTERM; what arrived is kept
  141  whoever read the standard output went away";

const GET_EXAMPLES: &str = "\
Examples:
  wstp get nas:3000/films/a.mkv               into this folder
  wstp get nas:3000/films -o ~/Films          a folder and all that is in it
  wstp get a:3000/x.iso b:3000/mirror/x.iso   one file from two servers at once
  wstp get nas:3000/x.iso https://mirror.example/x.iso   blocks over plain HTTP too, checked against nas's hashes
  wstp get nas:3000/x.iso --json              progress for a program
  wstp get nas:3000/a.tar -o - | tar x        each block verified before it is passed on

What arrived of NAME is kept in .NAME.wstp beside it until it is complete: run the same command again to go on.";

/// Gets, lists and checks files of WSTP servers, every block verified against the file's BLAKE3 hash.
#[derive(Debug, Parser)]
#[command(name = "wstp", version, after_help = AFTER)]
pub struct Args {
    /// Trust the certificate authorities in this PEM file too, or this server's own certificate
    #[arg(long, global = true, value_name = "FILE")]
    pub ca: Vec<PathBuf>,
    /// How the data travels: a WebSocket (ws), HTTP requests (http), or HTTP where no WebSocket gets through
    #[arg(long, global = true, value_name = "CARRIER", value_enum, default_value_t, hide_possible_values = true)]
    pub carrier: Choice,
    /// File with a token for the server, in place of a login. The environment's WSTP_TOKEN is one too
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The command to run
    #[command(subcommand)]
    pub command: Command,
}

/// The command to run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fetch a file, or a folder with everything in it
    Get(GetArgs),
    /// List a folder
    Ls(LsArgs),
    /// Find files and folders beneath a folder by words of their names
    Find(FindArgs),
    /// Print the BLAKE3 hash of local files, as b3sum does
    Hash(HashArgs),
    /// Compare a local file with one on a server, without fetching it
    Verify(VerifyArgs),
    /// Log in to a server: asks for name and password, and keeps a token for the next commands
    Login(LoginArgs),
    /// Log out of a server
    Logout(LogoutArgs),
    /// Make share links to what you may read on a server, list yours and remove them
    #[command(subcommand)]
    Link(LinkCommand),
}

/// `wstp link`.
#[derive(Debug, Subcommand)]
pub enum LinkCommand {
    /// Make a link to a file or a folder and print it; it can't be shown again
    Make(LinkMakeArgs),
    /// List your links: number, path, time left
    List(LinkListArgs),
    /// Remove one of your links; downloads with it end
    Rm(LinkRmArgs),
}

/// `wstp link make`.
#[derive(Debug, clap::Args)]
pub struct LinkMakeArgs {
    /// The file or the folder that it opens
    #[arg(value_name = "SOURCE", value_parser = Typed(Place::parse_on_server))]
    pub source: Place,
    /// Days until it ends
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: u32,
    /// How many visitors may download; one visitor is one network address for a day
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub downloads: Option<u64>,
    /// Protect it with a password; asks for it, or reads it from standard input
    #[arg(long)]
    pub password: bool,
    /// An object on the standard output
    #[arg(long)]
    pub json: bool,
}

/// `wstp link list`.
#[derive(Debug, clap::Args)]
pub struct LinkListArgs {
    /// The server
    #[arg(value_name = "HOST", value_parser = Typed(Place::parse_on_server))]
    pub server: Place,
    /// An object a line
    #[arg(long)]
    pub json: bool,
}

/// `wstp link rm`.
#[derive(Debug, clap::Args)]
pub struct LinkRmArgs {
    /// The server
    #[arg(value_name = "HOST", value_parser = Typed(Place::parse_on_server))]
    pub server: Place,
    /// The link's number, as `list` shows it
    #[arg(value_name = "NUMBER", value_parser = number)]
    pub number: String,
}

impl LinkCommand {
    /// Whether a program reads the answer.
    #[must_use]
    pub fn is_json(&self) -> bool {
        match self {
            Self::Make(args) => args.json,
            Self::List(args) => args.json,
            Self::Rm(_) => false,
        }
    }

    fn place(&self) -> &Place {
        match self {
            Self::Make(args) => &args.source,
            Self::List(args) => &args.server,
            Self::Rm(args) => &args.server,
        }
    }

    fn place_mut(&mut self) -> &mut Place {
        match self {
            Self::Make(args) => &mut args.source,
            Self::List(args) => &mut args.server,
            Self::Rm(args) => &mut args.server,
        }
    }
}

impl LinkMakeArgs {
    /// The wishes for the link.
    #[must_use]
    pub fn wishes(&self) -> Wishes {
        Wishes { days: self.days, downloads: self.downloads, password: self.password }
    }
}

/// `wstp get`.
#[derive(Debug, clap::Args)]
#[command(after_help = GET_EXAMPLES)]
pub struct GetArgs {
    /// Source; several are mirrors of one file on as many servers. All but one may be links, http://host/file or
    /// https://host/file
    #[arg(required = true, value_name = "SOURCE", value_parser = Typed(Place::parse))]
    pub sources: Vec<Place>,
    /// Target: a file, a folder, or - for the standard output [default: the name it has on the server, here]
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Connections at once [default: as many as help, up to 16 to one server and 32 in all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub connections: Option<u8>,
    /// Bytes a second at most, such as 500k or 2.5M
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub limit: Option<u64>,
    /// Use none of the mirrors that the server offers
    #[arg(long)]
    pub no_mirrors: bool,
    /// Give up when nothing arrives for this many seconds; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u64,
    /// Begin even if it does not fit on the disk
    #[arg(long)]
    pub anyway: bool,
    /// Replace a local file that differs, and continue with a file that changed on the server; blocks that still match
    /// are kept
    #[arg(long, visible_alias = "force")]
    pub update: bool,
    /// Report to a program: an object a line on the standard output
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Print nothing unless something fails
    #[arg(short, long)]
    pub quiet: bool,
}

/// `wstp ls`.
#[derive(Debug, clap::Args)]
pub struct LsArgs {
    /// The folder
    #[arg(value_name = "SOURCE", value_parser = Typed(Place::parse_on_server))]
    pub source: Place,
    /// Kind, size and time of change too
    #[arg(short, long)]
    pub long: bool,
    /// An object a line
    #[arg(long, conflicts_with = "long")]
    pub json: bool,
}

/// `wstp find`.
#[derive(Debug, clap::Args)]
pub struct FindArgs {
    /// The folder
    #[arg(value_name = "SOURCE", value_parser = Typed(Place::parse_on_server))]
    pub source: Place,
    /// Words that the name contains, each anywhere in it; case and accents don't count
    #[arg(required = true, value_name = "WORD")]
    pub words: Vec<String>,
    /// Kind, size and time of change too
    #[arg(short, long)]
    pub long: bool,
    /// An object a line
    #[arg(long, conflicts_with = "long")]
    pub json: bool,
}

/// `wstp hash`.
#[derive(Debug, clap::Args)]
pub struct HashArgs {
    /// The files
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// `wstp verify`.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The local file
    pub path: PathBuf,
    /// The file on a server
    #[arg(value_name = "SOURCE", value_parser = Typed(Place::parse_on_server))]
    pub source: Place,
    /// An object a line
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Tell by the exit status alone
    #[arg(short, long)]
    pub quiet: bool,
}

/// `wstp login`.
#[derive(Debug, clap::Args)]
pub struct LoginArgs {
    /// The server
    #[arg(value_name = "HOST", value_parser = Typed(Place::parse_on_server))]
    pub server: Place,
    /// The user's name; asked for by default, as the password is
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

/// `wstp logout`.
#[derive(Debug, clap::Args)]
pub struct LogoutArgs {
    /// The server
    #[arg(value_name = "HOST", value_parser = Typed(Place::parse_on_server))]
    pub server: Place,
}

impl Command {
    /// The first server of the protocol that the user named.
    #[must_use]
    pub fn first_server(&self) -> Option<Address> {
        let places = match self {
            Self::Get(args) => &args.sources[..],
            Self::Ls(args) => std::slice::from_ref(&args.source),
            Self::Find(args) => std::slice::from_ref(&args.source),
            Self::Verify(args) => std::slice::from_ref(&args.source),
            Self::Link(command) => std::slice::from_ref(command.place()),
            Self::Hash(_) | Self::Login(_) | Self::Logout(_) => &[],
        };
        places.iter().find_map(|place| place.on_server().ok()).map(|source| source.address)
    }

    /// Whether it logs in or out.
    #[must_use]
    pub fn is_login(&self) -> bool {
        matches!(self, Self::Login(_) | Self::Logout(_))
    }

    /// Finds the server of a URL that may have a prefix in front of its path.
    pub async fn find_prefix(&mut self) {
        let places = match self {
            // Beside a server of the protocol, a URL is that of a plain mirror.
            Self::Get(args) if args.sources.iter().any(|place| matches!(place, Place::Wstp(_))) => &mut [],
            Self::Get(args) => &mut args.sources[..],
            Self::Ls(args) => std::slice::from_mut(&mut args.source),
            Self::Find(args) => std::slice::from_mut(&mut args.source),
            Self::Verify(args) => std::slice::from_mut(&mut args.source),
            Self::Link(command) => std::slice::from_mut(command.place_mut()),
            Self::Login(args) => std::slice::from_mut(&mut args.server),
            Self::Logout(args) => std::slice::from_mut(&mut args.server),
            Self::Hash(_) => &mut [],
        };
        for place in places {
            if place.find_prefix().await {
                return;
            }
        }
    }
}

impl GetArgs {
    /// How to fetch.
    #[must_use]
    pub fn options(&self) -> get::Options {
        get::Options {
            output: self.output.clone(),
            connections: self.connections,
            rate: self.limit,
            mirrors: !self.no_mirrors,
            patience: (self.timeout > 0).then(|| Duration::from_secs(self.timeout)),
            update: self.update,
            anyway: self.anyway,
        }
    }
}

impl LsArgs {
    /// How to print.
    #[must_use]
    pub fn style(&self) -> Style {
        style(self.long, self.json)
    }
}

impl FindArgs {
    /// How to print.
    #[must_use]
    pub fn style(&self) -> Style {
        style(self.long, self.json)
    }
}

const fn style(long: bool, json: bool) -> Style {
    match (json, long) {
        (true, _) => Style::Json,
        (false, true) => Style::Long,
        (false, false) => Style::Names,
    }
}

/// The number of a link.
fn number(typed: &str) -> Result<String, String> {
    let is_number =
        typed.len() == 8 && typed.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if is_number {
        Ok(typed.to_owned())
    } else {
        Err("`wstp link list` shows the numbers: 8 hexadecimal digits".to_owned())
    }
}

/// Bytes a second: a number, optionally with k, M or G for thousands, or Ki, Mi or Gi for powers of 1,024.
fn rate(typed: &str) -> Result<u64, String> {
    let (number, unit) = typed.split_at(typed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(typed.len()));
    let factor = match unit.trim_end_matches('B').to_ascii_lowercase().as_str() {
        "" => 1.0,
        "k" => 1e3,
        "m" => 1e6,
        "g" => 1e9,
        "ki" => 1024.0,
        "mi" => 1024.0 * 1024.0,
        "gi" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(format!("there is no unit {unit:?}; try 500k or 2.5M")),
    };
    match number.parse::<f64>() {
        Ok(number) if (1.0..1e15).contains(&(number * factor)) => Ok((number * factor) as u64),
        Ok(_) => Err("at least one byte a second has to come".to_owned()),
        Err(_) => Err(format!("{typed:?} is no number; try 500k or 2.5M")),
    }
}

/// Parses an argument and refuses it in its own words. clap would repeat the typed text, which may have a password in
/// it.
#[derive(Clone)]
struct Typed<T>(fn(&str) -> Result<T, Failure>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Typed<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<T, clap::Error> {
        let typed = StringValueParser::new().parse_ref(command, argument, value)?;
        let refused = |failure| clap::Error::raw(ErrorKind::ValueValidation, format!("{failure}\n")).with_cmd(command);
        (self.0)(&typed).map_err(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_timeout_of_zero_is_none() {
        let parse =
            |args: &[&str]| match Args::try_parse_from([&["wstp", "get", "host/x"], args].concat()).unwrap().command {
                Command::Get(args) => args.options().patience,
                other => panic!("{other:?}"),
            };
        assert_eq!(parse(&[]), Some(Duration::from_secs(60)));
        assert_eq!(parse(&["--timeout", "0"]), None);
    }

    #[test]
    fn rates_have_units() {
        let good = [
            ("1", 1),
            ("500k", 500_000),
            ("2.5M", 2_500_000),
            ("1Mi", 1 << 20),
            ("3GB", 3_000_000_000),
            ("8KiB", 8192),
        ];
        for (typed, bytes) in good {
            assert_eq!(rate(typed), Ok(bytes), "{typed}");
        }
        for typed in ["", "k", "0", "0.4", "-1", "1.2.3M", "5 apples", "9999999999999G", "1e9"] {
            assert!(rate(typed).is_err(), "{typed}");
        }
    }
}
