//! Files that change while they are open.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use crate::support::{Client, Folder, Server, sample};
use wstp_protocol::{BLOCK_SIZE, ErrorCode, Opened, ServerMessage};

const SIZE: usize = 4 * BLOCK_SIZE as usize;

/// Opens a file and reads from it, then changes it. Checks that the handle is dead and that the newly served bytes are
/// right.
async fn changed(change: impl FnOnce(&Path)) {
    let folder = Folder::new();
    let path = folder.file("file", &sample(SIZE));
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    let opened = client.open_file("file").await.unwrap();
    client.root(&opened).await;
    assert_eq!(client.blocks(opened.handle, 0, 1).await.unwrap(), sample(SIZE)[..8192]);
    change(&path);
    assert_eq!(client.blocks(opened.handle, 1, 1).await.unwrap_err().code, ErrorCode::Changed);
    expect_stale(&mut client, &opened).await;
    assert_eq!(client.blocks(opened.handle, 0, 1).await.unwrap_err().code, ErrorCode::Changed);
    assert_eq!(client.hashes(opened.handle, 0, 0, 1).await.unwrap_err().code, ErrorCode::Changed);
    if let Ok(bytes) = std::fs::read(&path) {
        let again = client.open_file("file").await.unwrap();
        assert_ne!(again.version, opened.version);
        assert_eq!(client.root(&again).await, *blake3::hash(&bytes).as_bytes());
        assert_eq!(client.fetch("file").await, bytes);
    }
}

async fn expect_stale(client: &mut Client, opened: &Opened) {
    client
        .find(|message| match message {
            ServerMessage::Stale(stale) if stale.handle == opened.handle => Some(()),
            _ => None,
        })
        .await;
}

#[tokio::test]
async fn truncated() {
    changed(|path| OpenOptions::new().write(true).open(path).unwrap().set_len(9000).unwrap()).await;
}

#[tokio::test]
async fn emptied() {
    changed(|path| drop(File::create(path).unwrap())).await;
}

#[tokio::test]
async fn grown() {
    changed(|path| OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap()).await;
}

#[tokio::test]
async fn overwritten_in_place_with_its_modification_time_restored() {
    changed(|path| {
        let mut file = OpenOptions::new().write(true).open(path).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.seek(SeekFrom::Start(8192)).unwrap();
        file.write_all(&[7; 8192]).unwrap();
        file.set_modified(modified).unwrap();
    })
    .await;
}

#[tokio::test]
async fn replaced_by_another_file() {
    changed(|path| {
        let other = path.with_extension("new");
        std::fs::write(&other, sample(SIZE + 1)).unwrap();
        std::fs::rename(other, path).unwrap();
    })
    .await;
}

#[tokio::test]
async fn removed() {
    changed(|path| std::fs::remove_file(path).unwrap()).await;
}

#[tokio::test]
async fn moved_away_with_its_folder() {
    let folder = Folder::new();
    folder.file("folder/file", &sample(SIZE));
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    let opened = client.open_file("folder/file").await.unwrap();
    std::fs::rename(folder.path().join("folder"), folder.path().join("elsewhere")).unwrap();
    // The file itself bears no trace of that. The server looks the path up from time to time.
    let failure = loop {
        match client.blocks(opened.handle, 0, 1).await {
            Ok(block) => assert_eq!(block, sample(SIZE)[..8192]),
            Err(failure) => break failure,
        }
    };
    assert_eq!(failure.code, ErrorCode::Changed);
    expect_stale(&mut client, &opened).await;
    assert_eq!(client.fetch("elsewhere/file").await, sample(SIZE));
}

#[tokio::test]
async fn a_change_is_noticed_by_the_hashing_alone() {
    let folder = Folder::new();
    let path = folder.sparse("file", 1 << 40);
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    let opened = client.open_file("file").await.unwrap();
    assert_eq!(opened.root, None);
    OpenOptions::new().write(true).open(path).unwrap().set_len(1 << 20).unwrap();
    expect_stale(&mut client, &opened).await;
    assert_eq!(client.blocks(opened.handle, 0, 1).await.unwrap_err().code, ErrorCode::Changed);
}

#[tokio::test]
async fn every_client_of_a_changed_file_is_told() {
    let folder = Folder::new();
    let path = folder.file("file", &sample(SIZE));
    let server = Server::start(folder.path()).await;
    let (mut reader, mut listener) = (server.connect().await, server.connect().await);
    let (read, listened) = (reader.open_file("file").await.unwrap(), listener.open_file("file").await.unwrap());
    std::fs::write(path, b"shorter").unwrap();
    assert_eq!(reader.blocks(read.handle, 0, 1).await.unwrap_err().code, ErrorCode::Changed);
    expect_stale(&mut listener, &listened).await;
}
