//! The messages between the server and its administration page, as JSON.
//!
//! The page asks who it is ([`Visit`]), logs in ([`Login`]) or makes the first administrator ([`FirstVisit`]). From then
//! on the server sends it a [`State`] each second, or less often where that is long, and the page sends [`Action`]s. Passwords go to the server alone, and
//! a new token goes to the page once, in [`Done`].

use serde::{Deserialize, Serialize};

/// The field that each request with a body must have. A page of another origin can't send it unasked.
pub const REQUEST_FIELD: &str = "wstp-admin";
/// Points of the curve of the last hour.
pub const HISTORY: usize = 120;
/// Seconds that one of these points stands for.
pub const HISTORY_STEP: u64 = 30;

/// Answers `GET api/visit`: what the page has to show first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Visit {
    /// Nobody administers this server yet: the page asks for the code in the server's log.
    First,
    /// Somebody has to log in.
    Login,
    /// This administrator is logged in.
    In {
        /// The user's name.
        user: String,
    },
}

/// The body of `POST api/first`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstVisit {
    /// The code in the server's log.
    pub code: String,
    /// The new administrator's name.
    pub name: String,
    /// The new administrator's password.
    pub password: String,
}

/// The body of `POST api/login`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The user's name.
    pub name: String,
    /// The password.
    pub password: String,
}

/// The body of an answer that refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The reason, in words for people.
    pub error: String,
}

/// The body of an answer to an [`Action`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The secret of a new token. It is told this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The path of a new share link, with its code, beneath the server's own address. It is told this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// One thing that an administrator wants done: the body of `POST api/do`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Action {
    /// End all sessions of a connection.
    Disconnect {
        /// The number of the connection.
        connection: u64,
    },
    /// Send at most so many bytes a second to a connection; `None` sends as many as it takes.
    Limit {
        /// The number of the connection.
        connection: u64,
        /// Bytes a second.
        rate: Option<u64>,
    },
    /// Send at most so many bytes a second to each caller that has no limit of its own.
    LimitCallers {
        /// Bytes a second.
        rate: Option<u64>,
    },
    /// Send at most so many bytes a second to all callers together.
    LimitAll {
        /// Bytes a second.
        rate: Option<u64>,
    },
    /// Send at most so many bytes a second of a share.
    LimitShare {
        /// The name.
        name: String,
        /// Bytes a second.
        rate: Option<u64>,
    },
    /// Add a share to the configuration file, or change the one of this name.
    PutShare(PutShare),
    /// Share a share again, or for now no more.
    SwitchShare {
        /// The name.
        name: String,
        /// Whether it is shared from now on.
        on: bool,
    },
    /// Remove a share from the configuration file. Its files stay.
    RemoveShare {
        /// The name.
        name: String,
    },
    /// Add a user.
    AddUser(AddUser),
    /// Change a user's password, which logs the user out everywhere.
    SetPassword {
        /// The user.
        name: String,
        /// The new password.
        password: String,
    },
    /// Let a user make share links, or no more.
    AllowLinks {
        /// The user.
        name: String,
        /// Whether the user may.
        may: bool,
    },
    /// Remove a user with all tokens.
    RemoveUser {
        /// The user.
        name: String,
    },
    /// Make a token.
    AddToken(AddToken),
    /// Revoke a token.
    RevokeToken {
        /// Its number.
        id: String,
    },
    /// Make a share link.
    AddLink(AddLink),
    /// Remove a share link.
    RemoveLink {
        /// Its number.
        id: String,
    },
}

/// A share as it is written to the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutShare {
    /// The name.
    pub name: String,
    /// The folder on the server.
    pub path: String,
    /// Whether everybody may read it without logging in.
    pub public: bool,
}

/// A new user.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddUser {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
    /// The role: `admin`, `upload`, `normal` or `limited`.
    pub role: String,
    /// The only places that the user may read.
    pub only: Vec<String>,
    /// Bytes a second at most.
    pub rate: Option<u64>,
    /// Bytes a day at most.
    #[serde(default)]
    pub volume: Option<u64>,
    /// Whether the user may make share links.
    #[serde(default)]
    pub links: bool,
}

/// A new token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddToken {
    /// The user on whose behalf it is used.
    pub user: Option<String>,
    /// The only places that it opens.
    pub only: Vec<String>,
    /// Days until it ends.
    pub days: u32,
    /// How many downloads may begin.
    #[serde(default)]
    pub downloads: Option<u64>,
}

/// A new share link.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddLink {
    /// The file or the folder that it opens.
    pub path: String,
    /// Days until it ends.
    pub days: u32,
    /// How many downloads may begin.
    pub downloads: Option<u64>,
    /// The password that it asks for.
    pub password: Option<String>,
}

