//! Files to fetch, with their real hash trees, made once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use bytes::Bytes;
use wstp_protocol::tree::{Tree, empty_root, fold, hash_block};
use wstp_protocol::zeros::VOID_LEVEL;
use wstp_protocol::{BLOCK_SIZE, BlockRun, Hash, HashPage, RequestId};

pub struct Content {
    pub data: Bytes,
    pub root: Hash,
    tree: Tree,
    leaves: Vec<Hash>,
}

/// Which bytes. The edition differs from edition 0 in every eleventh block, or from [`SMALL_CHANGE`] on in block 3
/// only. From [`SPARSE`] on most of it is zero, and from [`VOID`] on all but its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Edition {
    pub size: u64,
    pub number: u8,
}

/// Editions from this number on differ in one block.
pub const SMALL_CHANGE: u8 = 100;

/// Editions from this number on are zero in runs, which are elsewhere in each of them.
pub const SPARSE: u8 = 200;
/// Editions from this number on begin with four voids, and some zeros more.
pub const VOID: u8 = 240;

thread_local! {
    static MADE: RefCell<HashMap<Edition, Rc<Content>>> = RefCell::new(HashMap::new());
}

impl Edition {
    fn is_zero(self, block: usize) -> bool {
        match self.number {
            VOID.. => block < (4 << VOID_LEVEL) + 20,
            SPARSE.. => (block + 17 * usize::from(self.number - SPARSE)) % 150 < 100,
            _ => false,
        }
    }
}

impl Content {
    pub fn of(edition: Edition) -> Rc<Self> {
        MADE.with_borrow_mut(|made| made.entry(edition).or_insert_with(|| Rc::new(Self::make(edition))).clone())
    }

    fn make(edition: Edition) -> Self {
        let mut data = vec![0; edition.size as usize];
        for (index, block) in data.chunks_mut(BLOCK_SIZE as usize).enumerate() {
            if edition.is_zero(index) {
                continue;
            }
            let differs = if edition.number >= SMALL_CHANGE { index == 3 } else { index % 11 == 3 };
            let number = if differs { edition.number } else { 0 };
            for (at, word) in block.chunks_mut(8).enumerate() {
                let value = ((index as u64) << 32 | at as u64).wrapping_add(u64::from(number) << 56);
                let value = value.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
                word.copy_from_slice(&value[..word.len()]);
            }
        }
        let tree = Tree::of_size(edition.size);
        let leaves: Vec<_> = data
            .chunks(BLOCK_SIZE as usize)
            .enumerate()
            .map(|(index, block)| hash_block(tree, index as u64, block))
            .collect();
        let root = fold(&leaves, true).unwrap_or_else(empty_root);
        Self { data: data.into(), root, tree, leaves }
    }

    /// The zero blocks that begin at this one; `None` if it is not zero.
    pub fn zeros_from(&self, first: u64) -> Option<Range<u64>> {
        let blocks = self.data.chunks(BLOCK_SIZE as usize).skip(first as usize);
        let count = blocks.take_while(|block| block.iter().all(|byte| *byte == 0)).count() as u64;
        (count > 0).then_some(first..first + count)
    }

    pub fn size(&self) -> u64 {
        self.data.len() as u64
    }

    pub fn bytes(&self, run: BlockRun) -> Option<Bytes> {
        let (start, length) = run.byte_range(self.size())?;
        Some(self.data.slice(start as usize..start as usize + length as usize))
    }

    /// A page of block hashes, like a server's.
    pub fn page(&self, id: RequestId, level: u8, first: u64, count: u32) -> Option<HashPage> {
        let covered = self.tree.covered(level, first, count)?;
        let whole = 0..self.tree.blocks();
        let node = |range: &Range<u64>| fold(&self.leaves[range.start as usize..range.end as usize], *range == whole);
        let end = self.tree.nodes(level).min(first + u64::from(count));
        let nodes = (first..end).map(|one| node(&self.tree.covered(level, one, 1)?)).collect::<Option<_>>()?;
        let uncles = self.tree.uncles(&covered).iter().map(node).collect::<Option<_>>()?;
        Some(HashPage { id, nodes, uncles })
    }
}
