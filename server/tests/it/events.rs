//! The events that a server keeps: after a kill, beside a damaged database, and as people and programs read them.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use wstp_testkit::{LONG, until};

use crate::support::plain::{head, request, send};
use crate::support::{Folder, Server};

const PASSWORD: &str = "correct horse battery";

/// A share with this many files, and a folder for state. The log is in a file.
fn site(files: usize) -> Folder {
    let folder = Folder::new();
    for number in 0..files {
        folder.file(&format!("films/film-{number}"), b"a film");
    }
    let text =
        format!("state_dir = {:?}\n[shares.films]\npath = \"films\"\npublic = true\n", folder.path().join("state"));
    folder.file("wstp.toml", text.as_bytes());
    folder
}

async fn start(folder: &Folder) -> Server {
    Server::configured(&folder.path().join("wstp.toml"), &folder.path().join("log")).await
}

async fn read(server: &Server, number: usize) {
    assert_eq!(request(server.address(), "GET", &format!("/files/films/film-{number}"), &[]).await.status, 200);
}

/// The output of `wstp-server events`.
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wstp-server"));
    let output = command.arg("events").args(arguments).arg("--state-dir").arg(folder.join("state")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until events with these words are on the disk.
async fn kept(folder: &Folder, words: &str) {
    let look = async || Ok(printed(folder.path(), &[]).contains(words).then_some(()));
    until("the event on the disk", LONG, look).await.unwrap();
}

#[tokio::test]
async fn events_are_read_beside_the_server_and_outlive_a_kill() {
    let folder = site(2);
    let server = start(&folder).await;
    read(&server, 0).await;
    kept(&folder, "127.0.0.1 reads films/film-0").await;
    server.signal(rustix::process::Signal::KILL);
    assert_eq!(server.end().await.0, None);
    assert!(printed(folder.path(), &[]).contains("films/film-0"), "no server runs, and the last one was killed");
    let server = start(&folder).await;
    read(&server, 1).await;
    // A server that stops in good order loses nothing.
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.end().await.0, Some(0));
    let lines = printed(folder.path(), &["--json", "--since", "1h"]);
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts: Vec<_> = events.iter().map(|event| event["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["127.0.0.1 reads films/film-0", "127.0.0.1 reads films/film-1"]);
    assert_eq!(events.iter().map(|event| event["id"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(printed(folder.path(), &["--since", "2200-01-01"]), "");
    let csv = printed(folder.path(), &["--csv"]);
    assert!(csv.starts_with("number,time,event\r\n1,") && csv.ends_with("films/film-1\"\r\n"), "{csv}");
}

#[tokio::test]
async fn a_damaged_database_is_set_aside_in_words_and_the_server_serves() {
    let folder = site(1);
    folder.file("state/events.redb", &b"no database".repeat(1000));
    let server = start(&folder).await;
    read(&server, 0).await;
    kept(&folder, "films/film-0").await;
    assert!(printed(folder.path(), &[]).contains("the log of events was damaged, and a new one begins here"));
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("it is damaged. It is kept as") && log.contains("Nothing else is affected"), "{log}");
    let aside = std::fs::read(folder.path().join("state/events.redb.damaged")).unwrap();
    assert_eq!(aside, b"no database".repeat(1000));
}

#[tokio::test]
async fn an_administrator_searches_and_takes_along_all_that_is_kept() {
    let folder = site(210);
    // An earlier server saw most of it.
    let server = start(&folder).await;
    for number in 0..205 {
        read(&server, number).await;
    }
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.end().await.0, Some(0));
    let server = start(&folder).await;
    for number in 205..210 {
        read(&server, number).await;
    }
    let find_code = async || {
        let log = std::fs::read_to_string(folder.path().join("log"))?;
        Ok(log.rsplit_once("needs this code: ").and_then(|(_, rest)| Some(rest.split_whitespace().next()?.to_owned())))
    };
    let code = until("the code in the log", LONG, find_code).await.unwrap();
    let first = json!({ "code": code, "name": "root", "password": PASSWORD }).to_string();
    let length = format!("Content-Length: {}", first.len());
    let fields = ["Content-Type: application/json", "wstp-admin: 1", &length];
    let made = send(server.address(), format!("{}{first}", head("POST", "/admin/api/first", &fields))).await;
    let cookie = format!("Cookie: {}", made.header("set-cookie").unwrap().split(';').next().unwrap());

    let get = async |path: &str| request(server.address(), "GET", &format!("/admin/api/{path}"), &[&cookie]).await;
    let page = async |query: &str| -> (Vec<(u64, String)>, bool) {
        let page: Value = serde_json::from_slice(&get(&format!("events?{query}")).await.body).unwrap();
        let event = |event: &Value| (event["id"].as_u64().unwrap(), event["text"].as_str().unwrap().to_owned());
        (page["events"].as_array().unwrap().iter().map(event).collect(), page["more"].as_bool().unwrap())
    };
    let (newest, more) = page("search=READS%20films/").await;
    assert_eq!((newest.len(), more), (200, true));
    assert_eq!(newest[0].1, "127.0.0.1 reads films/film-209");
    let oldest = newest[199].0;
    let (older, more) = page(&format!("search=READS%20films/&before={oldest}")).await;
    assert_eq!((older.len(), more), (10, false));
    assert_eq!(older[9].1, "127.0.0.1 reads films/film-0");
    let (found, more) = page("search=film-20&before=99999999").await;
    assert_eq!((found.len(), more), (11, false), "film-20, and film-200 to film-209: {found:?}");
    assert_eq!(get("events?before=x").await.status, 400);

    let csv = get("events.csv").await;
    assert!(csv.header("content-disposition").unwrap().starts_with("attachment"));
    let lines = get("events.jsonl").await;
    let (csv, lines) = (csv.text(), lines.text());
    assert_eq!(csv.lines().count(), lines.lines().count() + 1);
    assert!((212..300).contains(&lines.lines().count()), "all are there once");
    for path in ["events", "events.csv", "events.jsonl"] {
        let refused = request(server.address(), "GET", &format!("/admin/api/{path}"), &[]).await;
        assert_eq!(refused.status, 401, "{path}");
    }
}
