//! Which congestion control the system uses for what the server sends.
//!
//! CUBIC is the default nearly everywhere. It slows down at each lost packet. BBR measures what the line carries, so it
//! is many times as fast over a long line that loses packets. The server asks for it on each connection, and the system
//! may refuse.

use std::{fmt, io};

use socket2::{Domain, SockRef, Socket, Type};

/// The congestion control to use unless the user names another.
const BEST: &str = "bbr";

/// Which congestion control to ask the system for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Congestion {
    /// BBR if the system has it and allows it, and the system's own otherwise.
    #[default]
    Best,
    /// The system's own.
    System,
    /// The one with this name.
    Named(String),
}

/// The system refuses the congestion control that the user named.
#[derive(Debug, thiserror::Error)]
#[error("this system does not let the server use the congestion control {name:?} ({source}){choices}")]
pub struct Refused {
    name: String,
    source: io::Error,
    choices: String,
}

/// The choice for each accepted connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// To set; `None`: the system's own stays.
    set: Option<String>,
    /// Whether the system refuses the better one.
    is_second_best: bool,
    /// The system's choice for a connection of which nobody says anything.
    own: String,
}

impl Congestion {
    /// The user's word: a name, or `system`.
    #[must_use]
    pub fn named(name: String) -> Self {
        if name == "system" { Self::System } else { Self::Named(name) }
    }

    /// Whether the system has it and allows it, if the user named it.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn check(&self) -> Result<(), Refused> {
        self.choose().map(drop)
    }

    /// Asks the system on a socket that is never connected.
    pub(crate) fn choose(&self) -> Result<Choice, Refused> {
        let name = match self {
            Self::Best => BEST,
            Self::Named(name) => name,
            Self::System => return Ok(Choice { set: None, is_second_best: false, own: own() }),
        };
        let tried = Socket::new(Domain::IPV4, Type::STREAM, None).and_then(|socket| set(&SockRef::from(&socket), name));
        match (tried, self) {
            (Ok(()), _) => Ok(Choice { set: Some(name.to_owned()), is_second_best: false, own: own() }),
            (Err(_), Self::Best) => Ok(Choice { set: None, is_second_best: true, own: own() }),
            (Err(source), _) => Err(Refused { name: name.to_owned(), source, choices: choices() }),
        }
    }
}

impl Choice {
    /// Sets it on a connection. A failure costs speed, but no correctness.
    pub(crate) fn apply(&self, connection: &SockRef<'_>) -> io::Result<()> {
        self.set.as_deref().map_or(Ok(()), |name| set(connection, name))
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.set {
            Some(name) => write!(f, "congestion control: {name}"),
            None if self.is_second_best => {
                write!(
                    f,
                    "congestion control: {}; the system does not allow {BEST}, which is far faster on lines ",
                    self.own
                )?;
                write!(f, "that lose packets; docs/server.md says how to allow it")
            }
            None => write!(f, "congestion control: {}, the system's own", self.own),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn set(socket: &SockRef<'_>, name: &str) -> io::Result<()> {
    socket.set_tcp_congestion(name.as_bytes())
}

#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn name_of(socket: &SockRef<'_>) -> io::Result<String> {
    let name = socket.tcp_congestion()?;
    Ok(String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned())
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn set(_: &SockRef<'_>, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn name_of(_: &SockRef<'_>) -> io::Result<String> {
    Err(io::ErrorKind::Unsupported.into())
}

fn own() -> String {
    let name = Socket::new(Domain::IPV4, Type::STREAM, None).and_then(|socket| name_of(&SockRef::from(&socket)));
    name.unwrap_or_else(|_| "unknown".to_owned())
}

/// The names that the system has and allows, where it says so.
fn choices() -> String {
    let list = |kind: &str| std::fs::read_to_string(format!("/proc/sys/net/ipv4/tcp_{kind}_congestion_control")).ok();
    let (Some(has), Some(allows)) = (list("available"), list("allowed")) else { return String::new() };
    format!("; it has {}, and allows every user {}", has.trim(), allows.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    /// The congestion control of an accepted connection after the choice is applied.
    fn accepted_with(congestion: &Congestion) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        congestion.choose().unwrap().apply(&SockRef::from(&accepted)).unwrap();
        name_of(&SockRef::from(&accepted)).unwrap()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_accepted_connection_has_the_one_that_was_named() {
        // Every Linux has it and allows it to every user.
        let reno = Congestion::named("reno".to_owned());
        assert_eq!(accepted_with(&reno), "reno");
        assert_eq!(reno.choose().unwrap().to_string(), "congestion control: reno");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_systems_own_stays_where_the_user_wants_that() {
        let system = Congestion::named("system".to_owned());
        assert_eq!(accepted_with(&system), own());
        assert_eq!(system.choose().unwrap().to_string(), format!("congestion control: {}, the system's own", own()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_best_is_used_where_the_system_allows_it_and_its_own_elsewhere() {
        let allowed = Congestion::named(BEST.to_owned()).choose().is_ok();
        let (seen, words) = (accepted_with(&Congestion::Best), Congestion::Best.choose().unwrap().to_string());
        assert_eq!(seen, if allowed { BEST.to_owned() } else { own() });
        assert_eq!(words.contains("how to allow it"), !allowed, "{words}");
    }

    #[test]
    fn a_name_that_the_system_does_not_have_is_refused_in_words() {
        let words = Congestion::named("nonsense".to_owned()).choose().unwrap_err().to_string();
        assert!(words.contains("\"nonsense\""), "{words}");
        assert!(!cfg!(target_os = "linux") || words.contains("reno"), "{words}");
    }
}
