//! Every encoded message is decoded again, and no bytes do harm.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use wstp_protocol::limits::*;
use wstp_protocol::*;

fn text(most: usize) -> impl Strategy<Value = String> {
    any::<String>().prop_map(move |text| text[..text.floor_char_boundary(most.min(text.len()))].to_owned())
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just("n".repeat(MAX_NAME)),
        Just("<img src=x onerror=alert(1)>".to_owned()),
        Just("a\\..\\b".to_owned()),
    ]
    .prop_map(|name| {
        let name: String = name.chars().filter(|c| !['/', '\0'].contains(c)).collect();
        if matches!(name.as_str(), "" | "." | "..") { "name".to_owned() } else { name }
    })
}

fn path() -> impl Strategy<Value = SharePath> {
    vec(name(), 0..4).prop_map(|names| SharePath::parse(names.join("/")).expect("three names fit a path"))
}

fn run() -> impl Strategy<Value = BlockRun> {
    let first = prop_oneof![0..1000u64, any::<u64>()];
    (first, 1..=MAX_RUN_BLOCKS)
        .prop_map(|(first, count)| BlockRun { first: first.min(u64::MAX - u64::from(count)), count })
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<Hash>()
}

fn hello() -> impl Strategy<Value = Hello> {
    let token = prop_oneof![text(MAX_TOKEN), Just("t".repeat(MAX_TOKEN))];
    (any::<(u16, u16, u64)>(), text(MAX_AGENT), option::of(token)).prop_map(|((a, b, features), agent, token)| Hello {
        min_version: a.min(b),
        max_version: a.max(b),
        features,
        agent,
        token,
    })
}

fn list() -> impl Strategy<Value = ListRequest> {
    let cursor = prop_oneof![text(MAX_CURSOR), Just("c".repeat(MAX_CURSOR))];
    (any::<u32>(), path(), option::of(cursor), 1..=MAX_LIST_ENTRIES).prop_map(|(id, path, cursor, limit)| ListRequest {
        id,
        path,
        cursor,
        limit,
    })
}

fn hashes() -> impl Strategy<Value = HashesRequest> {
    (any::<(u32, u32, u64)>(), 0..=MAX_LEVEL, 0..=MAX_PAGE_NODES.ilog2()).prop_map(|((id, handle, any), level, log)| {
        HashesRequest { id, handle, level, first: any >> log << log, count: 1 << log }
    })
}

fn bundle() -> impl Strategy<Value = BundleRequest> {
    let names = prop_oneof![vec(name(), 1..4), vec("[a-z.]{1,12}x", MAX_BUNDLE_FILES)];
    (any::<u32>(), path(), names).prop_map(|(id, path, names)| BundleRequest { id, path, names })
}

fn search() -> impl Strategy<Value = SearchRequest> {
    // Path and cursor are one path together.
    let (words, cursor) = (".{1,60}", option::of(text(1000)));
    (any::<u32>(), path(), words, cursor, 1..=MAX_LIST_ENTRIES)
        .prop_map(|(id, path, words, cursor, limit)| SearchRequest { id, path, words, cursor, limit })
}

fn client_message() -> impl Strategy<Value = ClientMessage> {
    prop_oneof![
        hello().prop_map(ClientMessage::Hello),
        list().prop_map(ClientMessage::List),
        (any::<u32>(), path()).prop_map(|(id, path)| ClientMessage::Stat(StatRequest { id, path })),
        (any::<u32>(), path()).prop_map(|(id, path)| ClientMessage::Open(OpenRequest { id, path })),
        (any::<(u32, u32)>(), run()).prop_map(|((id, handle), run)| ClientMessage::Blocks(BlocksRequest {
            id,
            handle,
            run
        })),
        hashes().prop_map(ClientMessage::Hashes),
        any::<u32>().prop_map(|id| ClientMessage::Cancel(Cancel { id })),
        any::<u32>().prop_map(|handle| ClientMessage::Close(Close { handle })),
        any::<u64>().prop_map(|nonce| ClientMessage::Ping(Ping { nonce })),
        bundle().prop_map(ClientMessage::Bundle),
        search().prop_map(ClientMessage::Search),
    ]
}

