//! The crate produces and decodes exactly the worked examples in `protocol/vectors/`. Their bytes come from the Python
//! implementation in `protocol/interop/`, and their roots from the `blake3` package.

use crate::support::{unhex, vectors};
use bytes::Bytes;
use serde::Deserialize;
use wstp_protocol::limits::{MAX_LEVEL, MAX_UNCLES};
use wstp_protocol::tree::{self, PageError, Tree};
use wstp_protocol::*;

/// Who sends a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum From {
    Client,
    Server,
}

#[derive(Deserialize)]
struct Frame {
    name: String,
    from: From,
    hex: String,
}

#[derive(Deserialize)]
struct Refused {
    from: From,
    reason: String,
    hex: String,
}

#[derive(Deserialize)]
struct TreeVector {
    size: u64,
    root: String,
    blocks: Vec<String>,
    pages: Vec<Page>,
}

#[derive(Deserialize)]
struct Page {
    level: u8,
    first: u64,
    count: u32,
    nodes: Vec<String>,
    uncles: Vec<String>,
}

/// The bytes of every example file.
fn sample(size: u64) -> Vec<u8> {
    (0..size).map(|i| (i ^ i >> 8 ^ i >> 16) as u8).collect()
}

fn path(text: &str) -> SharePath {
    SharePath::parse(text).expect("the example's path is valid")
}

fn hash(hex: &str) -> Hash {
    unhex(hex).try_into().expect("a hash has 32 bytes")
}

fn block_hashes(data: &[u8]) -> Vec<Hash> {
    let tree = Tree::of_size(data.len() as u64);
    (0..).zip(data.chunks(BLOCK_SIZE as usize)).map(|(index, block)| tree::hash_block(tree, index, block)).collect()
}

fn client_messages() -> Vec<(&'static str, ClientMessage)> {
    use ClientMessage as C;
    let hello = Hello { min_version: 1, max_version: 1, features: 0, agent: "demo 1".into(), token: None };
    let with_token = Hello { max_version: 300, features: 1 << 63, token: Some("s3cret".into()), ..hello.clone() };
    let with_mirrors = Hello { features: features::MIRRORS, ..hello.clone() };
    let with_bundles = Hello { features: features::MIRRORS | features::BUNDLES, ..hello.clone() };
    let names = ["a.txt", "empty", "gone", "film.mkv"].map(str::to_owned).to_vec();
    let next = ListRequest { id: 2, path: path("photos/späß"), cursor: Some("d61".into()), limit: 1000 };
    let (words, cursor) = ("späß 2".to_owned(), Some("fa/b.txt".to_owned()));
    let far = BlockRun { first: (1 << 51) - 32, count: 32 };
    vec![
        ("hello", C::Hello(hello)),
        ("hello-token", C::Hello(with_token)),
        ("hello-mirrors", C::Hello(with_mirrors)),
        ("list-first", C::List(ListRequest { id: 1, path: SharePath::root(), cursor: None, limit: 100 })),
        ("list-next", C::List(next)),
        ("stat", C::Stat(StatRequest { id: 3, path: path("photos") })),
        ("open", C::Open(OpenRequest { id: 4, path: path("<b>.txt") })),
        ("blocks", C::Blocks(BlocksRequest { id: 300, handle: 1, run: BlockRun { first: 3, count: 2 } })),
        ("blocks-far", C::Blocks(BlocksRequest { id: u32::MAX, handle: 70_000, run: far })),
        ("hashes", C::Hashes(HashesRequest { id: 6, handle: 1, level: 0, first: 0, count: 4 })),
        ("cancel", C::Cancel(Cancel { id: 300 })),
        ("close", C::Close(Close { handle: 1 })),
        ("ping", C::Ping(Ping { nonce: 0x0123_4567_89ab_cdef })),
        ("hello-bundles", C::Hello(with_bundles)),
        ("bundle", C::Bundle(BundleRequest { id: 7, path: path("photos"), names })),
        ("search", C::Search(SearchRequest { id: 9, path: path("photos"), words, cursor, limit: 100 })),
    ]
}

fn entries() -> Vec<Entry> {
    let entry = |name: &str, kind, size, modified_ms| Entry { name: name.into(), kind, size, modified_ms };
    vec![
        entry("photos", EntryKind::Directory, 0, Some(1_700_000_000_000)),
        entry("<b>.txt", EntryKind::File, 40_960, Some(-1)),
        entry("gone", EntryKind::Dangling, 0, None),
        entry("locked", EntryKind::Unreadable, 0, None),
    ]
}

fn links() -> Vec<Entry> {
    let entry = |name: &str, kind, size| Entry { name: name.into(), kind, size, modified_ms: None };
    vec![
        entry("caf\u{efe9}", EntryKind::File, 3),
        entry("etc", EntryKind::LeadsOut, 0),
        entry("self", EntryKind::Circle, 0),
    ]
}

