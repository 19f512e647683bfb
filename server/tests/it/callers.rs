//! Who may read what: callers, shares, ways of asking, and spellings of paths.

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
    client.send(&greeting(token, features::BUNDLES)).await;
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

/// The files beneath a folder as the protocol lists them.
async fn listed(client: &mut Client, folder: &str) -> Option<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    let mut ahead = vec![at(folder)];
    while let Some(folder) = ahead.pop() {
        for entry in client.list(folder.as_str()).await.ok()? {
            let path = folder.join(&entry.name).unwrap();
            match entry.kind {
                EntryKind::Directory => ahead.push(path),
                EntryKind::File => drop(files.insert(path.as_str().to_owned())),
                _ => {}
            }
        }
    }
    Some(files)
}

/// The same as the JSON of the folders has them.
async fn in_json(served: &Served, who: Who<'_>, folder: &str) -> Option<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(folder) = ahead.pop() {
        let reply = get(served, who, "GET", &format!("/files/{folder}?json&hash")).await;
        if reply.status != 200 {
            return None;
        }
        let json: serde_json::Value = serde_json::from_str(reply.text()).unwrap();
        for entry in json["entries"].as_array().unwrap() {
            let path =
                format!("{folder}{}{}", if folder.is_empty() { "" } else { "/" }, entry["name"].as_str().unwrap());
            match entry["kind"].as_str().unwrap() {
                "folder" => ahead.push(path),
                "file" => drop(files.insert(path)),
                _ => {}
            }
        }
    }
    Some(files)
}

/// The same as an archive has them.
async fn archived(served: &Served, who: Who<'_>, folder: &str, format: &str) -> Option<BTreeSet<String>> {
    let reply = get(served, who, "GET", &format!("/files/{folder}?{format}")).await;
    if reply.status != 200 {
        return None;
    }
    let contents = if format == "zip" { unzipped(&reply.body) } else { untarred(&reply.body) };
    let path = |name: &[u8]| {
        let (_, path) = std::str::from_utf8(name).unwrap().split_once('/').unwrap();
        if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
    };
    let files = contents.iter().filter(|(name, content)| content.as_deref() == Some(CONTENT) && !name.ends_with(b"/"));
    Some(files.map(|(name, _)| path(name)).collect())
}

#[tokio::test]
async fn all_doors_show_a_caller_the_same_files() {
    let served = serve().await;
    let music = ["music/in/out/x", "music/in/outx", "music/in/x", "music/in/y", "music/inner/x", "music/out/x"];
    for (who, folder, expected) in [
        (NOBODY, "", Some(&["films/x"][..])),
        (NOBODY, "films", Some(&["films/x"])),
        (NOBODY, "music", None),
        (NOBODY, "nothing", None),
        (ANNA, "music", Some(&music)),
        (ANNA, "secret/deep", Some(&["secret/deep/x"])),
        (LIM, "", Some(&["films/x", "music/in/x", "music/in/y"])),
        (LIM, "music", Some(&["music/in/x", "music/in/y"])),
        (LIM, "music/out", None),
        (LIM, "secret", None),
        (SCOPED, "", Some(&["music/in/x", "music/in/y"])),
        (SCOPED, "films", None),
        (SINGLE, "", Some(&["music/in/x"])),
        (SINGLE, "music/in", Some(&["music/in/x"])),
    ] {
        let expected = expected.map(|files| files.iter().map(|file| (*file).to_owned()).collect::<BTreeSet<_>>());
        let mut client = greet(&served, who.token()).await.unwrap();
        let doors = [
            listed(&mut client, folder).await,
            in_json(&served, who, folder).await,
            archived(&served, who, folder, "zip").await,
            archived(&served, who, folder, "tar").await,
        ];
        for (number, files) in doors.into_iter().enumerate() {
            assert_eq!(files, expected, "{who:?} {folder:?}, door {number}");
        }
    }
    served.server.stop().await;
}

