//! Zeros: clients that agreed on it are told of them, and they are not read.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use crate::support::{Client, Folder, Server};
use wstp_protocol::{BLOCK_SIZE, BlockRun, ErrorCode, ServerMessage, Zeros, block_count, features};

const SIZE: u64 = (200 << 20) + 5;
const DATA: u64 = 70 << 20;
const LENGTH: usize = 1 << 20;

/// An image that is a hole but for one stretch of data.
fn image(folder: &Folder, name: &str) {
    let path = folder.sparse(name, SIZE);
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(&[7; LENGTH], DATA).unwrap();
}

async fn connect(server: &Server) -> Client {
    let mut client = Client::open(server.address(), None).await.unwrap();
    assert_eq!(client.hello_with(features::ZEROS).await.0.features, features::ZEROS);
    client
}

#[tokio::test]
async fn a_hole_is_told_with_one_answer_and_hashed_as_zeros() {
    let folder = Folder::new();
    image(&folder, "image");
    folder.file("zeros", &[0; 400_000]);
    let server = Server::start(folder.path()).await;
    let mut client = connect(&server).await;
    let opened = client.open_file("image").await.unwrap();
    let (data, behind, end) = (DATA / BLOCK_SIZE, (DATA + LENGTH as u64) / BLOCK_SIZE, block_count(SIZE));
    for (first, until) in [(0, data), (data - 32, data), (behind, end), (end - 3, end)] {
        let run = BlockRun { first, count: 3 };
        let id = client.ask_blocks(opened.handle, run.first, run.count).await;
        let told = client.answer(id).await.unwrap();
        assert_eq!(told, ServerMessage::Zeros(Zeros { id, first, count: until - first }));
    }
    let bytes = client.blocks(opened.handle, data - 1, 2).await.unwrap();
    assert_eq!((bytes[8191], bytes[8192]), (0, 7));
    let mut whole = vec![0; SIZE as usize];
    whole[DATA as usize..][..LENGTH].fill(7);
    assert_eq!(client.root(&opened).await, *blake3::hash(&whole).as_bytes());
    for (level, first, count) in [(0, 0, 1024), (10, 0, 32), (13, 0, 4), (13, 2, 1)] {
        client.verified_page(&opened, level, first, count).await;
    }
    // No hole, but nothing else than zeros.
    let zeros = client.open_file("zeros").await.unwrap();
    let id = client.ask_blocks(zeros.handle, 16, 32).await;
    assert_eq!(client.answer(id).await.unwrap(), ServerMessage::Zeros(Zeros { id, first: 16, count: 33 }));
    let mut older = server.connect().await;
    let opened = older.open_file("image").await.unwrap();
    assert_eq!(older.blocks(opened.handle, 0, 32).await.unwrap(), vec![0; 32 * BLOCK_SIZE as usize]);
}

#[tokio::test]
async fn a_hole_that_was_written_to_is_none_any_more() {
    let folder = Folder::new();
    image(&folder, "image");
    let server = Server::start(folder.path()).await;
    let mut client = connect(&server).await;
    let opened = client.open_file("image").await.unwrap();
    let id = client.ask_blocks(opened.handle, 0, 1).await;
    assert!(matches!(client.answer(id).await, Ok(ServerMessage::Zeros(_))));
    let image = OpenOptions::new().write(true).open(folder.path().join("image")).unwrap();
    image.write_all_at(b"x", 1 << 20).unwrap();
    let id = client.ask_blocks(opened.handle, 0, 1).await;
    assert_eq!(client.answer(id).await.unwrap_err().code, ErrorCode::Changed);
    let opened = client.open_file("image").await.unwrap();
    let id = client.ask_blocks(opened.handle, 0, 1).await;
    let told = client.answer(id).await.unwrap();
    assert_eq!(told, ServerMessage::Zeros(Zeros { id, first: 0, count: (1 << 20) / BLOCK_SIZE }));
}
