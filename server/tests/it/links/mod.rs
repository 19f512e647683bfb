//! Share links: what they open, for whom, how often and until when, and what they tell to whom.

mod own;

use std::os::unix::fs::symlink;
use std::sync::Arc;

use base64::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wstp_protocol::{ClientMessage, ErrorCode, Hello, ServerMessage, SharePath, VERSIONS, features};
use wstp_server::accounts::{Accounts, Book, NewLink, PasswordHash, Role, TokenId, User, changes};
use wstp_server::secret::Secret;
use wstp_server::store::Shares;
use wstp_server::{Config, Control, Folders, Share};
use wstp_testkit::{LONG, until};

use crate::archives::unzipped;
use crate::support::plain::{Reply, head, request, request_from, send};
use crate::support::{Client, Embedded, Folder, Server, greeting};

const SECRET: &[u8] = b"what no link opens";
const OPEN: &[u8] = b"what a link opens";
const PASSWORD: &str = "correct horse battery";

/// A server with users, on which nobody reads anything without a proof.
struct Site {
    folder: Folder,
    server: Embedded,
    control: Arc<Control>,
}

fn at(path: &str) -> SharePath {
    SharePath::parse(path).unwrap()
}

fn user(role: Role, only: &[&str]) -> User {
    let only = only.iter().map(|path| at(path)).collect();
    User { role, password: PasswordHash::none(), only, rate: None, volume: None, links: true }
}

