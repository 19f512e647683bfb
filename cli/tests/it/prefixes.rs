//! A server below a path of its own, behind real proxies that have other pages too.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::support::{MIB, sample, write, wstp};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RANGE, SET_COOKIE};
use reqwest::{Client, Response, redirect::Policy};
use tempfile::tempdir;
use wstp_testkit::{LONG, Program, Server, until, workspace};

/// A name that is hard to carry in a URL.
const ODD: &str = "50% & a?b#c;d+é";
/// The folder `sub` as it is listed.
const SUB: &str = "50% & a?b#c;d+é/\ny\n";
const PASSWORD: &str = "correct horse battery";
/// The lines of nginx in docs/server.md.
const TO_SERVER: &str = "proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_buffering off; \
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; \
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";

/// The lines of docs/server.md for a proxy, for this server in place of the one there.
fn recipe(name: &str, server: SocketAddr) -> String {
    let docs = fs::read_to_string(workspace().join("docs/server.md")).unwrap();
    let (_, rest) = docs.split_once(&format!("\n{name}:\n\n")).unwrap();
    let lines = rest.lines().map_while(|line| line.strip_prefix("    "));
    lines.map(|line| format!("{line}\n")).collect::<String>().replace("127.0.0.1:3000", &server.to_string())
}

struct Site {
    client: Client,
    at: String,
}

impl Site {
    fn at(proxy: &Program) -> Self {
        let _may_be_there = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        Self {
            client: Client::builder().redirect(Policy::none()).build().unwrap(),
            at: format!("http://{}", proxy.address()),
        }
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.at)).send().await.unwrap()
    }
}

