//! The served folder: made from a seed, held in memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use wstp_protocol::limits::MAX_BUNDLED_FILE;
use wstp_protocol::{Entry, EntryKind, ErrorCode, Hash};

use wstp_testkit::Random;

/// An entry of a folder.
#[derive(Clone, Debug)]
pub struct Node {
    pub kind: EntryKind,
    pub data: Bytes,
    /// The reason why it fails although it is listed.
    pub trouble: Option<ErrorCode>,
}

/// Every folder with its entries, in the order of names. The empty path is the share.
#[derive(Clone, Debug, Default)]
pub struct Share {
    pub folders: BTreeMap<String, BTreeMap<String, Node>>,
}

/// The path of a name in a folder.
pub fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

impl Share {
    /// Nothing in it.
    pub fn empty() -> Self {
        Self { folders: BTreeMap::from([(String::new(), BTreeMap::new())]) }
    }

    /// This many files of a size in each of this many folders.
    pub fn uniform(folders: usize, files: usize, size: usize) -> Self {
        let mut share = Self::empty();
        for folder in 0..folders {
            let path = share.folder("", &format!("d{folder:03}"));
            for file in 0..files {
                share.file(&path, &format!("f{file:04}"), size);
            }
        }
        share
    }

    /// Any folder.
    pub fn of_seed(random: &mut Random) -> Self {
        let mut share = Self::empty();
        for number in 0..random.pick(&[0, 1, 3, 10]) {
            let around = random.pick(&share.folders.keys().cloned().collect::<Vec<_>>());
            share.folder(&around, &format!("d{number}"));
        }
        let largest = random.pick(&[1, 100, 5000, 60_000, MAX_BUNDLED_FILE as u64 + 50_000]);
        for number in 0..random.pick(&[0, 1, 10, 60, 250]) {
            let around = random.pick(&share.folders.keys().cloned().collect::<Vec<_>>());
            let size = if random.chance(0.1) { 0 } else { random.below(largest + 1) };
            let node = share.file(&around, &format!("{number}{}", "n".repeat(random.below(9) as usize)), size as usize);
            if random.chance(0.03) {
                node.trouble = Some(random.pick(&[
                    ErrorCode::NotFound,
                    ErrorCode::Forbidden,
                    ErrorCode::Io,
                    ErrorCode::Unknown(99),
                ]));
            }
        }
        share.add("", "link", EntryKind::Dangling, Bytes::new());
        share
    }

    /// Adds a folder. Returns its path.
    pub fn folder(&mut self, around: &str, name: &str) -> String {
        self.add(around, name, EntryKind::Directory, Bytes::new());
        let path = join(around, name);
        self.folders.entry(path.clone()).or_default();
        path
    }

    /// Adds a file with unique bytes.
    pub fn file(&mut self, folder: &str, name: &str, size: usize) -> &mut Node {
        let mut data = vec![0; size];
        blake3::Hasher::new().update(join(folder, name).as_bytes()).finalize_xof().fill(&mut data);
        self.add(folder, name, EntryKind::File, data.into())
    }

    fn add(&mut self, folder: &str, name: &str, kind: EntryKind, data: Bytes) -> &mut Node {
        let entries = self.folders.get_mut(folder).expect("the folder is there");
        entries.entry(name.to_owned()).insert_entry(Node { kind, data, trouble: None }).into_mut()
    }

    /// Every file: path and node.
    pub fn files(&self) -> impl Iterator<Item = (String, &Node)> {
        self.folders.iter().flat_map(|(folder, entries)| {
            let files = entries.iter().filter(|(_, node)| node.kind == EntryKind::File);
            files.map(move |(name, node)| (join(folder, name), node))
        })
    }

    /// A file.
    pub fn find(&self, path: &str) -> Option<&Node> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.folders.get(folder)?.get(name)
    }

    /// A folder's entries in the order of a listing.
    pub fn listing(&self, folder: &str) -> Option<Vec<Entry>> {
        let entries = self.folders.get(folder)?.iter();
        let mut entries: Vec<_> = entries
            .map(|(name, node)| {
                let size = node.data.len() as u64;
                Entry { name: name.clone(), kind: node.kind, size, modified_ms: Some(size as i64) }
            })
            .collect();
        entries.sort_by_key(|entry| entry.kind != EntryKind::Directory);
        Some(entries)
    }
}

/// A file's hash.
pub fn root_of(data: &[u8]) -> Hash {
    *blake3::hash(data).as_bytes()
}
