//! `wstp link`: the share links of a user who is logged in.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use crate::logins::{PASSWORD as ANNAS, log_in, server};
use crate::support::{command, write, wstp, wstp_in};

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_made_listed_used_and_removed() {
    let (shared, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(shared.path(), "films/a film.mkv", b"content");
    let (control, address) = server(shared.path()).await;
    let home = here.path().to_str().unwrap();
    let run = async |args: &[&str]| wstp_in(here.path(), &[("XDG_CONFIG_HOME", home)], args).await;
    let source = format!("{address}/films/a film.mkv");

    let unknown = run(&["link", "make", &source]).await;
    assert!(unknown.code == Some(3) && unknown.stderr.contains("wstp login"), "{unknown:?}");
    log_in(here.path(), &address, &format!("anna\n{ANNAS}\n")).await;
    let made = run(&["link", "make", &source, "--days", "3", "--downloads", "4"]).await;
    assert!(made.code == Some(0) && made.stderr.contains("for 3 days"), "{made:?}");
    let link = made.stdout.trim().to_owned();
    assert!(link.starts_with(&format!("http://{address}/s/")), "{link}");
    let got = wstp(here.path(), &["get", &link, "--quiet"]).await;
    assert_eq!(got.code, Some(0), "somebody without a login gets it: {got:?}");
    assert_eq!(std::fs::read(here.path().join("a film.mkv")).unwrap(), b"content");

    let listed = run(&["link", "list", &address]).await;
    let line: Vec<_> = listed.stdout.trim_end().split('\t').collect();
    assert_eq!(line[1..], ["films/a film.mkv", "3 days left", "3 downloads left"], "{listed:?}");
    let json = run(&["link", "list", &address, "--json"]).await;
    assert_eq!(json.events("link")[0]["id"], line[0], "{json:?}");
    for (args, code, words) in [
        (&["link", "rm", &address, "00000000"][..], 3, "no link of that number"),
        (&["link", "rm", &address, "x"], 2, "8 hexadecimal digits"),
        (&["link", "make", &format!("{address}/nothing")], 3, "nothing of that name"),
        (&["link", "make", &address], 3, "a share or a path in one is needed"),
    ] {
        let refused = run(args).await;
        assert!(refused.code == Some(code) && refused.stderr.contains(words), "{args:?}: {refused:?}");
    }
    assert_eq!(run(&["link", "rm", &address, line[0]]).await.code, Some(0));
    assert_eq!(run(&["link", "list", &address]).await.stdout, "");
    assert_eq!(wstp(here.path(), &["ls", &link]).await.code, Some(3), "it is gone");

    let anna = "anna".parse().unwrap();
    control.callers().book().update(|accounts| accounts.allow_links(&anna, false)).unwrap();
    let refused = run(&["link", "make", &source]).await;
    assert!(refused.code == Some(3) && refused.stderr.contains("may not make share links"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_links_password_is_read_and_never_said_nor_kept() {
    const PASSWORD: &str = "Grüße an alle 😀";
    let (shared, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(shared.path(), "file", b"content");
    let (_control, address) = server(shared.path()).await;
    let home = here.path().to_str().unwrap();
    log_in(here.path(), &address, &format!("anna\n{ANNAS}\n")).await;
    let mut make = command(here.path(), &["link", "make", &format!("{address}/file"), "--password", "--json"]);
    make.env("XDG_CONFIG_HOME", home).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = make.kill_on_drop(true).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).await.unwrap();
    let made = child.wait_with_output().await.unwrap();
    let said = String::from_utf8([made.stdout.clone(), made.stderr].concat()).unwrap();
    assert!(made.status.success() && !said.contains("alle"), "{said}");
    let told: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let link = told["link"].as_str().unwrap();
    let get = async |environment: &[(&str, &str)]| wstp_in(here.path(), environment, &["get", link, "--quiet"]).await;
    assert_eq!(get(&[]).await.code, Some(3));
    for wrong in ["open-sesame!", "Grüße an keinen"] {
        let refused = get(&[("WSTP_TOKEN", wrong)]).await;
        assert!(refused.code == Some(3) && refused.stderr.contains("not the password of the link"), "{refused:?}");
    }
    for carrier in ["ws", "http"] {
        let environment = [("WSTP_TOKEN", PASSWORD)];
        let got = wstp_in(here.path(), &environment, &["get", link, "--quiet", "--carrier", carrier]).await;
        assert_eq!(got.code, Some(0), "{got:?}");
        assert_eq!(std::fs::read(here.path().join("file")).unwrap(), b"content");
        std::fs::remove_file(here.path().join("file")).unwrap();
    }

    // A login keeps a token in the password's place, for this link and for nothing else of the server.
    let kept = [("XDG_CONFIG_HOME", home)];
    assert_eq!(wstp_in(here.path(), &kept, &["logout", &address]).await.code, Some(0));
    let wrong = log_in(here.path(), link, "open-sesame!\n").await;
    assert!(wrong.code == Some(3) && wrong.stderr.contains("not the password of the link"), "{wrong:?}");
    let done = log_in(here.path(), link, &format!("{PASSWORD}\n")).await;
    assert!(done.code == Some(0) && done.stdout.contains("opens without its password now"), "{done:?}");
    assert!(!std::fs::read_to_string(here.path().join("wstp/logins.json")).unwrap().contains("alle"));
    assert_eq!(get(&kept).await.code, Some(0));
    assert_eq!(wstp_in(here.path(), &kept, &["ls", &address]).await.code, Some(3));
    assert_eq!(wstp_in(here.path(), &kept, &["logout", link]).await.code, Some(0));
    assert_eq!(get(&kept).await.code, Some(3));
    log_in(here.path(), &address, &format!("anna\n{ANNAS}\n")).await;
    assert!(run_list(here.path(), home, &address).await.contains("\tpassword"));
}

async fn run_list(here: &std::path::Path, home: &str, address: &str) -> String {
    wstp_in(here, &[("XDG_CONFIG_HOME", home)], &["link", "list", address]).await.stdout
}
