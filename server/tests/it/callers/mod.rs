//! Who may read what: callers, shares, ways of asking, and spellings of paths.

mod doors;
mod logins;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::sync::Arc;

use base64::Engine;
use serde_json::{Value, json};
use wstp_protocol::{
    ClientMessage, EntryKind, ErrorCode, Failure, Hello, ServerMessage, SharePath, VERSIONS, features,
};
use wstp_server::accounts::{Accounts, Book, PasswordHash, Role, Token, TokenHash, User, now};
use wstp_server::forwarded::Proxies;
use wstp_server::secret::Secret;
use wstp_server::store::Shares;
use wstp_server::{Config, Control, Folders, Share};

use crate::archives::{untarred, unzipped};
use crate::support::plain::{Reply, request, request_from_with};
use crate::support::{Client, Embedded, Folder};

/// The content of every file that some caller may not read.
const CONTENT: &[u8] = b"the content of a file";
const PASSWORD: &str = "correct horse battery";

/// Someone who asks.
#[derive(Clone, Copy, Debug)]
enum Who<'a> {
    Nobody,
    /// A user, by password over HTTP and by token over the protocol.
    User(&'a str),
    Token(&'a str),
}

const NOBODY: Who<'static> = Who::Nobody;
const ANNA: Who<'static> = Who::User("anna");
const LIM: Who<'static> = Who::User("lim");
const SCOPED: Who<'static> = Who::Token("scoped");
const SINGLE: Who<'static> = Who::Token("single");
const EVERYBODY: [Who<'static>; 5] = [NOBODY, ANNA, LIM, SCOPED, SINGLE];

impl Who<'_> {
    fn field(self) -> Option<String> {
        match self {
            Self::Nobody => None,
            Self::User(name) => {
                let text = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{PASSWORD}"));
                Some(format!("Authorization: Basic {text}"))
            }
            Self::Token(token) => Some(format!("Authorization: Bearer {token}")),
        }
    }

    fn token(self) -> Option<String> {
        match self {
            Self::Nobody => None,
            Self::User(token) | Self::Token(token) => Some(token.to_owned()),
        }
    }
}

fn at(path: &str) -> SharePath {
    SharePath::parse(path).unwrap()
}

fn accounts() -> Accounts {
    let user = |role, only: &[&str]| User {
        role,
        password: PasswordHash::of(&Secret::new(PASSWORD)).unwrap(),
        only: only.iter().map(|path| at(path)).collect(),
        rate: None,
        volume: None,
        links: false,
    };
    let token = |secret: &str, user: Option<&str>, only: &[&str], expires| Token {
        hash: TokenHash::of(secret),
        user: user.map(|name| name.parse().unwrap()),
        only: only.iter().map(|path| at(path)).collect(),
        created: 0,
        expires: Some(expires),
        login: false,
        downloads: None,
    };
    let users = [("anna", user(Role::Normal, &[])), ("lim", user(Role::Limited, &["music/in"]))];
    let later = now() + 1000;
    let tokens = [
        ("00000001", token("anna", Some("anna"), &[], later)),
        ("00000002", token("lim", Some("lim"), &[], later)),
        ("00000003", token("scoped", Some("lim"), &["music"], later)),
        ("00000004", token("single", None, &["music/in/x"], later)),
        ("00000005", token("over", Some("anna"), &[], now())),
    ];
    Accounts {
        users: users.into_iter().map(|(name, user)| (name.parse().unwrap(), user)).collect(),
        tokens: tokens.into_iter().map(|(id, token)| (id.parse().unwrap(), token)).collect(),
        ..Accounts::default()
    }
}

/// A server with users, tokens and shares.
pub struct Served {
    /// It runs in this process.
    pub server: Embedded,
    /// The hold on it.
    pub control: Arc<Control>,
    _folder: Folder,
}

/// Three shares. One is public, and links lead from one place into another.
async fn serve() -> Served {
    serve_with(Config::default()).await
}

/// The same with another configuration.
pub async fn serve_with(config: Config) -> Served {
    let folder = Folder::new();
    for path in ["films/x", "music/in/x", "music/in/y", "music/inner/x", "music/out/x", "secret/x", "secret/deep/x"] {
        folder.file(path, CONTENT);
    }
    for (target, link) in [
        ("../out", "music/in/out"),
        ("../out/x", "music/in/outx"),
        ("../../secret", "music/in/secret"),
        ("../secret/x", "films/secret"),
        ("../secret", "films/all"),
    ] {
        symlink(target, folder.path().join(link)).unwrap();
    }
    let share = |name: &str, public| Share {
        name: Some(name.to_owned()),
        path: folder.path().join(name),
        public,
        hidden: false,
        on: true,
    };
    let shares = vec![share("films", true), share("music", false), share("secret", false)];
    let store = Arc::new(Shares::new(Folders::default().layout(&shares).unwrap()));
    let book = Arc::new(Book::in_memory(accounts()));
    let control = Arc::new(Control::with_accounts(Config { shares, ..config }, book));
    Served { server: Embedded::of_store(control.clone(), store).await, control, _folder: folder }
}

async fn get(served: &Served, who: Who<'_>, method: &str, target: &str) -> Reply {
    let field = who.field();
    request(served.server.address(), method, target, &field.as_deref().into_iter().collect::<Vec<_>>()).await
}

fn greeting(token: Option<String>, features: u64) -> ClientMessage {
    let (min_version, max_version) = VERSIONS;
    ClientMessage::Hello(Hello { min_version, max_version, features, agent: "test".to_owned(), token })
}

async fn greet(served: &Served, token: Option<String>) -> Result<Client, Failure> {
    let mut client = Client::open(served.server.address(), None).await.unwrap();
    client.send(&greeting(token, features::BUNDLES | features::SEARCH)).await;
    match client.receive().await {
        ServerMessage::Welcome(_) => Ok(client),
        ServerMessage::Failure(failure) => Err(failure),
        other => panic!("{other:?}"),
    }
}

/// The answers to a path over the protocol, without what names the request: to open, stat, list and bundle.
async fn asked(client: &mut Client, path: &str) -> Vec<Result<&'static str, (ErrorCode, String)>> {
    let refused = |failure: Failure| Err((failure.code, failure.text));
    let (folder, name) = path.rsplit_once('/').unwrap();
    vec![
        client.open_file(path).await.map_or_else(refused, |_| Ok("opened")),
        client.stat(path).await.map_or_else(refused, |_| Ok("found")),
        client.list(path).await.map_or_else(refused, |_| Ok("listed")),
        match client.bundle(folder, &[name]).await {
            Ok(files) => match &files[0] {
                wstp_protocol::Bundled::File(_) => Ok("bundled"),
                wstp_protocol::Bundled::Refused(code) => Err((*code, String::new())),
            },
            Err(failure) => refused(failure),
        },
    ]
}