fn welcome() -> impl Strategy<Value = Welcome> {
    let limits = (1..=u32::MAX, 1..=u32::MAX, 1..=MAX_RUN_BLOCKS, 0..=MAX_PAGE_NODES.ilog2(), 1..=u32::MAX).prop_map(
        |(requests, handles, run_blocks, log, idle_timeout_ms)| Limits {
            requests,
            handles,
            run_blocks,
            page_nodes: 1 << log,
            idle_timeout_ms,
        },
    );
    (any::<(u16, u64)>(), text(MAX_AGENT), limits).prop_map(|((version, features), agent, limits)| Welcome {
        version,
        features,
        agent,
        limits,
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    const KINDS: &[EntryKind] = &[
        EntryKind::Directory,
        EntryKind::File,
        EntryKind::Dangling,
        EntryKind::Unreadable,
        EntryKind::LeadsOut,
        EntryKind::Circle,
    ];
    (name(), proptest::sample::select(KINDS), any::<(u64, Option<i64>)>())
        .prop_map(|(name, kind, (size, modified_ms))| Entry { name, kind, size, modified_ms })
}

fn blocks() -> impl Strategy<Value = BlocksReply> {
    (any::<u32>(), run(), 1..=BLOCK_SIZE as usize, any::<u8>()).prop_map(|(id, run, tail, fill)| {
        let length = (run.count as usize - 1) * BLOCK_SIZE as usize + tail;
        BlocksReply { id, run, data: Bytes::from(std::vec![fill; length]) }
    })
}

fn zeros() -> impl Strategy<Value = Zeros> {
    let number = || prop_oneof![0..1000u64, any::<u64>()];
    (any::<u32>(), number(), number()).prop_map(|(id, first, count)| {
        let first = first.min(u64::MAX - 1);
        Zeros { id, first, count: count.clamp(1, u64::MAX - first) }
    })
}

fn compressed() -> impl Strategy<Value = Compressed> {
    (any::<u32>(), 1..=MAX_SERVER_FRAME as u32, vec(any::<u8>(), 1..300)).prop_map(|(id, length, data)| Compressed {
        id,
        length,
        data: data.into(),
    })
}

fn failure() -> impl Strategy<Value = Failure> {
    let explanation = prop_oneof![text(MAX_ERROR_TEXT), Just("e".repeat(MAX_ERROR_TEXT))];
    (any::<(Option<u32>, u16, Option<u32>)>(), explanation).prop_map(|((id, code, retry_after_ms), text)| Failure {
        id,
        code: ErrorCode::from_u16(code),
        text,
        retry_after_ms,
    })
}

fn mirrors() -> impl Strategy<Value = Mirrors> {
    const FORM: &str =
        "(ws|wss|http|https)://[a-z0-9][a-z0-9.-]{0,40}(:[1-9][0-9]{0,3})?(/[a-zA-Z0-9._~!$&'()*+,;=:@%/-]{0,60})?";
    let url = prop_oneof![FORM, Just(longest_url())];
    vec(url.prop_map(|url| MirrorUrl::parse(url).expect("made by the rules")), 0..=MAX_MIRRORS)
        .prop_map(|urls| Mirrors { urls })
}

fn bundled() -> impl Strategy<Value = Bundled> {
    let length = prop_oneof![4 => 0..100usize, 1 => Just(8192usize)];
    let file = (any::<(Option<i64>, [u8; 16], Hash)>(), length, any::<u8>()).prop_map(
        |((modified_ms, version, root), length, fill)| {
            let data = Bytes::from(std::vec![fill; length]);
            Bundled::File(BundledFile { modified_ms, version: FileVersion(version), root, data })
        },
    );
    prop_oneof![3 => file, 1 => any::<u16>().prop_map(|code| Bundled::Refused(ErrorCode::from_u16(code)))]
}

fn longest_url() -> String {
    format!("https://mirror.example/{}", "p".repeat(MAX_MIRROR_URL - 23))
}

fn server_message() -> impl Strategy<Value = ServerMessage> {
    let listing = (any::<u32>(), vec(entry(), 0..20), option::of(text(MAX_CURSOR)))
        .prop_map(|(id, entries, next)| ServerMessage::Listing(Listing { id, entries, next }));
    let hit = (path(), entry()).prop_map(|(folder, entry)| Hit { folder, entry });
    let search = (any::<u32>(), vec(hit, 0..20), option::of(text(MAX_SEARCH_CURSOR)))
        .prop_map(|(id, hits, next)| ServerMessage::Search(SearchReply { id, hits, next }));
    let opened = any::<((u32, u32, u64), [u8; 16], Option<Hash>)>().prop_map(|((id, handle, size), version, root)| {
        ServerMessage::Opened(Opened { id, handle, size, version: FileVersion(version), root })
    });
    let page = (any::<u32>(), vec(hash(), 0..70), vec(hash(), 0..=MAX_UNCLES))
        .prop_map(|(id, nodes, uncles)| ServerMessage::HashPage(HashPage { id, nodes, uncles }));
    prop_oneof![
        welcome().prop_map(ServerMessage::Welcome),
        listing,
        search,
        (any::<u32>(), entry()).prop_map(|(id, entry)| ServerMessage::Stat(StatReply { id, entry })),
        opened,
        blocks().prop_map(ServerMessage::Blocks),
        page,
        failure().prop_map(ServerMessage::Failure),
        any::<u64>().prop_map(|nonce| ServerMessage::Pong(Pong { nonce })),
        any::<(u32, Hash)>().prop_map(|(handle, root)| ServerMessage::RootReady(RootReady { handle, root })),
        any::<u32>().prop_map(|handle| ServerMessage::Stale(Stale { handle })),
        any::<u32>().prop_map(|retry_after_ms| ServerMessage::Goodbye(Goodbye { retry_after_ms })),
        mirrors().prop_map(ServerMessage::Mirrors),
        zeros().prop_map(ServerMessage::Zeros),
        compressed().prop_map(ServerMessage::Compressed),
        (any::<u32>(), vec(bundled(), 1..20)).prop_map(|(id, files)| ServerMessage::Bundle(BundleReply { id, files })),
    ]
}

/// A frame with some bytes changed, and cut or lengthened.
fn damaged(frame: Vec<u8>, places: &[(usize, u8)], length: usize) -> Vec<u8> {
    let mut frame = frame;
    for &(at, byte) in places {
        let at = at % frame.len();
        frame[at] = byte;
    }
    frame.resize(length % (frame.len() + 3), 0);
    frame
}

/// The parts of [`damaged`].
fn damage() -> impl Strategy<Value = (Vec<(usize, u8)>, usize)> {
    (vec(any::<(usize, u8)>(), 0..4), prop_oneof![Just(usize::MAX), any::<usize>()])
}

fn check_client(frame: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(message) = ClientMessage::decode(frame) {
        let canonical = message.encode();
        prop_assert!(canonical.len() <= frame.len());
        prop_assert_eq!(ClientMessage::decode(&canonical), Ok(message));
    }
    Ok(())
}

fn check_server(frame: Vec<u8>) -> Result<(), TestCaseError> {
    let length = frame.len();
    if let Ok(message) = ServerMessage::decode(frame.into()) {
        let canonical = message.encode();
        prop_assert!(canonical.len() <= length);
        prop_assert_eq!(ServerMessage::decode(canonical.into()), Ok(message));
    }
    Ok(())
}

proptest! {
    #[test]
    fn client_messages_come_back(message in client_message()) {
        let frame = message.encode();
        prop_assert!(frame.len() <= MAX_CLIENT_FRAME);
        prop_assert_eq!(ClientMessage::decode(&frame), Ok(message));
    }

    #[test]
    fn server_messages_come_back(message in server_message()) {
        let frame = message.encode();
        prop_assert!(frame.len() <= MAX_SERVER_FRAME);
        prop_assert_eq!(ServerMessage::decode(frame.into()), Ok(message));
    }

    #[test]
    fn a_frame_cut_anywhere_is_refused(client in client_message(), server in server_message(), at: usize) {
        let frame = client.encode();
        prop_assert!(ClientMessage::decode(&frame[..at % frame.len()]).is_err());
        // Data may end anywhere within its last block; everything else may not.
        if !matches!(server, ServerMessage::Blocks(_) | ServerMessage::Compressed(_)) {
            let frame = Bytes::from(server.encode());
            prop_assert!(ServerMessage::decode(frame.slice(..at % frame.len())).is_err());
        }
    }

    #[test]
    fn any_bytes_are_refused_or_mean_something(tag in prop_oneof![0..13u8, 0x80..0x92u8, any::<u8>()], body in vec(any::<u8>(), 0..300)) {
        let frame = [&[tag], body.as_slice()].concat();
        check_client(&frame)?;
        check_server(frame)?;
    }

    #[test]
    fn damaged_data_decompress_to_a_reply_or_to_nothing(
        words in vec("[a-z]{1,8}", 1..200), order in vec(any::<usize>(), 1..2000), (places, length) in damage()
    ) {
        let text: String = order.iter().map(|at| words[at % words.len()].as_str()).collect();
        let count = text.len().div_ceil(BLOCK_SIZE as usize) as u32;
        let reply = ServerMessage::Blocks(BlocksReply { id: 1, run: BlockRun { first: 0, count }, data: text.into() });
        let plain = reply.encode();
        let data = zstd::bulk::compress(&plain, 1).expect("there is memory");
        let right = Compressed { id: 1, length: plain.len() as u32, data: data.clone().into() };
        prop_assert_eq!(right.decompress(), Ok(reply));
        let damaged = Compressed { data: damaged(data, &places, length).into(), ..right };
        if let Ok(other) = damaged.decompress() {
            prop_assert_eq!(other.encode().len(), plain.len());
        }
    }

    #[test]
    fn damaged_frames_are_refused_or_mean_something(client in client_message(), server in server_message(), (places, length) in damage()) {
        check_client(&damaged(client.encode(), &places, length))?;
        check_server(damaged(server.encode(), &places, length))?;
    }
}

#[test]
fn a_file_in_a_bundle_takes_as_much_as_is_reckoned_and_less_only_by_the_lengths_of_lengths() {
    let file = |size: usize| {
        let data = Bytes::from(vec![7; size]);
        let (modified_ms, version) = (Some(i64::MIN), FileVersion([0xff; 16]));
        Bundled::File(BundledFile { modified_ms, version, root: [0xff; 32], data })
    };
    // The varints of the count and of each file's size are reckoned at their longest: two bytes and three.
    for (count, size, spared) in [
        (1, MAX_BUNDLED_FILE, 1),
        (MAX_BUNDLE_FILES, 900, MAX_BUNDLE_FILES),
        (MAX_BUNDLE_FILES, 0, MAX_BUNDLE_FILES * 2),
        (1, 0, 1 + 2),
        (3, 200, 1 + 3),
    ] {
        let reply = ServerMessage::Bundle(BundleReply { id: u32::MAX, files: vec![file(size); count] });
        let frame = reply.encode();
        let reckoned = BundleReply::OVERHEAD + count as u64 * BundleReply::space_of(size as u64);
        assert_eq!(frame.len() as u64 + spared as u64, reckoned, "{count} of {size}");
        assert!(reckoned <= MAX_SERVER_FRAME as u64, "{count} of {size}");
        assert_eq!(ServerMessage::decode(frame.into()), Ok(reply));
    }
}

#[test]
fn the_data_of_a_bundle_is_not_copied() {
    let data = Bytes::from(vec![7; 1000]);
    let file = BundledFile { modified_ms: None, version: FileVersion([0; 16]), root: [0; 32], data };
    let frame = Bytes::from(ServerMessage::Bundle(BundleReply { id: 1, files: vec![Bundled::File(file)] }).encode());
    let Ok(ServerMessage::Bundle(reply)) = ServerMessage::decode(frame.clone()) else { panic!("a bundle comes back") };
    let Bundled::File(file) = &reply.files[0] else { panic!("a file comes back") };
    assert!(frame.as_ptr_range().contains(&file.data.as_ptr()));
}

/// Whether the server refuses a client's message once it is on the wire.
fn is_refused(message: &ClientMessage) -> bool {
    ClientMessage::decode(&message.encode()).is_err()
}

#[test]
fn the_longest_names_and_pages_just_fit() {
    let names = vec!["n".repeat(1023); 3].join("/");
    let longest = SharePath::parse(format!("{names}/{}", "n".repeat(1024))).unwrap();
    assert_eq!(longest.as_str().len(), MAX_PATH);
    let list = ListRequest { id: u32::MAX, path: longest, cursor: Some("c".repeat(MAX_CURSOR)), limit: 1000 };
    assert!(!is_refused(&ClientMessage::List(list)));
    let page = HashPage { id: 1, nodes: vec![[0; 32]; MAX_PAGE_NODES as usize], uncles: vec![[0; 32]; MAX_UNCLES] };
    let message = ServerMessage::HashPage(page.clone());
    assert_eq!(ServerMessage::decode(message.encode().into()), Ok(message));
    let url = MirrorUrl::parse(longest_url()).unwrap();
    let most = ServerMessage::Mirrors(Mirrors { urls: vec![url.clone(); MAX_MIRRORS] });
    assert_eq!(ServerMessage::decode(most.encode().into()), Ok(most));
    let more = ServerMessage::Mirrors(Mirrors { urls: vec![url; MAX_MIRRORS + 1] });
    assert_eq!(ServerMessage::decode(more.encode().into()), Err(DecodeError::Malformed));
    let longer = HashPage { nodes: vec![[0; 32]; MAX_PAGE_NODES as usize + 1], ..page };
    assert_eq!(ServerMessage::decode(ServerMessage::HashPage(longer).encode().into()), Err(DecodeError::Malformed));
}

#[test]
fn an_announced_length_takes_no_memory() {
    for (tag, fields) in [(0x82, 1), (0x86, 1), (0x8d, 0), (0x8e, 1)] {
        let mut frame = vec![tag];
        frame.extend(std::iter::repeat_n(1, fields));
        frame.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(ServerMessage::decode(frame.into()), Err(DecodeError::Malformed));
    }
}

#[test]
fn frames_beyond_their_limit_are_refused_unseen() {
    assert_eq!(ClientMessage::decode(&vec![0x09; MAX_CLIENT_FRAME + 1]), Err(DecodeError::TooLong));
    assert_eq!(ClientMessage::decode(&vec![0x09; MAX_CLIENT_FRAME]), Err(DecodeError::Malformed));
    assert_eq!(ServerMessage::decode(vec![0x89; MAX_SERVER_FRAME + 1].into()), Err(DecodeError::TooLong));
}

#[test]
fn refusals_name_what_is_out_of_bounds() {
    let run = |first, count| BlocksRequest { id: 1, handle: 1, run: BlockRun { first, count } };
    let decode = |run| ClientMessage::decode(&ClientMessage::Blocks(run).encode());
    assert_eq!(decode(run(0, 0)), Err(DecodeError::OutOfBounds("count")));
    assert_eq!(decode(run(u64::MAX, 1)), Err(DecodeError::OutOfBounds("first")));
    assert_eq!(ClientMessage::decode(&[]), Err(DecodeError::Empty));
    assert_eq!(ClientMessage::decode(&[0x81]), Err(DecodeError::UnknownTag(0x81)));
}

#[test]
fn only_a_peer_with_the_feature_is_told_how_a_link_goes_wrong() {
    for kind in [EntryKind::LeadsOut, EntryKind::Circle] {
        assert_eq!(kind.known_with(features::LINKS), kind);
        assert_eq!(kind.known_with(!features::LINKS), EntryKind::Dangling);
    }
    assert_eq!(EntryKind::File.known_with(!features::LINKS), EntryKind::File);
}
