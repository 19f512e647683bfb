//! Hash pages and the hashes kept on disk.

use std::path::{Path, PathBuf};

use crate::support::{Folder, Options, Server, sample};
use wstp_protocol::tree::{Tree, hash_block};
use wstp_protocol::{BLOCK_SIZE, ErrorCode, ServerMessage};

/// Too large to be kept in memory only, with an odd number of blocks and a short last one.
const LARGE: usize = 9_000_001;

fn kept_trees(cache: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = cache.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn pages_of_every_level_lead_to_the_ordinary_blake3_hash() {
    let folder = Folder::new();
    let sizes = [1, 8192, 8193, 5 * 8192, 33 * 8192, 3_000_000, LARGE];
    for size in sizes {
        folder.file(&size.to_string(), &sample(size));
    }
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    for size in sizes {
        let opened = client.open_file(&size.to_string()).await.unwrap();
        assert_eq!(client.root(&opened).await, *blake3::hash(&sample(size)).as_bytes());
        let tree = Tree::of_size(size as u64);
        for level in 0..=13 {
            for count in [1, 2, 64, 2048] {
                let pages = tree.nodes(level).div_ceil(u64::from(count));
                for page in [0, pages / 2, pages - 1] {
                    client.verified_page(&opened, level, page * u64::from(count), count).await;
                }
            }
        }
        let leaves = client.verified_page(&opened, 0, 0, 2048).await.nodes;
        for (index, block) in sample(size).chunks(BLOCK_SIZE as usize).enumerate().take(2048) {
            assert_eq!(leaves[index], hash_block(tree, index as u64, block));
        }
    }
}

#[tokio::test]
async fn a_client_does_not_wait_for_hashes_that_never_come() {
    let folder = Folder::new();
    // Its tree is too large to be computed in memory if there is no room for files.
    std::fs::File::create(folder.path().join("huge")).unwrap().set_len(64 << 30).unwrap();
    let nowhere = folder.path().join("huge/is no folder");
    let options = Options { cache: Some(&nowhere), temp: Some(&nowhere), ..Options::default() };
    let server = Server::start_with(folder.path(), options).await;
    for _ in 0..2 {
        let mut client = server.connect().await;
        let opened = client.open_file("huge").await.unwrap();
        assert_eq!((opened.size, opened.root), (64 << 30, None));
        let ServerMessage::Failure(failure) = client.receive().await else { panic!("another message") };
        assert_eq!((failure.id, failure.code), (None, ErrorCode::Io));
        assert!(failure.retry_after_ms.is_some(), "it would be read again and again");
        assert!(client.next().await.is_none());
    }
}

#[tokio::test]
async fn pages_outside_the_tree_are_refused() {
    let folder = Folder::new();
    folder.file("file", &sample(5 * 8192));
    folder.file("empty", b"");
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    let file = client.open_file("file").await.unwrap();
    client.root(&file).await;
    for (level, first, count) in [(0, 8, 8), (0, 5, 1), (3, 1, 1), (51, 1, 1), (0, u64::MAX - 2047, 2048)] {
        assert_eq!(client.hashes(file.handle, level, first, count).await.unwrap_err().code, ErrorCode::OutOfRange);
    }
    let empty = client.open_file("empty").await.unwrap();
    assert_eq!(client.hashes(empty.handle, 0, 0, 1).await.unwrap_err().code, ErrorCode::OutOfRange);
    assert_eq!(client.hashes(99, 0, 0, 1).await.unwrap_err().code, ErrorCode::BadHandle);
}

#[tokio::test]
async fn kept_hashes_survive_a_restart() {
    let (folder, cache) = (Folder::new(), Folder::new());
    folder.file("file", &sample(LARGE));
    let options = || Options { cache: Some(cache.path()), ..Options::default() };
    let root = *blake3::hash(&sample(LARGE)).as_bytes();

    assert!(kept_trees(cache.path()).is_empty());
    let server = Server::start_with(folder.path(), options()).await;
    let mut client = server.connect().await;
    let opened = client.open_file("file").await.unwrap();
    assert_eq!(client.root(&opened).await, root);
    let version = opened.version;
    drop((client, server));

    let server = Server::start_with(folder.path(), options()).await;
    let mut client = server.connect().await;
    let opened = client.open_file("file").await.unwrap();
    assert_eq!((opened.root, opened.version), (Some(root), version));
    client.verified_page(&opened, 0, 0, 1024).await;
    client.verified_page(&opened, 7, 0, 8).await;
}

#[tokio::test]
async fn damaged_hashes_are_never_served_and_computed_again() {
    let (folder, cache) = (Folder::new(), Folder::new());
    folder.file("file", &sample(LARGE));
    let options = || Options { cache: Some(cache.path()), ..Options::default() };
    let server = Server::start_with(folder.path(), options()).await;
    let mut client = server.connect().await;
    let opened = client.open_file("file").await.unwrap();
    let root = client.root(&opened).await;
    drop((client, server));

    let [tree] = kept_trees(cache.path()).try_into().unwrap();
    let whole = std::fs::read(&tree).unwrap();
    let mut damaged = whole.clone();
    damaged[112 + 40] ^= 1;
    std::fs::write(&tree, damaged).unwrap();
    let server = Server::start_with(folder.path(), options()).await;
    let mut client = server.connect().await;
    let opened = client.open_file("file").await.unwrap();
    assert_eq!(opened.root, Some(root));
    assert_eq!(client.hashes(opened.handle, 0, 0, 64).await.unwrap_err().code, ErrorCode::NotReady);
    assert_eq!(client.root_ready(opened.handle).await, root);
    client.verified_page(&opened, 0, 0, 64).await;
    drop((client, server));

    for damage in [&whole[..whole.len() - 1], &whole[..50], b"".as_slice()] {
        std::fs::write(&tree, damage).unwrap();
        let server = Server::start_with(folder.path(), options()).await;
        let mut client = server.connect().await;
        let opened = client.open_file("file").await.unwrap();
        assert_eq!(client.root(&opened).await, root);
        client.verified_page(&opened, 0, 0, 64).await;
        assert!(std::fs::read(&tree).unwrap() == whole, "the hashes were not computed again");
    }
}

#[tokio::test]
async fn a_cache_that_can_not_be_used_costs_one_line_and_no_file() {
    let (folder, there) = (Folder::new(), Folder::new());
    let (cache, log) = (there.path().join("cache"), there.path().join("log"));
    let names = ["a", "b", "c"];
    names.iter().for_each(|name| drop(folder.file(name, &sample(LARGE))));
    let root = *blake3::hash(&sample(LARGE)).as_bytes();
    let serves = async |spoil: &dyn Fn()| {
        let options = Options { cache: Some(&cache), log: Some(&log), ..Options::default() };
        let server = Server::start_with(folder.path(), options).await;
        let mut client = server.connect().await;
        for name in names {
            let opened = client.open_file(name).await.unwrap();
            assert_eq!(client.root(&opened).await, root);
            spoil();
        }
        drop((client, server));
        std::fs::read_to_string(&log).unwrap().matches("hashes can't be kept in the cache folder").count()
    };
    assert_eq!(serves(&|| {}).await, 0);
    // The server computes trees again that a later version wrote under the same names. It does without a tree that is
    // no file.
    for tree in kept_trees(&cache) {
        let mut later = std::fs::read(&tree).unwrap();
        later[7] += 1;
        std::fs::write(&tree, later).unwrap();
    }
    assert_eq!(serves(&|| {}).await, 0);
    for tree in kept_trees(&cache) {
        std::fs::remove_file(&tree).unwrap();
        std::fs::create_dir_all(tree.join("inner")).unwrap();
    }
    assert_eq!(serves(&|| {}).await, 1);
    std::fs::remove_dir_all(&cache).unwrap();
    assert_eq!(serves(&|| drop(std::fs::remove_dir_all(&cache))).await, 1);
    std::fs::write(&cache, "no folder").unwrap();
    assert_eq!(serves(&|| {}).await, 1);
}

#[tokio::test]
async fn the_cache_forgets_what_was_used_longest_ago() {
    let (folder, cache) = (Folder::new(), Folder::new());
    // Each file's tree takes about 0.4 MiB, and the limit is 1 MiB.
    for name in ["a", "b", "c"] {
        folder.sparse(name, 100 << 20);
    }
    let server = Server::start_with(
        folder.path(),
        Options { cache: Some(cache.path()), args: &["--cache-limit", "1"], ..Options::default() },
    )
    .await;
    let mut client = server.connect().await;
    let mut kept = Vec::new();
    for name in ["a", "b", "c"] {
        let opened = client.open_file(name).await.unwrap();
        client.root(&opened).await;
        kept.push(kept_trees(cache.path()));
    }
    assert_eq!(kept.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 2]);
    assert!(!kept[2].contains(&kept[0][0]));
}