#[tokio::test]
async fn each_caller_reads_its_own_and_a_refusal_tells_nothing() {
    let served = serve().await;
    // A file, one that does not exist beside it, and who may read it.
    let table: [(&str, &str, &[bool; 5]); 6] = [
        ("films/x", "films/nothing", &[true, true, true, false, false]),
        ("music/in/x", "music/in/nothing", &[false, true, true, true, true]),
        ("music/in/y", "music/in/nothing", &[false, true, true, true, false]),
        ("music/inner/x", "music/inner/nothing", &[false, true, false, false, false]),
        ("music/out/x", "music/outer/x", &[false, true, false, false, false]),
        ("secret/x", "nothing/x", &[false, true, false, false, false]),
    ];
    let mut clients = BTreeMap::new();
    for (file, missing, may_read) in table {
        for (number, (who, may_read)) in EVERYBODY.into_iter().zip(may_read).enumerate() {
            let client = match clients.remove(&number) {
                Some(client) => client,
                None => greet(&served, who.token()).await.unwrap(),
            };
            let mut client: Client = client;
            let (there, not_there) = (asked(&mut client, file).await, asked(&mut client, missing).await);
            if *may_read {
                let kinds: Vec<_> = there.iter().map(|answer| answer.clone().ok()).collect();
                assert_eq!(kinds, [Some("opened"), Some("found"), None, Some("bundled")], "{who:?} {file}");
            } else {
                assert_eq!(there, not_there, "{who:?} {file}");
                let code = there[0].as_ref().unwrap_err().0;
                assert_eq!(code, ErrorCode::NotFound, "{who:?} {file}");
            }
            clients.insert(number, client);
            for method in ["GET", "HEAD"] {
                for end in ["", "/", "?zip", "?tar", "?json&hash", "/?zip"] {
                    let ask = async |path: &str| get(&served, who, method, &format!("/files/{path}{end}")).await;
                    let (there, not_there) = (ask(file).await, ask(missing).await);
                    // The query concerns folders alone.
                    if *may_read && !end.starts_with('/') {
                        assert_eq!(there.status, 200, "{who:?} {method} {file}");
                        assert_eq!(there.body, if method == "GET" { CONTENT } else { b"" });
                    } else {
                        assert_eq!(there.told(), not_there.told(), "{who:?} {method} {file}{end}");
                    }
                }
            }
        }
    }
    served.server.stop().await;
}

