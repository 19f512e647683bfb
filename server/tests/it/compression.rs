//! Compressed answers: to clients that agreed on them, over slow lines, of what compresses.

use std::num::NonZeroU64;

use wstp_protocol::{BlockRun, Bundled, BundledFile, ServerMessage, block_count, features};
use wstp_server::Config;
use wstp_server::access::Allowance;

use crate::support::{Client, Embedded, Folder, sample};

/// Slow enough for compression, in bytes a second.
const RATE: u64 = 16 << 20;
/// Most runs of a file until its first compressed one.
const RUNS: usize = 64;

fn text(length: usize) -> Vec<u8> {
    (0..).flat_map(|line: u32| format!("{line}: a line of a log\n").into_bytes()).take(length).collect()
}

async fn slow_server(folder: &Folder) -> Embedded {
    let per_caller = Allowance { rate: NonZeroU64::new(RATE), ..Allowance::default() };
    Embedded::start(Config { per_caller, ..Config::new(folder.path()) }).await
}

/// The answers to the same run of a file again and again, until one is compressed.
async fn answers(client: &mut Client, path: &str, most: usize) -> Vec<ServerMessage> {
    let opened = client.open_file(path).await.unwrap();
    let count = block_count(opened.size).min(32) as u32;
    let mut answers = Vec::new();
    while answers.len() < most && !matches!(answers.last(), Some(ServerMessage::Compressed(_))) {
        let id = client.ask_blocks(opened.handle, 0, count).await;
        answers.push(client.answer(id).await.unwrap());
    }
    answers
}

#[tokio::test]
async fn text_over_a_slow_line_is_compressed_and_random_bytes_are_not() {
    let folder = Folder::new();
    let (log, small) = (text(300_000), text(9000));
    folder.file("log", &log);
    folder.file("small", &small);
    folder.file("film", &sample(300_000));
    let server = slow_server(&folder).await;
    let mut client = Client::open(server.address(), None).await.unwrap();
    assert_eq!(
        client.hello_with(features::COMPRESSED | features::BUNDLES).await.0.features & features::COMPRESSED,
        features::COMPRESSED
    );

    let told = answers(&mut client, "log", RUNS).await;
    let Some(ServerMessage::Compressed(compressed)) = told.last() else { panic!("{} answers as they are", told.len()) };
    let Ok(ServerMessage::Blocks(reply)) = compressed.decompress() else { panic!("no blocks") };
    assert_eq!((reply.run, reply.data), (BlockRun { first: 0, count: 32 }, log[..32 * 8192].to_vec().into()));
    assert!(compressed.data.len() < 32 * 8192 / 5, "{} bytes", compressed.data.len());
    assert!(told[..told.len() - 1].iter().all(|answer| matches!(answer, ServerMessage::Blocks(_))));

    // The line is known to be slow.
    for answer in answers(&mut client, "film", 4).await {
        assert!(matches!(answer, ServerMessage::Blocks(_)), "random bytes were compressed");
    }
    let id = client.ask_bundle("", &["small"]).await;
    let Ok(ServerMessage::Compressed(compressed)) = client.answer(id).await else { panic!("a bundle as it is") };
    let Ok(ServerMessage::Bundle(bundle)) = compressed.decompress() else { panic!("no bundle") };
    assert!(matches!(&bundle.files[..], [Bundled::File(BundledFile { data, .. })] if *data == small));
    server.stop().await;
}

#[tokio::test]
async fn an_older_client_gets_everything_as_it_is() {
    let folder = Folder::new();
    folder.file("log", &text(300_000));
    let server = slow_server(&folder).await;
    let mut client = Client::connect(server.address()).await;
    for answer in answers(&mut client, "log", 12).await {
        assert!(matches!(answer, ServerMessage::Blocks(_)));
    }
    server.stop().await;
}