impl Site {
    async fn new() -> Self {
        let folder = Folder::new();
        for (name, bytes) in [
            ("films/new/a film.mkv", OPEN),
            ("films/new/sub/b", OPEN),
            ("films/newer/c", SECRET),
            ("films/d", SECRET),
            ("music/e", SECRET),
        ] {
            folder.file(name, bytes);
        }
        folder.sparse("films/large", 64 << 20);
        symlink("../d", folder.path().join("films/new/last")).unwrap();
        symlink("../newer", folder.path().join("films/new/middle")).unwrap();
        symlink("../../music", folder.path().join("films/new/elsewhere")).unwrap();
        let mut accounts = Accounts::default();
        accounts.users.insert("anna".parse().unwrap(), user(Role::Normal, &[]));
        accounts.users.insert("kid".parse().unwrap(), user(Role::Limited, &["films/new"]));
        let share = |name: &str| Share {
            name: Some(name.to_owned()),
            path: folder.path().join(name),
            public: false,
            hidden: false,
            on: true,
        };
        let config = Config { shares: vec![share("films"), share("music")], ..Config::default() };
        let layout = Folders::default().layout(&config.shares).unwrap();
        let control = Arc::new(Control::with_accounts(config, Arc::new(Book::in_memory(accounts))));
        let server = Embedded::of_store(control.clone(), Arc::new(Shares::new(layout))).await;
        Self { folder, server, control }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Accounts) -> Result<T, changes::Wrong>) -> T {
        let done = self.control.callers().book().update(change).unwrap();
        self.control.review();
        done
    }

    fn link_of(
        &self,
        user: Option<&str>,
        path: &str,
        password: Option<&str>,
        downloads: Option<u64>,
    ) -> (TokenId, String) {
        let password = password.map(|password| PasswordHash::of(&Secret::new(password)).unwrap());
        let user = user.map(|name| name.parse().unwrap());
        let wanted = NewLink { user, path: at(path), password, days: 1, downloads };
        let (id, code) = self.change(|accounts| accounts.add_link(wanted));
        (id, format!("/s/{}", code.expose()))
    }

    fn link(&self, path: &str) -> String {
        self.link_of(None, path, None, None).1
    }

    async fn get(&self, target: &str, fields: &[&str]) -> Reply {
        request(self.server.address(), "GET", target, fields).await
    }

    async fn client(&self, link: &str) -> Client {
        welcomed(Client::open(&format!("{}{link}", self.server.address()), None).await.unwrap(), None).await
    }

    async fn unlock(&self, link: &str, password: &str) -> Reply {
        let body = format!("password={password}");
        let fields = ["Content-Type: application/x-www-form-urlencoded", &format!("Content-Length: {}", body.len())];
        send(self.server.address(), format!("{}{body}", head("POST", link, &fields))).await
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The client after its greeting, which may have a token.
async fn welcomed(mut client: Client, token: Option<&str>) -> Client {
    let (min_version, max_version) = VERSIONS;
    let token = token.map(str::to_owned);
    let hello = Hello {
        min_version,
        max_version,
        features: features::BUNDLES | features::SEARCH,
        agent: "test".to_owned(),
        token,
    };
    client.send(&ClientMessage::Hello(hello)).await;
    let answer = client.receive().await;
    assert!(matches!(answer, ServerMessage::Welcome(_)), "{answer:?}");
    client
}

async fn names(client: &mut Client, path: &str) -> Vec<String> {
    client.list(path).await.unwrap().into_iter().map(|entry| entry.name).collect()
}

#[tokio::test]
async fn a_link_to_a_file_opens_it_and_neither_its_siblings_nor_its_folder() {
    let site = Site::new().await;
    let link = site.link("films/new/a film.mkv");
    let page = site.get(&link, &[]).await;
    assert!(page.status == 200 && page.text().contains("a film.mkv") && page.text().contains("17 B"), "{page:?}");
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    let file = site.get(&format!("{link}/files/a%20film.mkv"), &[]).await;
    assert!(file.status == 200 && file.body == OPEN, "{file:?}");
    assert_eq!(file.header("referrer-policy"), Some("no-referrer"));
    let part = site.get(&format!("{link}/files/a%20film.mkv"), &["Range: bytes=1-2"]).await;
    assert_eq!((part.status, &part.body[..]), (206, &OPEN[1..3]));
    // Its folder shows it alone, in each form.
    for query in ["", "?json", "?tar"] {
        let folder = site.get(&format!("{link}/files/{query}"), &[]).await;
        let text = String::from_utf8_lossy(&folder.body);
        assert!(folder.status == 200 && !text.contains("sub") && !contains(&folder.body, SECRET), "{query}: {text}");
    }
    let archive = unzipped(&site.get(&format!("{link}/files/?zip"), &[]).await.body);
    let files: Vec<_> = archive.values().filter_map(Clone::clone).collect();
    assert_eq!(files, [OPEN], "{archive:?}");
    for target in
        ["sub/b", "sub/", "last", "middle/c", "films/new/a%20film.mkv", "new/", "../d", "..%2fd", "%2e%2e/d", "large"]
    {
        for method in ["GET", "HEAD"] {
            for query in ["", "?json", "?zip"] {
                let target = format!("{link}/files/{target}{query}");
                let refused = request(site.server.address(), method, &target, &[]).await;
                assert_eq!(refused.status, 404, "{method} {target}: {refused:?}");
            }
        }
    }
    let mut client = site.client(&link).await;
    assert_eq!(names(&mut client, "").await, ["a film.mkv"]);
    assert_eq!(client.fetch("a film.mkv").await, OPEN);
    for path in ["sub/b", "last", "films", "films/new/a film.mkv", "new"] {
        assert_eq!(client.open_file(path).await.unwrap_err().code, ErrorCode::NotFound, "{path}");
        assert_eq!(client.stat(path).await.unwrap_err().code, ErrorCode::NotFound, "{path}");
        assert!(client.list(path).await.is_err(), "{path}");
    }
}

#[tokio::test]
async fn a_link_to_a_folder_opens_all_of_it_and_no_link_in_it_leads_out() {
    let site = Site::new().await;
    let link = site.link("films/new");
    let page = site.get(&link, &[]).await;
    assert!(
        page.status == 200 && page.text().contains("<bdi>new</bdi>") && page.text().contains("A folder"),
        "{page:?}"
    );
    assert_eq!(site.get(&format!("{link}/files/new/sub/b"), &[]).await.body, OPEN);
    let moved = site.get(&format!("{link}/files/new/sub"), &[]).await;
    assert_eq!((moved.status, moved.header("location")), (301, Some(&*format!("{link}/files/new/sub/"))));
    let archive = unzipped(&site.get(&format!("{link}/files/new/?zip"), &[]).await.body);
    let files: Vec<_> = archive.values().filter_map(Clone::clone).collect();
    assert!(files.len() >= 2 && files.iter().all(|bytes| !contains(bytes, SECRET)), "{archive:?}");
    // The opened thing counts: links, last and in the middle, and a folder whose name begins as the link's does.
    for target in ["new/last", "new/middle/c", "new/elsewhere/e", "newer/c", "newer/", "d", "large", "new/../d"] {
        for query in ["", "?json&hash", "?zip"] {
            let refused = site.get(&format!("{link}/files/{target}{query}"), &[]).await;
            assert!([403, 404].contains(&refused.status) && !contains(&refused.body, SECRET), "{target}: {refused:?}");
        }
    }
    let mut client = site.client(&link).await;
    assert_eq!(names(&mut client, "").await, ["new"]);
    assert_eq!(client.fetch("new/sub/b").await, OPEN);
    for path in ["new/last", "new/middle/c", "new/elsewhere/e", "newer/c", "d", "music/e"] {
        assert!(client.open_file(path).await.is_err(), "{path}");
    }
    for word in ["b", "c", "d", "e", "film", "large"] {
        let found = client.search("", word).await.unwrap();
        assert!(found.iter().all(|path| path.as_str().starts_with("new/")), "{word}: {found:?}");
    }
    assert_eq!(client.search("", "b").await.unwrap(), [at("new/sub/b")]);
    for files in client.bundle("new", &["last", "a film.mkv"]).await.unwrap() {
        if let wstp_protocol::Bundled::File(file) = files {
            assert_eq!(&file.data[..], OPEN);
        }
    }
    // Nothing else of the server lies beneath a link, and a link is a proof for nothing else.
    for target in ["/admin/", "/login/links", "/metrics", "/healthz", "/s/x"] {
        assert_eq!(site.get(&format!("{link}{target}"), &[]).await.status, 404, "{target}");
    }
    assert_eq!(site.get("/files/films/new/sub/b", &[]).await.status, 401);
}

#[tokio::test]
async fn what_never_was_a_link_and_what_is_none_any_more_look_the_same() {
    let site = Site::new().await;
    let (id, link) = site.link_of(None, "films/d", Some(PASSWORD), None);
    site.change(|accounts| accounts.remove_link(&id, None));
    for below in ["", "/files/d", "/files/", "/ws"] {
        let gone = site.get(&format!("{link}{below}"), &[]).await;
        let never = site.get(&format!("/s/AAAAAAAAAAAAAAAAAAAAAA{below}"), &[]).await;
        assert_eq!((gone.status, &gone.body), (never.status, &never.body), "{below}");
    }
    assert_eq!(site.get("/s/", &[]).await.status, 404);
    assert_eq!(site.get(&format!("/s/{}", "x".repeat(5000)), &[]).await.status, 404);
}

#[tokio::test]
async fn a_password_comes_before_everything_and_makes_no_address_that_works_without_it() {
    let site = Site::new().await;
    let (_, link) = site.link_of(None, "films/new/a film.mkv", Some(PASSWORD), None);
    let (_, other) = site.link_of(None, "films/new/a film.mkv", Some(PASSWORD), None);
    let file = format!("{link}/files/a%20film.mkv");
    let locked = async |fields: &[&str]| {
        for target in [link.clone(), format!("{link}/")] {
            let page = site.get(&target, fields).await;
            assert_eq!(page.status, 403);
            for told in ["film", "17 B", "files", "wstp get"] {
                assert!(!page.text().contains(told), "{told}: {}", page.text());
            }
        }
        for below in ["a%20film.mkv", "", "?json", "?zip", "nothing"] {
            let target = format!("{link}/files/{below}");
            for method in ["GET", "HEAD"] {
                let refused = request(site.server.address(), method, &target, fields).await;
                assert_eq!(refused.status, 401, "{method} {target}");
                assert!(!refused.text().contains("film"), "{refused:?}");
            }
        }
    };
    locked(&[]).await;
    let mut client = Client::open(&format!("{}{link}", site.server.address()), None).await.unwrap();
    client.send(&greeting(None)).await;
    assert!(
        matches!(client.receive().await, ServerMessage::Failure(failure) if failure.code == ErrorCode::Unauthorized)
    );

    let wrong = site.unlock(&link, "wrong+one").await;
    assert_eq!((wrong.status, wrong.header("set-cookie")), (403, None));
    let right = site.unlock(&link, "correct+horse%20battery").await;
    assert_eq!((right.status, right.header("location")), (303, Some(&*link)));
    let set = right.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", &format!("Path={link};")] {
        assert!(set.contains(part), "{set}");
    }
    let cookie = format!("Cookie: {}", set.split(';').next().unwrap());
    assert!(site.get(&link, &[&cookie]).await.text().contains("a film.mkv"));
    assert_eq!(site.get(&file, &[&cookie]).await.body, OPEN);
    // The same address without the cookie, and the cookie at another link.
    locked(&[]).await;
    locked(&["Cookie: wstp-link=0000"]).await;
    assert_eq!(site.get(&format!("{other}/files/a%20film.mkv"), &[&cookie]).await.status, 401);
    // Programs send the password itself.
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("any:{PASSWORD}"));
    assert_eq!(site.get(&file, &[&format!("Authorization: Basic {basic}")]).await.body, OPEN);
    let client = Client::open(&format!("{}{link}", site.server.address()), None).await.unwrap();
    let mut client = welcomed(client, Some(PASSWORD)).await;
    assert_eq!(client.fetch("a film.mkv").await, OPEN);
    // Guessing backs off, and another link at the same address is not kept waiting.
    let mut last = 403;
    for guess in 0..10 {
        last = site.unlock(&other, &format!("guess+{guess}")).await.status;
    }
    assert_eq!(last, 429);
    assert_eq!(site.unlock(&link, "correct+horse%20battery").await.status, 303);
}

