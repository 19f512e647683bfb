//! The bodies of the fuzz targets, shared by cargo-fuzz (`targets/`) and the test on a stable compiler
//! (`protocol/tests/it/fuzz.rs`). Each panics when the crate breaks a promise.

use wstp_protocol::limits::{MAX_PAGE_NODES, MAX_UNCLES};
use wstp_protocol::tree::{Tree, hash_block, verify_page};
use wstp_protocol::{ClientMessage, Hash, ServerMessage};

/// A frame for the server. A decoded frame means the same in its shortest form, which is never longer.
pub fn client_frame(data: &[u8]) {
    let Ok(message) = ClientMessage::decode(data) else { return };
    let canonical = message.encode();
    assert!(canonical.len() <= data.len());
    assert_eq!(ClientMessage::decode(&canonical).as_ref(), Ok(&message));
}

/// A frame for the client. The same holds as for the server.
pub fn server_frame(data: &[u8]) {
    let Ok(message) = ServerMessage::decode(data.to_vec().into()) else { return };
    let canonical = message.encode();
    assert!(canonical.len() <= data.len());
    assert_eq!(ServerMessage::decode(canonical.into()).as_ref(), Ok(&message));
    if let ServerMessage::Compressed(compressed) = message
        && let Ok(reply) = compressed.decompress()
    {
        assert!(reply.encode().len() <= compressed.length as usize);
        assert!(matches!(reply, ServerMessage::Blocks(_) | ServerMessage::Bundle(_)));
    }
}

/// A page: size `u64`, level `u8`, first `u64`, count `u32`, number of nodes `u16`, root, nodes, uncles; little-endian.
/// No claim about a file may overflow. A page that verifies does so with these hashes only.
pub fn page(data: &[u8]) {
    let Some(page) = Page::read(data) else { return };
    let tree = Tree::of_size(page.size);
    if let Some(covered) = tree.covered(page.place.0, page.place.1, page.place.2) {
        assert!(covered.start < covered.end && covered.end <= tree.blocks());
        assert!(tree.uncles(&covered).len() <= MAX_UNCLES);
    }
    std::hint::black_box(hash_block(tree, page.place.1, data));
    if verify_page(tree, &page.root, page.place, &page.nodes, &page.uncles).is_err() {
        return;
    }
    assert!(page.nodes.len() as u64 <= u64::from(page.place.2) && page.uncles.len() <= MAX_UNCLES);
    for i in 0..page.nodes.len() + page.uncles.len() {
        let (mut nodes, mut uncles) = (page.nodes.clone(), page.uncles.clone());
        let changed = nodes.iter_mut().chain(&mut uncles).nth(i).expect("i is below the number of hashes");
        changed[i % 32] ^= 0x80;
        assert!(verify_page(tree, &page.root, page.place, &nodes, &uncles).is_err());
    }
}

struct Page {
    size: u64,
    place: (u8, u64, u32),
    root: Hash,
    nodes: Vec<Hash>,
    uncles: Vec<Hash>,
}

impl Page {
    fn read(data: &[u8]) -> Option<Self> {
        let (size, data) = data.split_first_chunk()?;
        let (level, data) = data.split_first()?;
        let (first, data) = data.split_first_chunk()?;
        let (count, data) = data.split_first_chunk()?;
        let (nodes, data) = data.split_first_chunk()?;
        let (root, data) = data.split_first_chunk()?;
        let hashes = data.as_chunks::<32>().0;
        let (nodes, uncles) = hashes.split_at_checked(u16::from_le_bytes(*nodes).into())?;
        let most = MAX_PAGE_NODES as usize;
        (nodes.len() <= most && uncles.len() <= MAX_UNCLES).then(|| Self {
            size: u64::from_le_bytes(*size),
            place: (*level, u64::from_le_bytes(*first), u32::from_le_bytes(*count)),
            root: *root,
            nodes: nodes.to_vec(),
            uncles: uncles.to_vec(),
        })
    }
}
