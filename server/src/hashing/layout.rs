//! The positions of a hash tree's nodes in its file.
//!
//! Levels 0, 5, 10 … are stored, if they have more than one node, one after the other. Any other node is folded from at
//! most 32 stored ones. So a page costs one bounded read, and the upper levels take a 31st of the lowest.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use wstp_protocol::Hash;
use wstp_protocol::tree::Tree;

/// Levels from one stored level to the next.
pub const STRIDE: u8 = 5;
/// Nodes that fold into one node of the next stored level.
pub const FAN: usize = 1 << STRIDE;
/// Bytes in a node.
const NODE: u64 = 32;

/// The stored levels of a tree.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Offset and number of nodes of each stored level, lowest first.
    levels: Vec<(u64, u64)>,
}

/// The bytes of the stored nodes.
#[derive(Debug)]
pub enum Nodes {
    /// A small file's nodes, in memory.
    Memory(Vec<u8>),
    /// In a file, behind a header of this many bytes.
    File(File, u64),
}

impl Layout {
    /// The layout of a tree.
    pub fn of(tree: Tree) -> Self {
        let (mut levels, mut offset, mut level) = (Vec::new(), 0, 0);
        while level == 0 || tree.nodes(level) > 1 {
            levels.push((offset, tree.nodes(level)));
            offset += tree.nodes(level) * NODE;
            level += STRIDE;
        }
        Self { levels }
    }

    /// The level that is stored as the `stored`-th.
    pub fn level(stored: usize) -> u8 {
        u8::try_from(stored).expect("few levels are stored") * STRIDE
    }

    /// Bytes of all stored nodes.
    pub fn len(&self) -> u64 {
        self.levels.iter().map(|(_, nodes)| nodes * NODE).sum()
    }

    /// How many levels are stored.
    pub fn stored(&self) -> usize {
        self.levels.len()
    }

    /// How many nodes the `stored`-th stored level has.
    pub fn nodes(&self, stored: usize) -> u64 {
        self.levels[stored].1
    }

    /// The stored level from which nodes of `level` are folded, and how many levels it is below.
    pub fn base(&self, level: u8) -> (usize, u8) {
        let stored = usize::from(level / STRIDE).min(self.levels.len() - 1);
        let below = usize::from(level) - stored * usize::from(STRIDE);
        (stored, u8::try_from(below).expect("a level fits a byte and so does a difference of levels"))
    }

    /// Reads `count` nodes of a stored level.
    pub fn read(&self, bytes: &Nodes, stored: usize, first: u64, count: usize) -> io::Result<Vec<Hash>> {
        let mut nodes = vec![[0; NODE as usize]; count];
        bytes.read_at(nodes.as_flattened_mut(), self.levels[stored].0 + first * NODE)?;
        Ok(nodes)
    }

    /// Writes nodes of a stored level.
    pub fn write(&self, bytes: &mut Nodes, stored: usize, first: u64, nodes: &[Hash]) -> io::Result<()> {
        bytes.write_at(nodes.as_flattened(), self.levels[stored].0 + first * NODE)
    }

    /// Writes nodes of a complete tree that were absent. Only files lack any.
    pub fn write_late(&self, bytes: &Nodes, stored: usize, first: u64, nodes: &[Hash]) -> io::Result<()> {
        match bytes {
            Nodes::Memory(_) => Ok(()),
            Nodes::File(file, header) => {
                file.write_all_at(nodes.as_flattened(), header + self.levels[stored].0 + first * NODE)
            }
        }
    }
}

impl Nodes {
    /// Makes room for so many bytes. Those that are not written are zero.
    pub fn set_len(&self, length: u64) -> io::Result<()> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::File(file, header) => file.set_len(header + length),
        }
    }

    fn read_at(&self, target: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => {
                let source = range(offset, target.len()).and_then(|range| bytes.get(range));
                target.copy_from_slice(source.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Self::File(file, header) => file.read_exact_at(target, header + offset),
        }
    }

    fn write_at(&mut self, source: &[u8], offset: u64) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => {
                let target = range(offset, source.len()).and_then(|range| bytes.get_mut(range));
                target.ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(source);
                Ok(())
            }
            Self::File(file, header) => file.write_all_at(source, *header + offset),
        }
    }
}

fn range(offset: u64, length: usize) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    Some(start..start.checked_add(length)?)
}