/// Everything that the page shows, as it is now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The server itself.
    pub server: ServerState,
    /// Bytes sent in the last second.
    pub rate: u64,
    /// Bytes sent since the start.
    pub sent: u64,
    /// Bytes a second of the last hour, a point for each [`HISTORY_STEP`] seconds, the oldest first.
    pub history: Vec<u64>,
    /// Files whose hashes are being computed or wait for that.
    pub hashing: usize,
    /// The system's load of the last minute: processes that run or want to.
    pub load: f32,
    /// Bytes a second that each caller gets at most, unless it has a limit of its own.
    pub caller_rate: Option<u64>,
    /// Bytes a second that all callers together get at most.
    pub whole_rate: Option<u64>,
    /// The sessions, the oldest first.
    pub clients: Vec<ClientState>,
    /// The shares.
    pub shares: Vec<ShareState>,
    /// The users.
    pub users: Vec<UserState>,
    /// The tokens.
    pub tokens: Vec<TokenState>,
    /// The share links.
    #[serde(default)]
    pub links: Vec<LinkState>,
    /// The newest events, the oldest first.
    pub events: Vec<Event>,
    /// Whether events outlive the server.
    pub events_kept: bool,
}

/// Answers `GET api/events?search=WORDS&before=NUMBER`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsPage {
    /// The events that were found, the newest first.
    pub events: Vec<Event>,
    /// Whether there are older ones.
    pub more: bool,
}

/// Answers `GET api/files?path=PATH&from=CURSOR`: a part of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesPage {
    /// The entries, folders first, then by name.
    pub entries: Vec<FileState>,
    /// The cursor of the next part, if there are more entries.
    pub next: Option<String>,
}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: FileKind,
    /// Bytes in a file.
    pub size: u64,
    /// Last change, in milliseconds since 1970; `None` if unknown.
    pub modified_ms: Option<i64>,
    /// Whether the server knows the hashes of a file.
    pub is_hashed: bool,
}

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// Can be opened.
    Folder,
    /// Can be downloaded.
    File,
    /// A link to nothing.
    Dangling,
    /// A link out of the share.
    LeadsOut,
    /// A circular link.
    Circle,
    /// The server may not read it.
    Unreadable,
}

/// The server itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerState {
    /// Program and version.
    pub agent: String,
    /// When it was started, in seconds since 1970.
    pub started: u64,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// The configuration file, if there is one. Only then the page can change shares.
    pub config_file: Option<String>,
}

/// One session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientState {
    /// The number of its connection.
    pub connection: u64,
    /// The caller: a user, a token or an address.
    pub caller: String,
    /// Address and port.
    pub address: String,
    /// When it began, in seconds since 1970.
    pub since: u64,
    /// The first files that it has open.
    pub transfers: Vec<TransferState>,
    /// How many others it has open.
    #[serde(default)]
    pub others: usize,
    /// Bytes sent to it.
    pub sent: u64,
    /// Bytes a second, lately.
    pub rate: u64,
    /// Bytes a second that it gets at most.
    pub limit: Option<u64>,
}

/// A file that a client is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferState {
    /// The file.
    pub path: String,
    /// How much of each part of it the caller was sent, on all connections: a digit from 0 (nothing) to 9 (all) for each.
    pub sent: String,
}

/// One share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareState {
    /// The name; empty for the only share, which lies at the root.
    pub name: String,
    /// The folder on the server.
    pub path: String,
    /// Whether everybody may read it without logging in.
    pub public: bool,
    /// Whether it is shared now.
    pub on: bool,
    /// Bytes free and in all on its disk; `None` if the folder can't be reached.
    pub disk: Option<(u64, u64)>,
    /// Bytes a second of it that all callers together get at most.
    pub limit: Option<u64>,
}

/// One user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserState {
    /// The name.
    pub name: String,
    /// The role.
    pub role: String,
    /// The only places that the user may read.
    pub only: Vec<String>,
    /// Bytes a second at most.
    pub rate: Option<u64>,
    /// Bytes a day at most.
    pub volume: Option<u64>,
    /// Whether the user may make share links.
    #[serde(default)]
    pub links: bool,
}

/// One token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenState {
    /// Its number.
    pub id: String,
    /// The user on whose behalf it is used.
    pub user: Option<String>,
    /// The only places that it opens.
    pub only: Vec<String>,
    /// When it ends, in seconds since 1970.
    pub expires: Option<u64>,
    /// Whether a user got it by logging in.
    pub login: bool,
    /// How many downloads may still begin.
    pub downloads: Option<u64>,
}

/// One share link, without its code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkState {
    /// Its number.
    pub id: String,
    /// The user who made it.
    pub user: Option<String>,
    /// The file or the folder that it opens.
    pub path: String,
    /// When it ends, in seconds since 1970.
    pub expires: u64,
    /// How many downloads may still begin.
    pub downloads: Option<u64>,
    /// Whether it asks for a password.
    pub has_password: bool,
    /// Whether it opens something now: it has not ended, and its maker may still read the path.
    pub works: bool,
}

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number. Later events have higher ones.
    pub id: u64,
    /// When, in seconds since 1970.
    pub at: u64,
    /// In words, without any secret.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_with_a_field_that_nobody_knows_is_refused() {
        let text = r#"{"RemoveUser":{"name":"anna"}}"#;
        assert!(matches!(serde_json::from_str(text), Ok(Action::RemoveUser { name }) if name == "anna"));
        for wrong in [r#"{"RemoveUser":{"name":"anna","all":true}}"#, r#"{"RemoveAll":{}}"#, r#""Disconnect""#] {
            assert!(serde_json::from_str::<Action>(wrong).is_err(), "{wrong}");
        }
    }
}