fn handshake_messages() -> Vec<(&'static str, ServerMessage)> {
    let limits = Limits { requests: 64, handles: 64, run_blocks: 32, page_nodes: 2048, idle_timeout_ms: 120_000 };
    let welcome = Welcome { version: 1, features: 0, agent: "wstp-server 0.1.0".into(), limits };
    let with_mirrors = Welcome { features: features::MIRRORS, ..welcome.clone() };
    let urls = ["wss://mirror.example/ws", "https://mirror.example:8443/pub/"];
    let urls = urls.map(|url| MirrorUrl::parse(url).expect("the example's address is valid")).to_vec();
    vec![
        ("welcome", ServerMessage::Welcome(welcome)),
        ("welcome-mirrors", ServerMessage::Welcome(with_mirrors)),
        ("mirrors", ServerMessage::Mirrors(Mirrors { urls })),
        ("mirrors-none", ServerMessage::Mirrors(Mirrors { urls: Vec::new() })),
    ]
}

fn folder_messages() -> Vec<(&'static str, ServerMessage)> {
    use ServerMessage as S;
    let next = Some("f6c6f636b6564".into());
    let photos = entries().swap_remove(0);
    let entry = Entry { name: "Spaß 2.txt".into(), kind: EntryKind::File, size: 3, modified_ms: None };
    let hits = vec![Hit { folder: path("c/d"), entry }];
    vec![
        ("listing", S::Listing(Listing { id: 1, entries: entries(), next })),
        ("listing-empty", S::Listing(Listing { id: 2, entries: Vec::new(), next: None })),
        ("listing-links", S::Listing(Listing { id: 8, entries: links(), next: None })),
        ("stat-reply", S::Stat(StatReply { id: 3, entry: photos })),
        ("search-reply", S::Search(SearchReply { id: 9, hits, next: Some("dz".into()) })),
    ]
}

fn file_messages() -> Vec<(&'static str, ServerMessage)> {
    use ServerMessage as S;
    let data = sample(5 * BLOCK_SIZE);
    let root = *blake3::hash(&data).as_bytes();
    let hashes = block_hashes(&data);
    let version = FileVersion(std::array::from_fn(|i| i as u8));
    let pending = Opened { id: 4, handle: 1, size: 40_960, version, root: None };
    let opened = Opened { root: Some(root), ..pending.clone() };
    let data = Bytes::from_static(&[0, 0x12, 0xff]);
    vec![
        ("opened-pending", S::Opened(pending)),
        ("opened", S::Opened(opened)),
        ("blocks-reply", S::Blocks(BlocksReply { id: 300, run: BlockRun { first: 1, count: 1 }, data })),
        ("hash-page", S::HashPage(HashPage { id: 6, nodes: hashes[..4].to_vec(), uncles: hashes[4..].to_vec() })),
        ("root-ready", S::RootReady(RootReady { handle: 1, root })),
        ("stale", S::Stale(Stale { handle: 1 })),
        ("zeros", S::Zeros(Zeros { id: 300, first: 3, count: 13_107_197 })),
        ("compressed", S::Compressed(compressed())),
        ("bundle-reply", S::Bundle(BundleReply { id: 7, files: bundled(version) })),
    ]
}

/// A reply with one block of the letter `a`: 20 raw bytes, and 8,192 times one byte.
fn compressed() -> Compressed {
    let reply = BlocksReply { id: 300, run: BlockRun { first: 1, count: 1 }, data: vec![b'a'; 8192].into() };
    let frame = ServerMessage::Blocks(reply.clone()).encode();
    let magic = [0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x14, 0x1f];
    let data = [&magic[..], &[20 << 3, 0, 0], &frame[..20], &[3, 0, 1], b"a"].concat().into();
    let compressed = Compressed { id: 300, length: 8212, data };
    assert_eq!(compressed.decompress(), Ok(ServerMessage::Blocks(reply)));
    compressed
}

fn bundled(version: FileVersion) -> Vec<Bundled> {
    let file = |modified_ms, data: &'static [u8]| {
        let (root, data) = (*blake3::hash(data).as_bytes(), Bytes::from_static(data));
        Bundled::File(BundledFile { modified_ms, version, root, data })
    };
    vec![
        file(Some(1_700_000_000_000), b"abc"),
        file(None, b""),
        Bundled::Refused(ErrorCode::NotFound),
        Bundled::Refused(ErrorCode::TooLarge),
    ]
}

