//! Nothing outside the shared folder can be reached, however it is spelled.

use crate::support::{Client, Folder, Server};
use wstp_protocol::{ErrorCode, ServerMessage};

/// A request with a path that the protocol's own types refuse to hold: tag, id 1, length and text.
fn raw_request(tag: u8, path: &str) -> Vec<u8> {
    assert!(path.len() < 128, "one byte of length");
    let mut frame = vec![tag, 1, path.len() as u8];
    frame.extend_from_slice(path.as_bytes());
    if tag == 0x02 {
        frame.extend([0, 10]);
    }
    frame
}

#[tokio::test]
async fn paths_the_protocol_does_not_have_end_the_connection() {
    let outer = Folder::new();
    outer.file("secret", b"secret");
    outer.file("share/file", b"");
    let server = Server::start(&outer.path().join("share")).await;
    let paths = [
        "..",
        "../secret",
        "./../secret",
        "file/../../secret",
        "/etc/passwd",
        "//etc/passwd",
        "/",
        ".",
        "a//b",
        "file/",
        "../share/../secret",
        "file\0",
        "\0",
        "..\0/secret",
    ];
    for path in paths {
        for tag in [0x02, 0x03, 0x04] {
            let mut client = server.connect().await;
            client.send_frame(raw_request(tag, path)).await;
            assert_malformed(&mut client, path).await;
        }
    }
    let mut client = server.connect().await;
    client.send_frame(vec![0x04, 1, 2, 0xff, 0xfe]).await;
    assert_malformed(&mut client, "not UTF-8").await;
}

async fn assert_malformed(client: &mut Client, path: &str) {
    match client.receive().await {
        ServerMessage::Failure(failure) => {
            assert_eq!((failure.id, failure.code), (None, ErrorCode::Malformed), "{path:?}")
        }
        other => panic!("{path:?} got {other:?}"),
    }
    assert_eq!(client.next().await, None, "{path:?}");
}

#[tokio::test]
async fn other_spellings_name_nothing() {
    let outer = Folder::new();
    outer.file("secret", b"secret");
    outer.file("share/file", b"");
    let server = Server::start(&outer.path().join("share")).await;
    let mut client = server.connect().await;
    let paths = [
        "..\\secret",
        "..\\..\\etc\\passwd",
        "%2e%2e/secret",
        "%2e%2e%2fsecret",
        "..%2fsecret",
        "..%5csecret",
        "%252e%252e%252fsecret",
        "\u{ff0e}\u{ff0e}/secret",
        "\u{ef2e}\u{ef2e}/secret",
        "\u{efc0}\u{efae}\u{efc0}\u{efae}/secret",
        "\u{2025}/secret",
        "..\u{2215}secret",
        "C:\\Windows\\win.ini",
        "C:/Windows/win.ini",
        "\\\\?\\C:\\secret",
        "file::$DATA",
        "CON",
        "~/secret",
        "~root/.bashrc",
        "$HOME/secret",
        "...",
        ".../secret",
        ".. /secret",
        "file%00.txt",
        "proc/self/root/etc/passwd",
    ];
    for path in paths {
        for code in [
            client.open_file(path).await.unwrap_err().code,
            client.stat(path).await.unwrap_err().code,
            client.list(path).await.unwrap_err().code,
        ] {
            assert_eq!(code, ErrorCode::NotFound, "{path:?}");
        }
    }
    assert_eq!(client.list("").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_the_file_system_can_not_hold_is_not_found() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    assert_eq!(client.open_file(&"n".repeat(1024)).await.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(client.open_file("n/".repeat(2000).trim_end_matches('/')).await.unwrap_err().code, ErrorCode::NotFound);
}

#[tokio::test]
async fn plain_http_leads_nowhere_else_either() {
    let outer = Folder::new();
    outer.file("secret", b"secret");
    outer.file("share/file", b"content");
    outer.file("share/.hidden", b"hidden");
    std::os::unix::fs::symlink("../secret", outer.path().join("share/link")).unwrap();
    let server = Server::start(&outer.path().join("share")).await;
    let targets = [
        "/file",
        "/../file",
        "/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/files/../secret",
        "/files/%2e%2e/secret",
        "/files/%2E%2e%2fsecret",
        "/files/..%2fsecret",
        "/files/..%5csecret",
        "/files/..\\secret",
        "/files/%252e%252e/secret",
        "/files/file/../../secret",
        "/files//etc/passwd",
        "/files/%2fetc%2fpasswd",
        "/files/file%00",
        "/files/%00",
        "/files/%ff",
        "/files/./file",
        "/files/file/",
        "/files/.hidden",
        "/files/%2ehidden",
        "/files/proc/self/root/etc/passwd",
    ];
    for target in targets {
        let reply = crate::support::plain::request(server.address(), "GET", target, &[]).await;
        assert_eq!(reply.status, 404, "{target}: {reply:?}");
    }
    let link = crate::support::plain::request(server.address(), "GET", "/files/link", &[]).await;
    assert_eq!(link.status, 403, "{link:?}");
}