/// Spellings of a way to `path`, which may be read by nobody who asks, from the folder `own`, which may be.
fn spellings(own: &str, path: &str) -> Vec<String> {
    let up = own.split('/').map(|_| "..").collect::<Vec<_>>().join("/");
    let ways = [
        path.to_owned(),
        format!("{own}/{up}/{path}"),
        format!("{own}/x/../{up}/{path}"),
        format!("./{path}"),
        format!("{own}/./{up}/{path}"),
        format!("/{path}"),
        format!("{own}//{up}//{path}"),
        format!("{own}/link/{path}"),
        format!("{own}\\{}\\{}", up.replace('/', "\\"), path.replace('/', "\\")),
        path.to_uppercase(),
        format!("{path}/"),
        format!("{path}/."),
        format!("{path}%00"),
        format!("{own}%00/../{path}"),
        format!("{path};a=b"),
        format!("{path}?x"),
        format!("{path}#x"),
        format!("files/{path}"),
        format!("{own}/.../{path}"),
        format!("{own}/..;/{up}/{path}"),
    ];
    let respelled = |way: &String| {
        let encode = |characters: &[char], how: fn(char) -> String| {
            way.chars().map(|c| if characters.contains(&c) { how(c) } else { c.to_string() }).collect::<String>()
        };
        let once = |c: char| format!("%{:02x}", u32::from(c));
        let twice = |c: char| format!("%25{:02X}", u32::from(c));
        [
            way.clone(),
            encode(&['.'], once),
            encode(&['/'], once),
            encode(&['.', '/'], once),
            encode(&['.'], twice),
            encode(&['/'], twice),
            way.replace('.', "%c0%ae"),
            way.replace('.', "%ef%bc%8e"),
            way.replace('/', "%5c"),
            way.replace('/', "%ef%bc%8f"),
            way.replace("..", "..%20"),
            way.replace("..", "%2e."),
            way.replace('/', "//"),
        ]
    };
    ways.iter().flat_map(respelled).collect()
}

/// Ways to ask for a file or a folder over HTTP.
const DOORS: [(&str, &str); 6] =
    [("GET", ""), ("HEAD", ""), ("GET", "?zip"), ("GET", "?tar"), ("GET", "?json&hash"), ("HEAD", "?zip")];