#[tokio::test]
async fn a_password_in_any_script_gives_a_program_a_token_of_that_link_alone() {
    const PASSWORD: &str = "Grüße an alle 😀";
    let site = Site::new().await;
    let (id, link) = site.link_of(None, "films/new/a film.mkv", Some(PASSWORD), None);
    let (_, other) = site.link_of(None, "films/new/a film.mkv", Some(PASSWORD), None);
    let open = site.link("films/new/a film.mkv");
    let (page, file) = (format!("{link}/login"), "files/a%20film.mkv");
    let basic = |password: &str| {
        let text = base64::engine::general_purpose::STANDARD.encode(format!(":{password}"));
        format!("Authorization: Basic {text}")
    };
    let post = async |target: &str, field: &str| request(site.server.address(), "POST", target, &[field]).await;
    assert_eq!(site.get(&page, &[]).await.status, 401);
    assert_eq!(post(&page, &basic("Grüße an keinen")).await.status, 401);
    assert_eq!(post(&format!("{open}/login"), &basic(PASSWORD)).await.status, 404, "it has no password");
    let given = post(&page, &basic(PASSWORD)).await;
    assert_eq!(given.header("cache-control"), Some("no-store"));
    let given: serde_json::Value = serde_json::from_slice(&given.body).unwrap();
    assert!(given["user"].is_null() && given["expires"].as_u64().is_some(), "{given}");
    let token = given["token"].as_str().unwrap();
    let bearer = format!("Authorization: Bearer {token}");

    // It opens this link, by each door, and nothing else; and it tells nothing of the folders above.
    assert_eq!(site.get(&format!("{link}/{file}"), &[&bearer]).await.body, OPEN);
    let client = Client::open(&format!("{}{link}", site.server.address()), None).await.unwrap();
    let mut client = welcomed(client, Some(token)).await;
    assert_eq!(client.fetch("a film.mkv").await, OPEN);
    let who = site.get(&page, &[&bearer]).await;
    assert!(who.status == 200 && who.text().contains("\"is_proven\":true") && !who.text().contains("films"), "{who:?}");
    for target in [format!("{other}/{file}"), "/files/films/d".to_owned(), "/login".to_owned()] {
        assert_eq!(site.get(&target, &[&bearer]).await.status, 401, "{target}");
    }
    assert_eq!(post(&page, &bearer).await.status, 401, "a token gives no other one");
    assert_eq!(site.get(&link, &[]).await.status, 403, "the address works without a password for nobody");

    // A wrong token is no guess of a password; and the token ends at once when it is revoked.
    let wrong = format!("Authorization: Bearer wstp_{}", "0".repeat(64));
    for _ in 0..20 {
        assert_eq!(site.get(&page, &[&wrong]).await.status, 401);
    }
    assert_eq!(post(&page, &basic(PASSWORD)).await.status, 200);
    assert_eq!(request(site.server.address(), "DELETE", &page, &[&bearer]).await.status, 204);
    loop {
        if let ServerMessage::Failure(failure) = client.receive().await {
            break assert_eq!(failure.code, ErrorCode::Unauthorized);
        }
    }
    assert_eq!(site.get(&format!("{link}/{file}"), &[&bearer]).await.status, 401);
    assert_eq!(site.control.callers().book().accounts().links[&id].tokens.len(), 1, "the other one stays");
}