/// A file and a folder, and a server that everybody may read and one may administer.
async fn served(folder: &Path, bytes: &[u8]) -> Server {
    write(folder, "share/x", bytes);
    write(folder, "share/sub/y", b"in a folder");
    write(folder, &format!("share/sub/{ODD}/z"), b"in an odd folder");
    let state = folder.join("state");
    Server::manage(&state, &["user", "add", "root", "--role", "admin"], PASSWORD).await.unwrap();
    let arguments = ["--base", "/wstp/", "--public", "--trusted-proxy", "127.0.0.1", "--state-dir"];
    let arguments: Vec<_> = arguments.into_iter().chain(state.to_str()).collect();
    Server::start_with(&folder.join("share"), "127.0.0.1:0".parse().unwrap(), &arguments).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_below_a_path_is_found_behind_each_proxy_and_everything_works_there() {
    let (folder, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(MIB + 1, 1);
    let server = served(folder.path(), &bytes).await;
    let to = server.address();
    let mut links = Vec::new();
    for path in ["x", "sub"] {
        let made =
            Server::manage(&folder.path().join("state"), &["link", "add", path, "--server", ""], "").await.unwrap();
        links.push(made.trim().to_owned());
    }
    let nginx = format!("location / {{ return 404; }} location /wstp/ {{ proxy_pass http://{to}; {TO_SERVER} }}");
    let nginx = Program::nginx(&nginx).await.unwrap();
    let haproxy =
        format!("option forwardfor\nuse_backend wstp if {{ path_beg /wstp/ }}\nbackend wstp\nserver wstp {to}\n");
    let haproxy = Program::haproxy(&haproxy).await.unwrap();
    let caddy = recipe("Caddy", to);
    let caddy = caddy.trim().strip_prefix("nas.example {").and_then(|lines| lines.strip_suffix('}')).unwrap();
    let caddy = Program::caddy(&format!("{caddy}\nrespond 404")).await.unwrap();
    let apache = recipe("Apache 2.4.47 or later, with `mod_proxy_http`", to);
    let apache = Program::apache(&apache).await.unwrap();
    for proxy in [nginx, haproxy, caddy, apache] {
        let site = Site::at(&proxy);
        let typed = format!("{}/wstp/", site.at);
        for (source, listed) in
            [(typed.clone(), "sub/\nx\n"), (format!("{typed}files/sub/"), SUB), (format!("{typed}sub"), SUB)]
        {
            for carrier in ["ws", "http"] {
                let ended = wstp(here.path(), &["ls", &source, "--carrier", carrier]).await;
                assert_eq!(ended.stdout, listed, "{source} by {carrier}: {ended:?}");
            }
        }
        for source in [format!("{typed}x"), format!("{typed}files/x")] {
            let ended = wstp(here.path(), &["get", &source]).await;
            assert_eq!(ended.code, Some(0), "{source}: {ended:?}");
            assert!(fs::read(here.path().join("x")).unwrap() == bytes);
            fs::remove_file(here.path().join("x")).unwrap();
        }
        for (link, name) in [(&links[0], "x"), (&links[1], "sub/y")] {
            let link = format!("{}/wstp{link}", site.at);
            until("the server to know the link", LONG, async || {
                Ok((site.client.get(&link).send().await?.status() == 200).then_some(()))
            })
            .await
            .unwrap();
            let ended = wstp(here.path(), &["get", &link]).await;
            assert_eq!(ended.code, Some(0), "{link}: {ended:?}");
            let share = folder.path().join("share");
            assert!(fs::read(here.path().join(name)).unwrap() == fs::read(share.join(name)).unwrap());
        }
        fs::remove_file(here.path().join("x")).unwrap();
        fs::remove_dir_all(here.path().join("sub")).unwrap();
        plain_http_works(&site, &bytes).await;
        an_administrator_logs_in(&site).await;
        assert_ne!(site.get("/").await.status(), 200, "the proxy's own pages stay its own");
    }
    let ended = wstp(here.path(), &["get", &format!("http://{to}/wstp/s/AAAAAAAAAAAAAAAAAAAAAA")]).await;
    assert!(ended.code == Some(3) && ended.stderr.contains("This link has ended"), "{ended:?}");
    // Without the proxy, the server says where it is.
    let direct = Site { at: format!("http://{to}"), ..Site::at(&Program::nginx("").await.unwrap()) };
    let ended = wstp(here.path(), &["ls", &to.to_string()]).await;
    assert_eq!(ended.stdout, "sub/\nx\n", "{ended:?}");
    for (path, status, location) in
        [("/", 307, Some("/wstp/")), ("/wstp", 307, Some("/wstp/")), ("/files/x", 404, None), ("/wstpx/", 404, None)]
    {
        let answer = direct.get(path).await;
        let told = answer.headers().get(LOCATION).map(|location| location.to_str().unwrap());
        assert_eq!((answer.status().as_u16(), told), (status, location), "{path}");
    }
}

async fn plain_http_works(site: &Site, bytes: &[u8]) {
    let part = site.client.get(format!("{}/wstp/files/x", site.at)).header(RANGE, "bytes=8190-9000").send().await;
    let part = part.unwrap();
    assert_eq!(part.status(), 206);
    assert!(part.bytes().await.unwrap() == bytes[8190..=9000]);
    let odd = site.get("/wstp/files/sub/50%25%20%26%20a%3Fb%23c%3Bd%2B%C3%A9/z").await;
    assert_eq!((odd.status().as_u16(), &odd.bytes().await.unwrap()[..]), (200, &b"in an odd folder"[..]));
    let moved = site.get("/wstp/files/sub").await;
    assert_eq!((moved.status().as_u16(), moved.headers()[LOCATION].to_str().unwrap()), (301, "/wstp/files/sub/"));
    let page = site.get("/wstp/files/sub/").await.text().await.unwrap();
    assert!(page.contains("href=\"/wstp/style.css\""), "{page}");
    let start = site.get("/wstp/").await.text().await.unwrap();
    assert!(!start.contains("=\"/"), "an address of its own begins at the proxy's root: {start}");
    for path in ["/wstp/style.css", "/wstp/healthz", "/wstp/metrics", "/wstp/admin/style.css"] {
        assert_eq!(site.get(path).await.status(), 200, "{path}");
    }
}

async fn an_administrator_logs_in(site: &Site) {
    let asked = |call: &str| format!("{}/wstp/admin/api/{call}", site.at);
    let login = serde_json::json!({ "name": "root", "password": PASSWORD }).to_string();
    let login = site.client.post(asked("login")).header("wstp-admin", "1").body(login);
    let login = login.header(CONTENT_TYPE, "application/json");
    let answer = login.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.contains("Path=/wstp/admin;"), "{cookie}");
    let visit = site.client.get(asked("visit")).header("cookie", cookie.split(';').next().unwrap()).send().await;
    assert!(visit.unwrap().text().await.unwrap().contains("root"));
}

/// The proxy keeps its password to itself, and the server has its own logins where the proxy asks for none.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_at_the_proxy_protects_the_pages_and_the_server_protects_the_rest() {
    let (folder, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(1000, 1);
    let server = served(folder.path(), &bytes).await;
    let passwords = folder.path().join("passwords");
    fs::write(&passwords, "guest:{PLAIN}welcome\n").unwrap();
    let pass = format!("proxy_pass http://{}; {TO_SERVER}", server.address());
    let asks =
        format!("auth_basic wstp; auth_basic_user_file {}; proxy_set_header Authorization \"\";", passwords.display());
    let nginx = format!(
        "location /wstp/ {{ {pass} {asks} }} location = /wstp/ws {{ {pass} }} location = /wstp/login {{ {pass} }}"
    );
    let nginx = Program::nginx(&nginx).await.unwrap();
    let site = Site::at(&nginx);
    assert_eq!(site.get("/wstp/files/x").await.status(), 401);
    let url = format!("{}/wstp/files/x", site.at);
    let answer = site.client.get(&url).basic_auth("guest", Some("welcome")).send().await.unwrap();
    assert!(!answer.headers().contains_key(AUTHORIZATION));
    assert!(answer.bytes().await.unwrap() == bytes[..]);
    let ended = wstp(here.path(), &["get", &url]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let login = format!("{}/wstp/login", site.at);
    let answer = site.client.post(login).basic_auth("root", Some(PASSWORD)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}
