//! The administration: who may come, what it tells, and what it changes on a running server.

mod crowd;
mod files;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use wstp_protocol::ServerMessage;
use wstp_testkit::{LONG, until};

use crate::support::plain::{Reply, head, request, send};
use crate::support::{Folder, Server};

const PASSWORD: &str = "correct horse battery";
const JSON: &str = "Content-Type: application/json";
const OWN: &str = "wstp-admin: 1";

struct Site {
    folder: Folder,
    server: Server,
}

impl Site {
    /// Two shares, and nobody who administers them. `more` are lines of the configuration.
    async fn new(more: &str) -> Self {
        let folder = Folder::new();
        folder.file("one/film", &vec![7; 4 << 20]);
        folder.file("two/song", b"second");
        let state = folder.path().join("state");
        let text = format!(
            "# kept\nstate_dir = {state:?}\n{more}\n[shares.films]\npath = \"one\"\npublic = true\n[shares.music]\npath = \"two\"\n"
        );
        folder.file("wstp.toml", text.as_bytes());
        let server = Server::configured(&folder.path().join("wstp.toml"), &folder.path().join("log")).await;
        Self { folder, server }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The code in the log, which comes a little after the server listens.
    async fn code(&self) -> String {
        let find = async || Ok(self.log().split_once("needs this code: ").map(|(_, rest)| rest.to_owned()));
        let rest = until("the code in the log", LONG, find).await.unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    }

    async fn post(&self, call: &str, fields: &[&str], body: &Value) -> Reply {
        let body = body.to_string();
        let length = format!("Content-Length: {}", body.len());
        let fields: Vec<_> = fields.iter().copied().chain([&length[..]]).collect();
        let head = head("POST", &format!("/admin/api/{call}"), &fields);
        send(self.server.address(), format!("{head}{body}")).await
    }

    async fn get(&self, call: &str, fields: &[&str]) -> Reply {
        request(self.server.address(), "GET", &format!("/admin/{call}"), fields).await
    }

    /// Makes the first administrator. Returns the field with the cookie.
    async fn begin(&self) -> String {
        let first = json!({ "code": self.code().await, "name": "root", "password": PASSWORD });
        cookie(&self.post("first", &[JSON, OWN], &first).await)
    }

    async fn act(&self, cookie: &str, action: Value) -> (u16, Value) {
        let reply = self.post("do", &[JSON, OWN, cookie], &action).await;
        (reply.status, serde_json::from_slice(&reply.body).unwrap())
    }

    /// The next state that the page is told.
    async fn state(&self, cookie: &str) -> Value {
        let mut stream = TcpStream::connect(self.server.address()).await.unwrap();
        stream.write_all(head("GET", "/admin/api/state", &[cookie]).as_bytes()).await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(state) = line.strip_prefix("data: ") {
                return serde_json::from_str(state).unwrap();
            }
        }
        panic!("no state is told");
    }
}

/// The field with the cookie that an answer sets.
fn cookie(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{reply:?}");
    let set = reply.header("set-cookie").expect("a cookie is set");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/admin"] {
        assert!(set.contains(part), "{set}");
    }
    format!("Cookie: {}", set.split(';').next().unwrap())
}