fn ending_messages() -> Vec<(&'static str, ServerMessage)> {
    use ServerMessage as S;
    let busy = Failure { id: Some(5), code: ErrorCode::Busy, text: "Try again.".into(), retry_after_ms: Some(500) };
    let version =
        Failure { id: None, code: ErrorCode::UnsupportedVersion, text: "Update.".into(), retry_after_ms: None };
    vec![
        ("failure", S::Failure(busy)),
        ("failure-connection", S::Failure(version)),
        ("pong", S::Pong(Pong { nonce: 0x0123_4567_89ab_cdef })),
        ("goodbye", S::Goodbye(Goodbye { retry_after_ms: 2000 })),
    ]
}

#[test]
fn every_client_frame_is_the_vectors() {
    let expected = client_messages();
    let frames: Vec<Frame> = vectors("frames");
    let frames: Vec<_> = frames.into_iter().filter(|frame| frame.from == From::Client).collect();
    assert_eq!(frames.len(), expected.len());
    for (name, message) in expected {
        let frame = frames.iter().find(|frame| frame.name == name).expect("every message has a vector");
        let bytes = unhex(&frame.hex);
        assert_eq!(message.encode(), bytes, "{name}");
        assert_eq!(ClientMessage::decode(&bytes).as_ref(), Ok(&message), "{name}");
    }
}

#[test]
fn every_server_frame_is_the_vectors() {
    let expected = [handshake_messages(), folder_messages(), file_messages(), ending_messages()].concat();
    let frames: Vec<Frame> = vectors("frames");
    let frames: Vec<_> = frames.into_iter().filter(|frame| frame.from == From::Server).collect();
    assert_eq!(frames.len(), expected.len());
    for (name, message) in expected {
        let frame = frames.iter().find(|frame| frame.name == name).expect("every message has a vector");
        let bytes = unhex(&frame.hex);
        assert_eq!(message.encode(), bytes, "{name}");
        assert_eq!(ServerMessage::decode(bytes.into()).as_ref(), Ok(&message), "{name}");
    }
}

#[test]
fn every_frame_that_breaks_a_rule_is_refused() {
    for Refused { from, reason, hex } in vectors::<Vec<Refused>>("refused") {
        let bytes = unhex(&hex);
        match from {
            From::Client => assert!(ClientMessage::decode(&bytes).is_err(), "client: {reason}"),
            From::Server => assert!(ServerMessage::decode(bytes.into()).is_err(), "server: {reason}"),
        }
    }
}

#[test]
fn handshake_bodies_may_go_on_and_no_others() {
    for frame in vectors::<Vec<Frame>>("frames") {
        let bytes = unhex(&frame.hex);
        let longer = [bytes.as_slice(), &[7]].concat();
        let same = match frame.from {
            From::Client => ClientMessage::decode(&longer) == ClientMessage::decode(&bytes),
            From::Server => ServerMessage::decode(longer.into()) == ServerMessage::decode(bytes.into()),
        };
        assert_eq!(same, frame.name.starts_with("hello") || frame.name.starts_with("welcome"), "{}", frame.name);
    }
}

#[test]
fn the_trees_have_the_vectors_hashes() {
    for vector in vectors::<Vec<TreeVector>>("trees") {
        let data = sample(vector.size);
        let hashes = block_hashes(&data);
        let expected: Vec<_> = vector.blocks.iter().map(|hex| hash(hex)).collect();
        assert_eq!(hashes, expected, "{}", vector.size);
        let root = tree::fold(&hashes, true).unwrap_or_else(tree::empty_root);
        assert_eq!(root, hash(&vector.root), "{}", vector.size);
    }
}

#[test]
fn the_vectors_pages_are_verified_and_no_changed_ones() {
    for vector in vectors::<Vec<TreeVector>>("trees") {
        let (tree, root) = (Tree::of_size(vector.size), hash(&vector.root));
        for page in &vector.pages {
            let place = (page.level, page.first, page.count);
            let nodes: Vec<_> = page.nodes.iter().map(|hex| hash(hex)).collect();
            let uncles: Vec<_> = page.uncles.iter().map(|hex| hash(hex)).collect();
            assert_eq!(tree::verify_page(tree, &root, place, &nodes, &uncles), Ok(()), "{} {place:?}", vector.size);
            for i in 0..nodes.len() + uncles.len() {
                let (mut nodes, mut uncles) = (nodes.clone(), uncles.clone());
                nodes.iter_mut().chain(&mut uncles).nth(i).expect("i is below the sum")[i % 32] ^= 1;
                let verdict = tree::verify_page(tree, &root, place, &nodes, &uncles);
                assert_eq!(verdict, Err(PageError::WrongRoot), "{} {place:?} {i}", vector.size);
            }
            assert!(page.level <= MAX_LEVEL && uncles.len() <= MAX_UNCLES);
        }
    }
}