#[tokio::test]
async fn listings_show_a_caller_its_own_and_the_way_to_it() {
    let served = serve().await;
    for (who, path, expected) in [
        (NOBODY, "", "films"),
        (ANNA, "", "films music secret"),
        (LIM, "", "films music"),
        (LIM, "music", "in"),
        (SCOPED, "", "music"),
        (SCOPED, "music/in", "x y"),
        (SINGLE, "music/in", "x"),
    ] {
        let mut client = greet(&served, who.token()).await.unwrap();
        let entries = client.list(path).await.unwrap();
        let files = |entry: &&wstp_protocol::Entry| entry.kind != wstp_protocol::EntryKind::Dangling;
        let names: Vec<_> = entries.iter().filter(files).map(|entry| entry.name.as_str()).collect();
        assert_eq!(names.join(" "), expected, "{who:?} {path}");
        let page = get(&served, who, "GET", &format!("/files/{path}{}", if path.is_empty() { "" } else { "/" })).await;
        for name in ["films", "music", "secret", "inner"] {
            let is_linked = page.text().contains(&format!("href=\"{name}/\""));
            assert_eq!(is_linked, expected.split(' ').any(|shown| shown == name), "{who:?} {path} {name}");
        }
    }
    served.server.stop().await;
}

#[tokio::test]
async fn a_wrong_proof_is_refused_whatever_is_asked_for() {
    let served = serve().await;
    let basic = |text: &str| format!("Authorization: Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
    let targets = ["/files/films/x", "/files/secret/x", "/files/nothing", "/login"];
    let mut answers = Vec::new();
    let fields = [
        basic("anna:wrong horse battery"),
        basic("nobody:correct horse battery"),
        basic("anna:"),
        basic(":correct horse battery"),
        basic("a b:c"),
        "Authorization: Bearer wrong".to_owned(),
        "Authorization: Bearer over".to_owned(),
        format!("Authorization: Bearer {PASSWORD}"),
    ];
    // Two each, so that nobody has to wait.
    for (number, field) in fields.iter().enumerate() {
        for target in [targets[number % 4], targets[(number + 1) % 4]] {
            let reply = request(served.server.address(), "GET", target, &[field]).await;
            assert_eq!(reply.status, 401, "{field} {target}");
            assert!(reply.header("www-authenticate").unwrap().starts_with("Basic"));
            answers.push(reply.body);
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "all are the same");
    for token in ["wrong", "over", "", "anna:correct horse battery"] {
        assert_eq!(
            greet(&served, Some(token.to_owned())).await.err().unwrap().code,
            ErrorCode::Unauthorized,
            "{token}"
        );
    }
    served.server.stop().await;
}
