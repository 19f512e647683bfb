//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};
use http::uri::Authority;
use wstp_protocol::MirrorUrl;
use wstp_protocol::limits::MAX_MIRRORS;
use wstp_server::{Config, Congestion};

const EXAMPLES: &str = "\
Examples:
  wstp-server                              share this folder with browsers on this machine
  wstp-server ~/Films                      share another folder
  wstp-server ~/Films --listen 0.0.0.0:3000
                                           share it with the local network
  wstp-server --listen 127.0.0.1:0         let the system choose a free port
  wstp-server --log debug --log-format json
  wstp-server --mirror wss://nas.example/ws --mirror https://mirror.example/pub/
                                           tell clients where else the folder is

In the extension, type the address that is printed, such as 127.0.0.1:3000. Browsers, curl and wget find the same files at
http://127.0.0.1:3000/files/. Whoever can reach that address can read the folder, but nothing outside of it; links that
lead out of it are not followed.

Ctrl-C or SIGTERM stops the server: clients are told, and requests under way are finished within ten seconds.

Exit status: 0 stopped, 1 failed, 2 wrong arguments, 3 the folder can't be shared, 4 the address can't be listened on.";

/// Shares a folder with the WSTP browser extension, in blocks that are each checked against the file's BLAKE3 hash.
#[derive(Debug, Parser)]
#[command(name = "wstp-server", version, after_help = EXAMPLES)]
pub struct Args {
    /// The folder to share
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// Address and port to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,
    /// List and serve files and folders whose names begin with a dot too
    #[arg(long)]
    pub hidden: bool,
    /// Folder for computed hashes [default: $XDG_CACHE_HOME/wstp or ~/.cache/wstp]
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
    /// Most space the kept hashes may take, in MiB; a file takes 0.4 % of its size
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    pub cache_limit: u64,
    /// Most clients at once; the server asks others to come back later
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub max_connections: u32,
    /// Name of this server, besides its machine's own names, localhost and IP addresses: its pages may connect, and
    /// /files/ is served; can be repeated
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    pub allow_host: Vec<String>,
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

impl Args {
    /// The arguments of this process. Ends it, with words, if they are wrong.
    pub fn of_process() -> Self {
        let args = Self::parse();
        if args.mirror.len() > MAX_MIRRORS {
            let words = format!("--mirror can be given {MAX_MIRRORS} times at most");
            Self::command().error(ErrorKind::TooManyValues, words).exit();
        }
        args
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

impl From<Args> for Config {
    fn from(args: Args) -> Self {
        Self {
            hidden: args.hidden,
            cache_dir: args.cache_dir.or_else(default_cache_dir),
            cache_limit: args.cache_limit.saturating_mul(1 << 20),
            max_connections: args.max_connections as usize,
            allowed_hosts: args.allow_host,
            mirrors: args.mirror,
            congestion: args.congestion.map_or_else(Congestion::default, Congestion::named),
            ..Self::new(args.dir)
        }
    }
}

/// The text of a filter. Unlike the parsed filter, it can be cloned.
fn filter(text: &str) -> Result<String, tracing_subscriber::filter::ParseError> {
    tracing_subscriber::EnvFilter::try_new(text).map(|_| text.to_owned())
}

/// A name alone: with anything around it, it would never match a client's name for the server.
fn host_name(text: &str) -> Result<String, &'static str> {
    let authority = Authority::try_from(text).ok().filter(|authority| authority.host() == text);
    authority
        .map(|_| text.to_owned())
        .ok_or("a name alone is needed, without scheme, port and path, such as nas.example")
}

fn default_cache_dir() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache"))).map(|cache| cache.join("wstp"))
}
