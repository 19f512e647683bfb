//! The share links of users who are no administrators: who may make which, who sees and removes them, and their end.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wstp_server::accounts::Role;

use super::{OPEN, Site, at, user};
use crate::support::plain::{Reply, head, send};

const JSON: &str = "Content-Type: application/json";

impl Site {
    /// The field that proves that somebody is this user.
    fn proof(&self, name: &str, only: &[&str], downloads: Option<u64>) -> String {
        let (user, only) = (name.parse().unwrap(), only.iter().map(|path| at(path)).collect());
        let (_, token) = self.change(|accounts| accounts.add_token(Some(user), only, 1, downloads));
        format!("Authorization: Bearer {}", token.expose())
    }

    async fn make(&self, fields: &[&str], wanted: Value) -> Reply {
        let (body, kind) = (wanted.to_string(), [JSON]);
        let length = format!("Content-Length: {}", body.len());
        let fields: Vec<_> = fields.iter().copied().chain(kind).chain([&length[..]]).collect();
        send(self.server.address(), format!("{}{body}", head("POST", "/login/links", &fields))).await
    }

    async fn made(&self, proof: &str, wanted: Value) -> Value {
        let reply = self.make(&[proof], wanted).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        serde_json::from_slice(&reply.body).unwrap()
    }