/// Begins to download the large file and stops to read it.
async fn begun(site: &Site, link: &str) -> TcpStream {
    let mut stream = TcpStream::connect(site.server.address()).await.unwrap();
    stream.write_all(head("GET", &format!("{link}/files/large"), &[]).as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stream
}

#[tokio::test]
async fn a_link_ends_with_its_downloads_when_it_is_removed_its_maker_loses_the_right_or_its_time_is_over() {
    let site = Site::new().await;
    let (removed, one) = site.link_of(None, "films/large", None, None);
    let (_, two) = site.link_of(Some("anna"), "films/large", None, None);
    let (_, three) = site.link_of(Some("anna"), "films/large", None, None);
    let (over, four) = site.link_of(None, "films/large", None, None);
    let links = [&one, &two, &three, &four];
    let mut downloads = Vec::new();
    for link in links {
        downloads.push((begun(&site, link).await, site.client(link).await));
    }
    site.change(|accounts| accounts.remove_link(&removed, None));
    let anna = "anna".parse().unwrap();
    site.change(|accounts| {
        accounts.users.insert("anna".parse().unwrap(), user(Role::Limited, &["films/new"]));
        accounts.links.get_mut(&over).unwrap().expires = 1;
        Ok(())
    });
    for ((mut download, mut client), link) in downloads.into_iter().zip(links) {
        let mut rest = Vec::new();
        // The end of the connection comes before that of the file.
        let _reset = download.read_to_end(&mut rest).await;
        assert!(rest.len() < 64 << 20, "{link}: the whole file came");
        loop {
            if let ServerMessage::Failure(failure) = client.receive().await {
                break assert_eq!(failure.code, ErrorCode::Unauthorized, "{link}");
            }
        }
        assert_eq!(site.get(&format!("{link}/files/large"), &[]).await.status, 404, "{link}");
    }
    // The right comes back, and the link with it. The user goes, and so does the link.
    site.change(|accounts| {
        accounts.users.insert("anna".parse().unwrap(), user(Role::Normal, &[]));
        Ok(())
    });
    assert_eq!(site.get(&two, &[]).await.status, 200);
    site.change(|accounts| accounts.remove_user(&anna).map(drop));
    assert_eq!(site.get(&two, &[]).await.status, 404);
    assert_eq!(site.folder.path().join("films/large").metadata().unwrap().len(), 64 << 20);
}

#[tokio::test]
async fn downloads_are_counted_by_visitors_and_ranges_and_resumes_are_free() {
    let site = Site::new().await;
    let (id, link) = site.link_of(None, "films/new", None, Some(1));
    let left = || site.control.callers().book().accounts().links[&id].downloads.unwrap().left();
    let (film, address) = (format!("{link}/files/new/a%20film.mkv"), site.server.address());
    for looked in [
        request(address, "HEAD", &film, &[]).await,
        site.get(&link, &[]).await,
        site.get(&format!("{link}/files/new/"), &[]).await,
    ] {
        assert_eq!(looked.status, 200);
    }
    assert_eq!(left(), 1, "looking is free");
    let (one, two) = tokio::join!(site.get(&film, &["Range: bytes=0-3"]), site.get(&film, &["Range: bytes=4-"]));
    assert_eq!((one.status, two.status, left()), (206, 206, 0));
    assert_eq!(site.get(&format!("{link}/files/new/sub/b"), &[]).await.status, 200);
    assert_eq!(site.client(&link).await.fetch("new/a film.mkv").await, OPEN);
    assert_eq!(site.get(&link, &[]).await.status, 200);
    // Another visitor comes too late, by whichever door: to it the link has ended.
    for below in ["", "/files/new/a%20film.mkv", "/files/new/?zip", "/files/", "/files/?json"] {
        let late = request_from("127.0.0.2", address, &format!("{link}{below}")).await;
        assert!(late.status == 404 && late.text().contains("has ended"), "{below}: {late:?}");
    }
    let mut client = Client::open_from("127.0.0.2", &format!("{address}{link}")).await;
    client.send(&greeting(None)).await;
    assert!(matches!(client.receive().await, ServerMessage::Failure(failure) if failure.code == ErrorCode::UsedUp));
}

#[tokio::test]
async fn a_token_with_a_number_of_downloads_opens_so_many_files() {
    let site = Site::new().await;
    let (id, token) = site.change(|accounts| accounts.add_token(Some("anna".parse().unwrap()), Vec::new(), 1, Some(2)));
    let field = format!("Authorization: Bearer {}", token.expose());
    let get = async |target: &str| site.get(&format!("/files/{target}"), &[&field]).await.status;
    for target in ["films/d", "films/d", "films/newer/c", "films/d", "films/"] {
        assert_eq!(get(target).await, 200, "{target}");
    }
    assert_eq!((get("music/e").await, get("films/?zip").await), (403, 403));
    let client = Client::open(site.server.address(), None).await.unwrap();
    let mut client = welcomed(client, Some(token.expose())).await;
    assert_eq!(client.fetch("films/d").await, SECRET);
    let refused = client.open_file("music/e").await.unwrap_err();
    assert!(refused.code == ErrorCode::UsedUp && refused.text.contains("used up"), "{refused:?}");
    assert_eq!(site.control.callers().book().accounts().tokens[&id].downloads.unwrap().left(), 0);
}

#[tokio::test]
async fn a_code_is_in_no_log_no_list_and_no_file() {
    let folder = Folder::new();
    folder.file("one/film", OPEN);
    let state = folder.path().join("state");
    let text = format!("state_dir = {state:?}\n[shares.films]\npath = \"one\"\n");
    folder.file("wstp.toml", text.as_bytes());
    let log = folder.path().join("log");
    let server = Server::configured(&folder.path().join("wstp.toml"), &log).await;
    let manage = async |arguments: &[&str]| wstp_testkit::Server::manage(&state, arguments, PASSWORD).await.unwrap();
    let url = format!("http://{}/", server.address());
    let link = manage(&["link", "add", "films/film", "--password", "--downloads", "5", "--server", &url]).await;
    let link = link.trim().strip_prefix(url.trim_end_matches('/')).unwrap().to_owned();
    let code = link.strip_prefix("/s/").unwrap();
    until("the server to know the link", LONG, async || {
        Ok((request(server.address(), "GET", &link, &[]).await.status == 403).then_some(()))
    })
    .await
    .unwrap();
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("any:{PASSWORD}"));
    let basic = format!("Authorization: Basic {basic}");
    assert_eq!(request(server.address(), "GET", &format!("{link}/files/film"), &[&basic]).await.body, OPEN);
    let client = Client::open(&format!("{}{link}", server.address()), None).await.unwrap();
    let mut client = welcomed(client, Some(PASSWORD)).await;
    assert_eq!(client.fetch("film").await, OPEN);
    assert_eq!(request(server.address(), "GET", &format!("{link}/nothing"), &[]).await.status, 404);
    let list = manage(&["link", "list"]).await;
    assert!(list.contains("films/film") && list.contains("4 downloads left") && list.contains("password"), "{list}");
    let figures = request(server.address(), "GET", "/metrics", &[]).await;
    assert!(figures.text().contains("wstp_links 1"), "{figures:?}");
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("connected"), "the log says something: {log}");
    let kept = std::fs::read_to_string(state.join("accounts.toml")).unwrap();
    for (place, text) in [("log", log), ("list", list), ("figures", figures.text().to_owned()), ("accounts", kept)] {
        assert!(!text.contains(code) && !text.contains(PASSWORD), "a secret is in the {place}");
    }
    let id = manage(&["link", "list"]).await.split('\t').next().unwrap().to_owned();
    manage(&["link", "rm", &id]).await;
    until("the link to end", LONG, async || {
        Ok((request(server.address(), "GET", &link, &[]).await.status == 404).then_some(()))
    })
    .await
    .unwrap();
}
