//! The server's beginning and end, as its user sees them.

use std::process::{Command, Output};

use crate::support::{Client, Folder, Server, sample};
use rustix::process::Signal;
use wstp_protocol::{ErrorCode, ServerMessage};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wstp-server")).args(args).output().unwrap()
}

async fn stops_on(signal: Signal) {
    let folder = Folder::new();
    folder.file("file", &sample(262_144));
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    let mut waiting = Client::open(server.address(), None).await.unwrap();
    let opened = client.open_file("file").await.unwrap();
    client.root(&opened).await;
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(client.ask_blocks(opened.handle, 0, 32).await);
    }
    // The last one's answer means that all were taken up before the signal.
    let last = ids.pop().unwrap();
    client.answer(last).await.unwrap();
    server.signal(signal);
    let goodbye = |message: &ServerMessage| matches!(message, ServerMessage::Goodbye(_)).then_some(());
    client.find(goodbye).await;
    for id in ids {
        client.answer(id).await.unwrap();
    }
    assert_eq!(client.next().await, None);
    assert!(
        matches!(waiting.receive().await, ServerMessage::Failure(failure) if failure.code == ErrorCode::ShuttingDown)
    );
    assert_eq!(server.end().await, (Some(0), String::new()));
}

#[tokio::test]
async fn sigterm_drains() {
    stops_on(Signal::TERM).await;
}

#[tokio::test]
async fn ctrl_c_drains() {
    stops_on(Signal::INT).await;
}

#[tokio::test]
async fn a_server_that_is_hashing_stops_at_once_and_leaves_nothing() {
    let (folder, cache) = (Folder::new(), Folder::new());
    folder.sparse("huge", 1 << 40);
    let server = Server::start_with(
        folder.path(),
        crate::support::Options { cache: Some(cache.path()), ..crate::support::Options::default() },
    )
    .await;
    let mut client = server.connect().await;
    client.open_file("huge").await.unwrap();
    server.signal(Signal::TERM);
    assert_eq!(server.end().await.0, Some(0));
    assert_eq!(cache.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let output = run(&["/nowhere/at/all", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("cannot share \"/nowhere/at/all\""), "{text}");
    assert!(output.stdout.is_empty());
    let folder = Folder::new();
    let file = folder.file("file", b"");
    assert_eq!(run(&[file.to_str().unwrap(), "--listen", "127.0.0.1:0"]).status.code(), Some(3));
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&[".", "--listen", &address]);
    assert_eq!(output.status.code(), Some(4));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(&address) && text.contains("--listen"), "{text}");
}

#[test]
fn wrong_arguments_are_explained_and_help_teaches() {
    assert_eq!(run(&["--listen", "nonsense"]).status.code(), Some(2));
    assert_eq!(run(&["--log", "=,=", "."]).status.code(), Some(2));
    for name in ["nas.example:3000", "http://nas.example", "nas.example/files"] {
        assert_eq!(run(&["--allow-host", name, "."]).status.code(), Some(2), "{name}");
    }
    let refused = run(&["--congestion", "nonsense", "."]);
    let words = String::from_utf8(refused.stderr).unwrap();
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0), "{words}");
    assert!(words.contains("\"nonsense\""), "{words}");
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    for word in ["Examples:", "--listen", "--hidden", "--cache-dir", "Exit status"] {
        assert!(help.contains(word), "{word}: {help}");
    }
}

#[test]
fn an_address_that_others_reach_has_to_be_meant() {
    let folder = Folder::new();
    let path = folder.path().to_str().unwrap();
    for listen in ["0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:0"] {
        let output = run(&[path, "--listen", listen]);
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{listen}: {words}");
        assert!(words.contains("--public"), "{words}");
    }
}

#[test]
fn a_server_on_every_address_says_what_to_type() {
    use std::io::{BufRead, BufReader};
    let (folder, cache) = (Folder::new(), Folder::new());
    for (any, here) in [("0.0.0.0", "127.0.0.1"), ("[::]", "[::1]")] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wstp-server"))
            .args([
                folder.path(),
                "--listen".as_ref(),
                format!("{any}:0").as_ref(),
                "--public".as_ref(),
                "--cache-dir".as_ref(),
                cache.path(),
            ])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (first, second) = (lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        let port = first.strip_prefix(&format!("listening on ws://{any}:")).unwrap().strip_suffix("/ws").unwrap();
        let hint = second.strip_prefix(&format!("in the extension or wstp: {here}:{port} on this machine, ")).unwrap();
        let elsewhere = hint.strip_suffix(" from others").unwrap();
        assert!(elsewhere.contains("address") || elsewhere.ends_with(&format!(":{port}")), "{second}");
    }
}

#[tokio::test]
async fn the_log_is_structured_on_demand_and_names_the_connection() {
    let folder = Folder::new();
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_wstp-server"))
        .arg(folder.path())
        .args(["--listen", "127.0.0.1:0", "--log-format", "json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    use tokio::io::{AsyncBufReadExt, BufReader};
    let line = BufReader::new(child.stdout.take().unwrap()).lines().next_line().await.unwrap().unwrap();
    let address = line.strip_prefix("listening on ws://").unwrap().strip_suffix("/ws").unwrap().to_owned();
    let _client = Client::connect(&address).await;
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    loop {
        let line = log.next_line().await.unwrap().expect("the log goes on");
        if line.contains("\"connected\"") {
            assert!(line.starts_with('{') && line.contains("\"agent\"") && line.contains("\"peer\""), "{line}");
            return;
        }
    }
}