    async fn own(&self, proof: &str) -> Value {
        let reply = self.get("/login/links", &[proof]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        serde_json::from_slice::<Value>(&reply.body).unwrap()["links"].clone()
    }

    async fn remove(&self, proof: &str, id: &Value) -> Reply {
        let target = format!("/login/links/{}", id.as_str().unwrap());
        send(self.server.address(), head("DELETE", &target, &[proof])).await
    }
}

#[tokio::test]
async fn a_user_makes_links_to_what_the_user_may_read_and_lists_own_ones() {
    let site = Site::new().await;
    let (kid, anna) = (site.proof("kid", &[], None), site.proof("anna", &[], None));
    let made = site.made(&kid, json!({ "path": "films/new/a film.mkv", "days": 2, "downloads": 3 })).await;
    let link = format!("/{}", made["link"].as_str().unwrap());
    let opened = site.get(&format!("{link}/files/a%20film.mkv"), &[]).await;
    assert!(opened.status == 200 && opened.body == OPEN, "{opened:?}");
    let own = site.own(&kid).await;
    assert_eq!(own.as_array().unwrap().len(), 1, "{own}");
    let expected = json!({
        "id": made["id"], "path": "films/new/a film.mkv", "expires": made["expires"], "downloads": 2,
        "has_password": false, "works": true,
    });
    assert_eq!(own[0], expected);
    assert_eq!(site.own(&anna).await, json!([]), "another user's links are not told");
    let shut = site.made(&anna, json!({ "path": "films/new", "password": "open sesame!" })).await;
    let shut = format!("/{}", shut["link"].as_str().unwrap());
    assert_eq!(site.get(&shut, &[]).await.status, 403);
    assert_eq!(site.unlock(&shut, "open+sesame!").await.status, 303);
    assert_eq!(site.own(&anna).await[0]["has_password"], json!(true));
    let told = site.control.events().newest(10).into_iter().map(|event| event.text).collect::<Vec<_>>().join("\n");
    assert!(told.contains("kid made a link to films/new/a film.mkv for 2 days"), "{told}");
    for secret in [link.trim_start_matches("/s/"), shut.trim_start_matches("/s/"), "sesame"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[tokio::test]
async fn nobody_makes_a_link_to_what_they_may_not_read() {
    let site = Site::new().await;
    let kid = site.proof("kid", &[], None);
    let mut answers = Vec::new();
    // A path gets the same answer whether something is there or not.
    for path in ["films/d", "films/none", "films", "music/e", "music/none", "films/new/none", "films/new/last"] {
        let refused = site.make(&[&kid], json!({ "path": path })).await;
        assert!([404, 422].contains(&refused.status), "{path}: {refused:?}");
        answers.push((path, refused.told().0, refused.text().to_owned()));
    }
    assert!(answers[0].1 == answers[1].1 && answers[0].2 == answers[1].2, "{answers:?}");
    for path in ["", "/", "..", "films/new/../d", "films/new/\u{0}"] {
        let refused = site.make(&[&kid], json!({ "path": path })).await;
        assert_eq!(refused.status, 422, "{path:?}: {refused:?}");
    }
    for wanted in [
        json!({ "path": "films/new", "days": 0 }),
        json!({ "path": "films/new", "days": 99_999 }),
        json!({ "path": "films/new", "downloads": 0 }),
        json!({ "path": "films/new", "user": "anna" }),
        json!({}),
        json!([]),
    ] {
        assert_eq!(site.make(&[&kid], wanted.clone()).await.status, 400, "{wanted}");
    }
    assert_eq!(site.make(&[&kid], json!({ "path": "films/new", "password": "short" })).await.status, 422);
    assert_eq!(site.own(&kid).await, json!([]));
}

#[tokio::test]
async fn a_link_needs_the_right_and_all_of_its_makers_rights() {
    let site = Site::new().await;
    site.change(|accounts| accounts.allow_links(&"anna".parse().unwrap(), false));
    let wanted = || json!({ "path": "films/new" });
    for (fields, status) in [
        (vec![], 401),
        (vec!["Authorization: Bearer wstp_nothing".to_owned()], 401),
        (vec![site.proof("anna", &[], None)], 403),
        // A link would outlive the bounds of such a token.
        (vec![site.proof("kid", &["films/new/sub"], None)], 403),
        (vec![site.proof("kid", &[], Some(5))], 403),
    ] {
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        assert_eq!(site.make(&fields, wanted()).await.status, status, "{fields:?}");
        assert_eq!(site.get("/login/links", &fields).await.status, status, "{fields:?}");
    }
    let link = site.link("films/new");
    let by_link = site.get(&format!("{link}/login/links"), &[]).await;
    assert_eq!(by_link.status, 404, "a link makes no links");
}

#[tokio::test]
async fn only_the_maker_removes_a_link_and_no_answer_tells_whether_another_has_it() {
    let site = Site::new().await;
    site.change(|accounts| accounts.add_user("root".parse().unwrap(), user(Role::Admin, &[])));
    let [kid, anna, root] = ["kid", "anna", "root"].map(|name| site.proof(name, &[], None));
    let made = site.made(&anna, json!({ "path": "films" })).await;
    let page = format!("/{}", made["link"].as_str().unwrap());
    let none = site.remove(&kid, &json!("00000000")).await;
    for other in [&kid, &root] {
        let refused = site.remove(other, &made["id"]).await;
        assert_eq!(refused.status, 404);
        assert_eq!(refused.told(), none.told());
    }
    assert_eq!(site.remove(&kid, &json!("../../x")).await.status, 404);
    assert_eq!(site.get(&page, &[]).await.status, 200, "it is still there");
    assert_eq!(site.remove(&anna, &made["id"]).await.status, 204);
    assert_eq!(site.get(&page, &[]).await.status, 404);
    assert_eq!(site.remove(&anna, &made["id"]).await.status, 404);
}

#[tokio::test]
async fn a_link_and_its_downloads_end_when_its_maker_loses_the_right() {
    let site = Site::new().await;
    let anna = site.proof("anna", &[], None);
    let made = site.made(&anna, json!({ "path": "films/large" })).await;
    let page = format!("/{}", made["link"].as_str().unwrap());
    // More than the buffers on the way take.
    let mut download = TcpStream::connect(site.server.address()).await.unwrap();
    download.write_all(head("GET", &format!("{page}/files/large"), &[]).as_bytes()).await.unwrap();
    download.read_exact(&mut [0; 1024]).await.unwrap();
    site.change(|accounts| accounts.allow_links(&"anna".parse().unwrap(), false));
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(wstp_testkit::LONG, download.read_to_end(&mut rest)).await.expect("it ends");
    assert!(ended.is_err() || rest.len() < 64 << 20, "{} bytes", rest.len());
    assert_eq!(site.get(&page, &[]).await.status, 404);
    assert_eq!(site.get("/login/links", &[&anna]).await.status, 403);
    // The right that comes back gives the link back, as long as it has not ended.
    site.change(|accounts| accounts.allow_links(&"anna".parse().unwrap(), true));
    assert_eq!(site.get(&page, &[]).await.status, 200);
    site.change(|accounts| accounts.remove_user(&"anna".parse().unwrap()));
    assert_eq!(site.get(&page, &[]).await.status, 404);
}

#[tokio::test]
async fn no_page_elsewhere_makes_a_link_with_what_a_browser_remembers() {
    let site = Site::new().await;
    let kid = site.proof("kid", &[], None);
    let wanted = || json!({ "path": "films/new" });
    for field in ["Origin: https://hostile.example", "Origin: null"] {
        let refused = site.make(&[&kid, field], wanted()).await;
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (403, None), "{field}");
    }
    let body = wanted().to_string();
    let length = format!("Content-Length: {}", body.len());
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let fields = [&kid[..], &format!("Content-Type: {kind}"), &length];
        let form = send(site.server.address(), format!("{}{body}", head("POST", "/login/links", &fields))).await;
        assert_eq!(form.status, 400, "a form of a page is no request");
    }
    let foreign = head("GET", "/login/links", &[&kid]).replace("Host: 127.0.0.1", "Host: hostile.example");
    assert_eq!(send(site.server.address(), foreign).await.status, 403);
    let extension = "Origin: chrome-extension://abcdefghijklmnopabcdefghijklmnop";
    let allowed = send(site.server.address(), head("OPTIONS", "/login/links", &[extension])).await;
    assert_eq!(allowed.status, 204, "{allowed:?}");
    assert_eq!(site.own(&kid).await, json!([]));
}