#[tokio::test]
async fn no_spelling_of_a_path_leads_to_what_a_caller_may_not_read() {
    let served = serve().await;
    let mut tried = 0;
    for (who, own, paths) in [
        // Each with a path that leads to nothing.
        (
            NOBODY,
            "films",
            &[("secret/x", "sacred/x"), ("secret/deep", "secret/dewp"), ("music/in/x", "music/on/x")][..],
        ),
        (LIM, "music/in", &[("secret/x", "sacred/x"), ("music/out", "music/owt"), ("music/inner/x", "music/infer/x")]),
        (SINGLE, "music/in", &[("music/in/y", "music/in/z")]),
    ] {
        let mut client = greet(&served, who.token()).await.unwrap();
        for (path, missing) in paths {
            for (spelling, missing) in spellings(own, path).into_iter().zip(spellings(own, missing)) {
                let ask = async |method, spelling: &str, query| {
                    get(&served, who, method, &format!("/files/{spelling}{query}")).await
                };
                let reply = ask("GET", &spelling, "").await;
                let is_refused = |reply: &Reply| matches!(reply.status, 400 | 401 | 403 | 404) && reply.body != CONTENT;
                assert!(is_refused(&reply), "{who:?} {spelling}: {reply:?}");
                let not_there = ask("GET", &missing, "").await;
                assert_eq!(reply.told(), not_there.told(), "{who:?} {spelling} {missing}");
                let (method, query) = DOORS[1 + tried % (DOORS.len() - 1)];
                let reply = ask(method, &spelling, query).await;
                assert!(is_refused(&reply), "{who:?} {method} {spelling}{query}: {reply:?}");
                if let Ok(path) = SharePath::parse(&*spelling) {
                    let refused = [
                        client.open_file(path.as_str()).await.err(),
                        client.stat(path.as_str()).await.err(),
                        client.list(path.as_str()).await.err(),
                    ];
                    let codes = refused.map(|failure| failure.map(|failure| failure.code));
                    assert_eq!(codes, [Some(ErrorCode::NotFound); 3], "{who:?} {spelling}");
                }
                tried += 1;
            }
        }
    }
    assert!(tried >= 500, "{tried}");
    // Links from one's own place, last and in the middle.
    for (who, links) in [
        (NOBODY, &["films/secret", "films/all/x", "films/all/deep/x"][..]),
        (LIM, &["music/in/out/x", "music/in/outx", "music/in/secret/x"]),
        (SCOPED, &["music/in/out/x", "music/in/outx", "music/in/secret/x"]),
    ] {
        let mut client = greet(&served, who.token()).await.unwrap();
        for link in links {
            let reply = get(&served, who, "GET", &format!("/files/{link}")).await;
            assert!(reply.status == 403 && reply.body != CONTENT, "{who:?} {link}: {reply:?}");
            for (method, query) in DOORS {
                let reply = get(&served, who, method, &format!("/files/{link}{query}")).await;
                assert!(reply.status == 403, "{who:?} {method} {link}{query}: {reply:?}");
            }
            let answers = asked(&mut client, link).await;
            assert!(answers[0].is_err() && answers[3].is_err(), "{who:?} {link}: {answers:?}");
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

#[tokio::test]
async fn a_login_gives_a_token_and_a_logout_ends_what_it_does() {
    let served = serve().await;
    let address = served.server.address();
    let reply = get(&served, LIM, "POST", "/login").await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")), "{reply:?}");
    let answer: serde_json::Value = serde_json::from_str(reply.text()).unwrap();
    assert_eq!((answer["user"]["name"].as_str(), answer["user"]["role"].as_str()), (Some("lim"), Some("limited")));
    let token = answer["token"].as_str().unwrap().to_owned();
    let field = format!("Authorization: Bearer {token}");
    for (who, is_needed, is_proven, name, only) in [
        (NOBODY, true, false, json!(null), json!(["films"])),
        (ANNA, false, true, json!("anna"), json!(null)),
        (Who::Token(&token), false, true, json!("lim"), json!(["music/in", "films"])),
        (SINGLE, false, true, json!(null), json!(["music/in/x"])),
    ] {
        let answer: Value = serde_json::from_str(get(&served, who, "GET", "/login").await.text()).unwrap();
        let told = (&answer["is_needed"], &answer["is_proven"], &answer["user"]["name"], &answer["only"]);
        assert_eq!(told, (&json!(is_needed), &json!(is_proven), &name, &only), "{who:?}");
        let mut client = Client::open(address, None).await.unwrap();
        client.send(&greeting(who.token(), features::LOGIN)).await;
        let ServerMessage::Welcome(welcome) = client.receive().await else { panic!("{who:?}") };
        assert_eq!(welcome.features == features::LOGIN, is_needed, "{who:?}");
    }
    // A token gets no further token, and neither does a page elsewhere with what a browser remembers.
    assert_eq!(request(address, "POST", "/login", &[&field]).await.status, 401);
    assert_eq!(get(&served, NOBODY, "POST", "/login").await.status, 401);
    let foreign = [LIM.field().unwrap(), "Origin: http://evil.example".to_owned()];
    assert_eq!(request(address, "POST", "/login", &[&foreign[0], &foreign[1]]).await.status, 403);

    let mut client = greet(&served, Some(token.clone())).await.unwrap();
    let mut other = greet(&served, LIM.token()).await.unwrap();
    let opened = client.open_file("music/in/x").await.unwrap();
    assert_eq!(client.blocks(opened.handle, 0, 1).await.unwrap(), CONTENT);
    assert_eq!(request(address, "DELETE", "/login", &[&field]).await.status, 204);
    let failure = client
        .find(|message| match message {
            ServerMessage::Failure(failure) => Some(failure.clone()),
            _ => None,
        })
        .await;
    assert_eq!((failure.id, failure.code), (None, ErrorCode::Unauthorized));
    while let Some(told) = client.next().await {
        assert!(matches!(told, ServerMessage::RootReady(_)), "{told:?}");
    }
    assert!(greet(&served, Some(token)).await.is_err());
    assert_eq!(request(address, "DELETE", "/login", &[&field]).await.status, 401);
    assert!(other.open_file("music/in/x").await.is_ok());
    served.server.stop().await;
}

#[tokio::test]
async fn a_right_that_was_taken_away_ends_at_once_and_comes_back() {
    let served = serve().await;
    let book = served.control.callers().book();
    let mut clients = [greet(&served, ANNA.token()).await.unwrap(), greet(&served, LIM.token()).await.unwrap()];
    for client in &mut clients {
        client.open_file("music/in/x").await.unwrap();
    }
    let limit = |only: &[&str]| {
        let only = only.iter().map(|path| at(path)).collect();
        book.update(|accounts| {
            accounts.users.get_mut(&"lim".parse().unwrap()).unwrap().only = only;
            Ok::<_, wstp_server::accounts::BookError>(())
        })
        .unwrap();
        served.control.review();
    };
    limit(&["music/out"]);
    let [anna, lim] = &mut clients;
    lim.find(|message| matches!(message, ServerMessage::Goodbye(_)).then_some(())).await;
    let mut again = greet(&served, LIM.token()).await.unwrap();
    assert_eq!(again.open_file("music/in/x").await.unwrap_err().code, ErrorCode::NotFound);
    assert!(again.open_file("music/out/x").await.is_ok());
    assert!(anna.open_file("music/in/x").await.is_ok());
    limit(&["music/in"]);
    let mut again = greet(&served, LIM.token()).await.unwrap();
    assert!(again.open_file("music/in/x").await.is_ok());
    served.server.stop().await;
}

#[tokio::test]
async fn wrong_passwords_back_off_and_others_still_log_in() {
    let served = serve().await;
    let text = base64::engine::general_purpose::STANDARD.encode("lim:wrong horse battery");
    let wrong = format!("Authorization: Basic {text}");
    // Anna logged in here before, and her password is known.
    assert_eq!(get(&served, ANNA, "GET", "/files/secret/x").await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(request(served.server.address(), "GET", "/files/", &[&wrong]).await);
    }
    let codes: Vec<_> = statuses.iter().map(|reply| reply.status).collect();
    assert_eq!(codes, [401, 401, 401, 401, 401, 429, 429]);
    let seconds: u64 = statuses[6].header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
    assert_eq!(get(&served, ANNA, "GET", "/files/secret/x").await.status, 200);
    // The right password waits as well, or its answer would tell that it is right. A token does not.
    assert_eq!(get(&served, LIM, "GET", "/files/music/in/x").await.status, 429);
    assert_eq!(get(&served, SCOPED, "GET", "/files/music/in/x").await.status, 200);
    served.server.stop().await;
}

#[tokio::test]
async fn only_a_trusted_proxy_is_believed_about_who_tries_passwords() {
    let text = base64::engine::general_purpose::STANDARD.encode("lim:wrong horse battery");
    let wrong = format!("Authorization: Basic {text}");
    for (trusted, seventh_from_elsewhere) in [("127.0.0.0/8", 401), ("192.0.2.0/24", 429)] {
        let trusted = vec![trusted.parse().unwrap()];
        let proxies = wstp_server::forwarded::Proxies { trusted, ..Default::default() };
        let served = serve_with(Config { proxies, ..Config::default() }).await;
        let ask = async |client: &str| {
            // The first address is one that the client made up.
            let field = format!("X-Forwarded-For: 203.0.113.9, {client}");
            request(served.server.address(), "GET", "/files/", &[&wrong, &field]).await.status
        };
        for number in 0..6 {
            assert_eq!(ask("198.51.100.1").await, if number < 5 { 401 } else { 429 });
        }
        assert_eq!(ask("198.51.100.2").await, seventh_from_elsewhere);
        served.server.stop().await;
    }
}

/// Somebody logged in at a proxy, as Authelia and oauth2-proxy tell it.
#[tokio::test]
async fn a_trusted_proxy_says_who_is_logged_in_and_nobody_else_does() {
    let proxies = Proxies {
        trusted: vec!["127.0.0.1/32".parse().unwrap()],
        identity: Some("remote-user".parse().unwrap()),
        ..Proxies::default()
    };
    let served = serve_with(Config { proxies, ..Config::default() }).await;
    let address = served.server.address();
    let from =
        async |own: &str, fields: &[&str]| request_from_with(own, address, "/files/music/out/x", fields).await.status;
    let anna = "Remote-User: anna";
    assert_eq!(from("127.0.0.1", &[anna]).await, 200);
    assert_eq!(from("127.0.0.1", &["Remote-User: lim"]).await, 404, "the rights are those of the user");
    for (own, fields) in [
        ("127.0.0.2", &[anna][..]),
        ("127.0.0.2", &[anna, "X-Forwarded-For: 127.0.0.1"]),
        ("127.0.0.1", &["Remote-User: nobody-here"]),
        ("127.0.0.1", &["Remote-User:"]),
        ("127.0.0.1", &[anna, "Remote-User: lim"]),
        ("127.0.0.1", &["X-Forwarded-User: anna"]),
        ("127.0.0.1", &[]),
    ] {
        assert_eq!(from(own, fields).await, 401, "{own} {fields:?}");
    }
    let who = request(address, "GET", "/login", &[anna]).await;
    assert!(who.text().contains("\"anna\""), "{who:?}");
    // A user who goes is nobody, whatever the proxy says.
    served.control.callers().book().update(|accounts| accounts.remove_user(&"anna".parse().unwrap())).unwrap();
    assert_eq!(from("127.0.0.1", &[anna]).await, 401);
}
