//! The server as a service of systemd, which hands it a socket that listens already.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wstp_testkit::Service;

use crate::support::{Client, Folder, sample};

const SERVER: &str = env!("CARGO_BIN_EXE_wstp-server");

#[tokio::test]
async fn a_socket_that_is_handed_over_is_served_and_the_starter_is_told() {
    let (folder, home) = (Folder::new(), Folder::new());
    let bytes = sample(1 << 20);
    folder.file("file", &bytes);
    let (socket, address) = Service::socket().unwrap();
    // It waits in the socket: no server runs yet.
    let mut early = TcpStream::connect(address).await.unwrap();
    early.write_all(b"GET /files/file HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut command = Service::handing_over(Path::new(SERVER));
    // Others could reach that address, and no machine has it. The socket counts instead.
    command.arg(folder.path()).args(["--listen", "192.0.2.1:9", "--log", "warn"]);
    command.env("STATE_DIRECTORY", home.path().join("state")).env("CACHE_DIRECTORY", home.path().join("cache"));
    let service = Service::start(&mut command, socket, &home.path().join("log")).unwrap();
    assert_eq!(service.tells().await.unwrap(), "READY=1");
    let mut answer = Vec::new();
    early.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(&bytes));
    let said = std::fs::read_to_string(home.path().join("log")).unwrap();
    assert!(said.contains(&format!("listening on ws://{address}/ws")), "{said}");
    let mut client = Client::connect(&address.to_string()).await;
    let opened = client.open_file("file").await.unwrap();
    client.root(&opened).await;
    drop(client);
    service.terminate().unwrap();
    assert_eq!(service.tells().await.unwrap(), "STOPPING=1");
    assert!(service.ended().await.unwrap().success());
    assert!(home.path().join("cache").is_dir(), "hashes are in the folder that systemd gives");
}

#[test]
fn a_socket_that_can_not_be_used_is_refused_in_words() {
    let folder = Folder::new();
    let unix = || OwnedFd::from(UnixListener::bind(folder.path().join("socket")).unwrap());
    let (tcp, _address) = Service::socket().unwrap();
    for (socket, count, words) in [(unix(), 1, "it has to be ListenStream=ADDRESS:PORT"), (tcp.into(), 2, "2 sockets")]
    {
        let script = format!(r#"exec 3<&0 4<&0; export LISTEN_PID=$$ LISTEN_FDS={count}; exec "$@""#);
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", SERVER]).arg(folder.path()).stdin(Stdio::from(socket));
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains(words), "{said}");
    }
}
