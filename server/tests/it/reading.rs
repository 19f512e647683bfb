//! Opening and reading files.

use crate::support::{Folder, Server, sample};
use wstp_protocol::{BLOCK_SIZE, ErrorCode};

#[tokio::test]
async fn files_of_every_awkward_size_arrive_whole() {
    let folder = Folder::new();
    let sizes = [0, 1, 8191, 8192, 8193, 262_144, 262_145, 1_000_003];
    for size in sizes {
        folder.file(&format!("{size}.bin"), &sample(size));
    }
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    for size in sizes {
        let name = format!("{size}.bin");
        assert_eq!(client.fetch(&name).await, sample(size), "{name}");
        let opened = client.open_file(&name).await.unwrap();
        assert_eq!(client.root(&opened).await, *blake3::hash(&sample(size)).as_bytes(), "{name}");
    }
}

#[tokio::test]
async fn blocks_past_the_end_are_refused() {
    let folder = Folder::new();
    folder.file("two", &sample(8193));
    folder.file("empty", b"");
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    let two = client.open_file("two").await.unwrap();
    for (first, count) in [(0, 3), (1, 2), (2, 1), (u64::MAX / BLOCK_SIZE, 1), (u64::MAX - 32, 32)] {
        assert_eq!(client.blocks(two.handle, first, count).await.unwrap_err().code, ErrorCode::OutOfRange);
    }
    assert_eq!(client.blocks(two.handle, 1, 1).await.unwrap(), sample(8193)[8192..]);
    let empty = client.open_file("empty").await.unwrap();
    assert_eq!((empty.size, empty.root), (0, Some(*blake3::hash(b"").as_bytes())));
    assert_eq!(client.blocks(empty.handle, 0, 1).await.unwrap_err().code, ErrorCode::OutOfRange);
}

#[tokio::test]
async fn the_first_block_of_a_huge_file_does_not_wait_for_its_hash() {
    let folder = Folder::new();
    folder.sparse("huge", 1 << 40);
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    let huge = client.open_file("huge").await.unwrap();
    assert_eq!(huge.root, None);
    // The root would come before the blocks, if it were known by then.
    for first in [0, (1 << 40) / BLOCK_SIZE - 32] {
        assert_eq!(client.blocks(huge.handle, first, 32).await.unwrap(), vec![0; 32 * BLOCK_SIZE as usize]);
    }
    assert_eq!(client.hashes(huge.handle, 0, 0, 16).await.unwrap_err().code, ErrorCode::NotReady);
}

#[tokio::test]
async fn a_handle_serves_until_it_is_closed() {
    let folder = Folder::new();
    folder.file("file", &sample(9000));
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    let first = client.open_file("file").await.unwrap();
    let second = client.open_file("file").await.unwrap();
    assert_ne!(first.handle, second.handle);
    assert_eq!(first.version, second.version);
    client.send(&wstp_protocol::ClientMessage::Close(wstp_protocol::Close { handle: first.handle })).await;
    assert_eq!(client.blocks(first.handle, 0, 1).await.unwrap_err().code, ErrorCode::BadHandle);
    assert_eq!(client.blocks(second.handle, 0, 2).await.unwrap(), sample(9000));
}

#[tokio::test]
async fn two_clients_read_the_same_file_at_once() {
    let folder = Folder::new();
    folder.file("file", &sample(3_000_000));
    let server = Server::start(folder.path()).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    let (left, right) = tokio::join!(first.fetch("file"), second.fetch("file"));
    assert_eq!(left, sample(3_000_000));
    assert_eq!(right, left);
    let (one, two) = (first.open_file("file").await.unwrap(), second.open_file("file").await.unwrap());
    assert_eq!(one.version, two.version);
    assert_eq!(first.root(&one).await, second.root(&two).await);
}
