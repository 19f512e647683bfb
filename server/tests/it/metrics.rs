//! The figures for Prometheus, and whether the server can serve.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use wstp_server::Audience;

use crate::support::plain::{Reply, head, request, request_from, send};
use crate::support::{Client, Folder, Server};

const PASSWORD: &str = "correct horse battery";

/// Samples by name and label.
fn samples(reply: &Reply) -> BTreeMap<String, u64> {
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    let lines = reply.text().lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap())).unwrap())
        .collect()
}

fn repository(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap()
}

#[tokio::test]
async fn the_figures_are_counted_documented_and_name_nobody() {
    let folder = Folder::new();
    folder.file("planted folder/planted file", &[7; 100_000]);
    let server = Server::start(folder.path()).await;
    let ask = async || samples(&request(server.address(), "GET", "/metrics", &[]).await);
    let before = ask().await;
    assert_eq!((before["wstp_sessions"], before["wstp_sent_bytes_total"], before["wstp_seats"]), (0, 0, 256));
    assert_eq!((before["wstp_shares"], before["wstp_shares_there"]), (1, 1));
    let mut client = Client::connect(server.address()).await;
    let opened = client.open_file("planted folder/planted file").await.unwrap();
    client.blocks(opened.handle, 0, 1).await.unwrap();
    request(server.address(), "GET", "/files/planted%20folder/planted%20file", &[]).await;
    request(server.address(), "GET", "/files/planted%20nothing", &["Authorization: Bearer planted-secret"]).await;
    let reply = request(server.address(), "GET", "/metrics", &[]).await;
    let after = samples(&reply);
    assert_eq!((after["wstp_sessions"], after["wstp_callers"], after["wstp_open_files"]), (1, 1, 1));
    assert_eq!(after["wstp_seats_taken"], 1);
    assert!(after["wstp_sent_bytes_total"] >= 108_192, "{after:?}");
    assert_eq!(after["wstp_plain_answers_total{status=\"2xx\"}"], 1);
    assert_eq!(after["wstp_plain_answers_total{status=\"4xx\"}"], 1);
    assert!(after["process_resident_memory_bytes"] > 1 << 20 && after["process_open_fds"] > 3, "{after:?}");
    for secret in ["planted", "127.0.0.1", folder.path().to_str().unwrap()] {
        assert!(!reply.text().contains(secret), "{secret}");
    }

    // Each figure is in the documentation and the other way round, and the dashboard asks for nothing else.
    let names: Vec<_> = after.keys().map(|name| name.split('{').next().unwrap()).collect();
    let (docs, dashboard) = (repository("docs/server.md"), repository("docs/grafana.json"));
    for name in &names {
        assert!(
            docs.contains(&format!("`{name}`")) || docs.contains(&format!("`{name}{{")),
            "{name} is not documented"
        );
    }
    let _valid: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    for text in [docs, dashboard] {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("wstp_") || word.starts_with("process_")) {
            assert!(names.contains(&word), "there is no figure {word}");
        }
    }
}

#[tokio::test]
async fn this_machine_and_administrators_may_read_the_figures() {
    for (reach, expected) in
        [(Audience::Local, [200, 401, 401, 200, 403]), (Audience::Everywhere, [200; 5]), (Audience::Off, [404; 5])]
    {
        let served = crate::callers::serve_with(wstp_server::Config { metrics: reach, ..Default::default() }).await;
        let book = served.control.callers().book();
        book.update(|accounts| {
            let mut user = accounts.users[&"anna".parse().unwrap()].clone();
            user.role = wstp_server::accounts::Role::Admin;
            accounts.users.insert("root".parse().unwrap(), user);
            Ok::<_, wstp_server::accounts::BookError>(())
        })
        .unwrap();
        let basic = |name: &str| {
            let text = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{PASSWORD}"));
            format!("Authorization: Basic {text}")
        };
        // A proxy that is not trusted makes everybody look local.
        let elsewhere = "X-Forwarded-For: 203.0.113.9";
        let mut statuses = Vec::new();
        for fields in [vec![], vec![elsewhere.to_owned()]] {
            let fields: Vec<_> = fields.iter().map(String::as_str).collect();
            statuses.push(request(served.server.address(), "GET", "/metrics", &fields).await.status);
        }
        for field in ["Authorization: Basic bm9ib2R5Om5vYm9keQ==".to_owned(), basic("root"), basic("anna")] {
            statuses.push(request(served.server.address(), "GET", "/metrics", &[elsewhere, &field]).await.status);
        }
        assert_eq!(statuses, expected, "{reach:?}");
        if reach == Audience::Local {
            let figures = samples(&request(served.server.address(), "GET", "/metrics", &[]).await);
            assert_eq!(figures["wstp_logins_refused_total{reason=\"wrong\"}"], 1);
            let foreign = head("GET", "/metrics", &[]).replace("127.0.0.1", "evil.example");
            assert_eq!(send(served.server.address(), foreign).await.status, 421);
            assert_eq!(request(served.server.address(), "POST", "/metrics", &[]).await.status, 405);
        }
        served.server.stop().await;
    }
}

#[tokio::test]
async fn a_server_is_ready_while_its_folder_is_there() {
    let folder = Folder::new();
    folder.file("shared/file", b"");
    let server = Server::start(&folder.path().join("shared")).await;
    let ready = request_from("127.0.0.2", server.address(), "/readyz").await;
    assert_eq!((ready.status, ready.text()), (200, "ready\n"));
    std::fs::rename(folder.path().join("shared"), folder.path().join("away")).unwrap();
    let away = request(server.address(), "GET", "/readyz", &[]).await;
    assert_eq!((away.status, away.text()), (503, "not ready: no shared folder can be read\n"));
    let figures = samples(&request(server.address(), "GET", "/metrics", &[]).await);
    assert_eq!((figures["wstp_shares"], figures["wstp_shares_there"]), (1, 0));
    assert_eq!(request(server.address(), "GET", "/healthz", &[]).await.status, 200);
    std::fs::rename(folder.path().join("away"), folder.path().join("shared")).unwrap();
    assert_eq!(request(server.address(), "GET", "/readyz", &[]).await.status, 200);
}