fn error(reply: &Reply) -> String {
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    body["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_first_visitor_proves_to_read_the_log_and_is_the_only_one() {
    let site = Site::new("").await;
    let code = site.code().await;
    assert_eq!(site.get("api/visit", &[]).await.text(), "\"First\"");
    let first = |code: &str, password: &str| json!({ "code": code, "name": "root", "password": password });
    for (wanted, status) in
        [(first("AAAA", PASSWORD), 403), (first(&code, "short"), 422), (json!({ "code": code }), 400)]
    {
        let refused = site.post("first", &[JSON, OWN], &wanted).await;
        assert_eq!((refused.status, refused.header("set-cookie")), (status, None), "{wanted}");
    }
    let wanted = first(&code.to_lowercase(), PASSWORD);
    let (one, two) = tokio::join!(site.post("first", &[JSON, OWN], &wanted), site.post("first", &[JSON, OWN], &wanted));
    let mut both = [one.status, two.status];
    both.sort_unstable();
    assert!(both[0] == 200 && both[1] > 400, "{both:?}");
    let made = if one.status == 200 { one } else { two };
    let cookie = cookie(&made);
    assert_eq!(site.get("api/visit", &[&cookie]).await.text(), "{\"In\":{\"user\":\"root\"}}");
    assert_eq!(site.get("api/visit", &[]).await.text(), "\"Login\"");
    // From now on, what is not public needs a login.
    assert_eq!(request(site.server.address(), "GET", "/files/music/song", &[]).await.status, 401);
    assert_eq!(request(site.server.address(), "GET", "/files/films/film", &["Range: bytes=0-0"]).await.status, 206);
    assert!(site.post("logout", &[JSON, OWN, &cookie], &json!({})).await.status == 200);
    assert_eq!(site.get("api/visit", &[&cookie]).await.text(), "\"Login\"");
}

#[tokio::test]
async fn the_cookie_stays_on_encrypted_ways_also_behind_a_trusted_proxy() {
    let is_secure = async |more: &str, field: &str| {
        let site = Site::new(more).await;
        site.begin().await;
        let login = json!({ "name": "root", "password": PASSWORD });
        let reply = site.post("login", &[JSON, OWN, field], &login).await;
        reply.header("set-cookie").unwrap().contains("; Secure")
    };
    const TRUSTED: &str = "trusted_proxies = [\"127.0.0.1/32\"]";
    assert!(is_secure(TRUSTED, "X-Forwarded-Proto: https").await);
    assert!(!is_secure(TRUSTED, "X-Forwarded-Proto: http").await);
    assert!(!is_secure("", "X-Forwarded-Proto: https").await, "nobody else is believed");
}

#[tokio::test]
async fn only_the_page_of_an_administrator_may_ask() {
    let site = Site::new("").await;
    let cookie = site.begin().await;
    let add = json!({ "AddUser": { "name": "kid", "password": PASSWORD, "role": "normal", "only": [], "rate": null } });
    // Without the cookie, or in a request that a page elsewhere could have its visitor's browser send.
    for (fields, status) in [
        (&[JSON, OWN][..], 401),
        (&[JSON, OWN, "Cookie: wstp-admin-1=0000"], 401),
        (&[JSON, &cookie], 403),
        (&[OWN, &cookie], 403),
        (&[JSON, OWN, &cookie, "Sec-Fetch-Site: cross-site"], 403),
        (&[JSON, OWN, &cookie, "Sec-Fetch-Site: same-site"], 403),
        (&[JSON, OWN, &cookie, "X-Forwarded-For: 192.0.2.1"], 403),
        (&[JSON, OWN, &cookie, "Forwarded: for=127.0.0.1"], 403),
    ] {
        assert_eq!(site.post("do", fields, &add).await.status, status, "{fields:?}");
    }
    let foreign = "GET /admin/api/visit HTTP/1.1\r\nHost: hostile.example\r\nConnection: close\r\n\r\n";
    assert_eq!(send(site.server.address(), foreign).await.status, 403);
    assert_eq!(site.get("api/state", &[]).await.status, 401, "a state is told to administrators alone");
    assert_eq!(site.act(&cookie, add.clone()).await.0, 200);
    assert_eq!(site.act(&cookie, add).await.0, 422, "the name is taken");
    // Another user of the server is no administrator.
    for (name, password, status) in [("kid", PASSWORD, 403), ("kid", "wrong password", 401), ("nobody", PASSWORD, 401)]
    {
        let refused = site.post("login", &[JSON, OWN], &json!({ "name": name, "password": password })).await;
        assert_eq!((refused.status, refused.header("set-cookie")), (status, None), "{name}");
    }
    let (status, words) = site.act(&cookie, json!({ "RemoveUser": { "name": "root" } })).await;
    assert!(status == 422 && words["error"].as_str().unwrap().contains("last administrator"), "{words}");
    // A new password ends the login.
    assert_eq!(
        site.act(&cookie, json!({ "SetPassword": { "name": "root", "password": "another password" } })).await.0,
        200
    );
    assert_eq!(site.act(&cookie, json!({ "RemoveUser": { "name": "kid" } })).await.0, 401);
}

#[tokio::test]
async fn it_tells_what_happens_and_no_secret() {
    let site = Site::new("").await;
    let cookie = site.begin().await;
    let (_, made) = site.act(&cookie, json!({ "AddToken": { "user": "root", "only": ["films"], "days": 1 } })).await;
    let token = made["token"].as_str().unwrap().to_owned();
    let mut client = site.server.connect().await;
    let opened = client.open_file("films/film").await.unwrap();
    // A sixteenth of the file, from its middle on.
    client.blocks(opened.handle, 256, 32).await.unwrap();
    let state = site.state(&cookie).await;
    let shown = state.to_string();
    let sent = format!("{}9999{}", "0".repeat(32), "0".repeat(28));
    assert_eq!(state["clients"][0]["transfers"], json!([{ "path": "films/film", "sent": sent }]), "{shown}");
    assert_eq!(state["clients"][0]["caller"], json!("127.0.0.1"), "{shown}");
    let names: Vec<_> = state["shares"].as_array().unwrap().iter().map(|share| share["name"].clone()).collect();
    assert_eq!(names, ["films", "music"], "{shown}");
    for event in ["root is the first administrator", "root made token", "127.0.0.1 reads films/film"] {
        assert!(shown.contains(event), "{event}: {shown}");
    }
    let key = cookie.split('=').nth(1).unwrap();
    for (place, text) in [("state", shown), ("log", site.log())] {
        for secret in [PASSWORD, &token, key, "argon2id"] {
            assert!(!text.contains(secret), "{secret} is in the {place}");
        }
    }
}

#[tokio::test]
async fn it_ends_connections_and_limits_them_while_they_run() {
    let site = Site::new("").await;
    let cookie = site.begin().await;
    let mut client = site.server.connect().await;
    let opened = client.open_file("films/film").await.unwrap();
    let state = site.state(&cookie).await;
    let number = state["clients"][0]["connection"].clone();
    // 256 KiB at 128 KiB a second take two seconds, and far less without the limit.
    let rate = 128 << 10;
    assert_eq!(site.act(&cookie, json!({ "Limit": { "connection": number, "rate": rate } })).await.0, 200);
    let began = std::time::Instant::now();
    for run in 0..2 {
        client.blocks(opened.handle, run * 16, 16).await.unwrap();
    }
    let limited = began.elapsed();
    assert!(limited > Duration::from_millis(900), "{limited:?}");
    assert_eq!(site.act(&cookie, json!({ "Disconnect": { "connection": number } })).await.0, 200);
    client.find(|message| matches!(message, ServerMessage::Goodbye(_)).then_some(())).await;
    let (status, words) = site.act(&cookie, json!({ "Disconnect": { "connection": 999 } })).await;
    assert!(status == 404 && words["error"].as_str().unwrap().contains("gone"), "{words}");
}

#[tokio::test]
async fn a_share_stops_while_it_is_read_and_comes_back() {
    let site = Site::new("").await;
    let cookie = site.begin().await;
    let mut client = site.server.connect().await;
    client.open_file("films/film").await.unwrap();
    let switch = |on: bool| json!({ "SwitchShare": { "name": "films", "on": on } });
    assert_eq!(site.act(&cookie, switch(false)).await.0, 200);
    client.find(|message| matches!(message, ServerMessage::Goodbye(_)).then_some(())).await;
    let answer =
        async || request(site.server.address(), "GET", "/files/films/film", &["Range: bytes=0-0"]).await.status;
    assert_ne!(answer().await, 206);
    assert_eq!(site.act(&cookie, switch(true)).await.0, 200);
    until("the share to be read again", LONG, async || Ok((answer().await == 206).then_some(()))).await.unwrap();
    let text = std::fs::read_to_string(site.folder.path().join("wstp.toml")).unwrap();
    assert!(text.contains("# kept") && !text.contains("on ="), "{text}");
    let put = |path: &str| json!({ "PutShare": { "name": "more", "path": path, "public": true } });
    assert_eq!(site.act(&cookie, put("/no/such/folder")).await.0, 422);
    assert_eq!(site.act(&cookie, put(site.folder.path().join("two").to_str().unwrap())).await.0, 200);
    let more = async || request(site.server.address(), "GET", "/files/more/song", &[]).await.text() == "second";
    until("the new share to be read", LONG, async || Ok(more().await.then_some(()))).await.unwrap();
}

#[tokio::test]
async fn it_answers_where_the_settings_say() {
    let site = Site::new("admin = \"off\"").await;
    assert_eq!(site.get("", &[]).await.status, 404);
    assert!(!site.log().contains("needs this code"));
    drop(site);
    let site = Site::new("admin = \"everywhere\"").await;
    assert_eq!(site.get("api/visit", &["X-Forwarded-For: 192.0.2.1"]).await.status, 200);
    let page = site.get("", &[]).await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let wrong = site.post("first", &[JSON, OWN], &json!({ "code": "A", "name": "r", "password": PASSWORD })).await;
    assert!(error(&wrong).contains("not the code"));
}