#[tokio::test]
async fn a_small_file_does_not_wait_for_the_hash_of_a_huge_one() {
    let folder = Folder::new();
    folder.sparse("huge", 1 << 40);
    folder.file("small", &sample(20_000));
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    let huge = client.open_file("huge").await.unwrap();
    let small = client.open_file("small").await.unwrap();
    assert_eq!(client.root(&small).await, *blake3::hash(&sample(20_000)).as_bytes());
    assert_eq!(client.hashes(huge.handle, 0, 0, 1).await.unwrap_err().code, ErrorCode::NotReady);
}

#[tokio::test]
async fn hashing_is_given_up_when_nobody_wants_it() {
    let (folder, cache) = (Folder::new(), Folder::new());
    // Longer than the zeros whose hashes are known.
    folder.sparse("huge", 200 << 30);
    folder.file("small", &sample(20_000));
    let mut config = wstp_server::Config::new(folder.path());
    config.cache_dir = Some(cache.path().to_owned());
    config.timeouts.linger = std::time::Duration::ZERO;
    let server = crate::support::Embedded::start(config).await;
    let mut client = crate::support::Client::connect(server.address()).await;
    let huge = client.open_file("huge").await.unwrap();
    // The slice of the small file comes after one of the huge file, which therefore has a scratch file.
    let small = client.open_file("small").await.unwrap();
    client.root(&small).await;
    assert_eq!(kept_trees(cache.path()).len(), 1);
    client.send(&wstp_protocol::ClientMessage::Close(wstp_protocol::Close { handle: huge.handle })).await;
    let mut number = 0;
    while !kept_trees(cache.path()).is_empty() {
        number += 1;
        let name = format!("other {number}");
        folder.file(&name, &sample(number));
        let other = client.open_file(&name).await.unwrap();
        client.root(&other).await;
        client.send(&wstp_protocol::ClientMessage::Close(wstp_protocol::Close { handle: other.handle })).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn roots_are_known_without_a_usable_cache_folder() {
    let folder = Folder::new();
    folder.file("file", &sample(LARGE));
    let root = *blake3::hash(&sample(LARGE)).as_bytes();
    let not_a_folder = folder.file("taken", b"");
    let removed = Folder::new();
    for (cache, remove) in [(not_a_folder.as_path(), false), (removed.path(), true)] {
        let server = Server::start_with(folder.path(), Options { cache: Some(cache), ..Options::default() }).await;
        let mut client = server.connect().await;
        if remove {
            std::fs::remove_dir(cache).unwrap();
        }
        let opened = client.open_file("file").await.unwrap();
        assert_eq!(client.root(&opened).await, root);
        client.verified_page(&opened, 0, 0, 64).await;
    }
}
