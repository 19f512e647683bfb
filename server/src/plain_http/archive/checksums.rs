//! Checksums of files that were archived lately, so that a resumed download need not read all files before its part.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use wstp_protocol::{FileVersion, SharePath};

use super::walk::MAX_MEMBERS;

/// Names one version of one file.
type Key = [u8; 16];

/// CRC-32 by file and version. Bounded: the older half is dropped when the younger one is full.
#[derive(Default)]
pub struct Checksums(Mutex<Halves>);

#[derive(Default)]
struct Halves {
    young: HashMap<Key, u32>,
    old: HashMap<Key, u32>,
}

impl Checksums {
    /// The checksum of a version of a file, if it is remembered.
    pub fn get(&self, path: &SharePath, version: FileVersion) -> Option<u32> {
        let key = key(path, version);
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(crc) = halves.young.get(&key) {
            return Some(*crc);
        }
        let crc = halves.old.remove(&key)?;
        halves.put(key, crc);
        Some(crc)
    }

    /// Remembers a checksum.
    pub fn put(&self, path: &SharePath, version: FileVersion, crc: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(key(path, version), crc);
    }
}

impl Halves {
    fn put(&mut self, key: Key, crc: u32) {
        if self.young.len() >= MAX_MEMBERS {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, crc);
    }
}

fn key(path: &SharePath, version: FileVersion) -> Key {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&version.0).update(path.as_str().as_bytes());
    let mut key = Key::default();
    hasher.finalize_xof().fill(&mut key);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_checksums_are_remembered_and_no_others() {
        let checksums = Checksums::default();
        let version = |number: usize| FileVersion((number as u128).to_be_bytes());
        let path = SharePath::parse("a").unwrap();
        let first = 0;
        for number in 0..5 * MAX_MEMBERS / 2 {
            checksums.put(&path, version(number), number as u32);
            // It is used all the time.
            assert_eq!(checksums.get(&path, version(first)), Some(0));
        }
        let last = 5 * MAX_MEMBERS / 2 - 1;
        assert_eq!(checksums.get(&path, version(last)), Some(last as u32));
        assert_eq!(checksums.get(&path, version(1)), None);
        assert_eq!(checksums.get(&SharePath::parse("b").unwrap(), version(last)), None);
        let halves = checksums.0.lock().unwrap();
        assert!(halves.young.len() + halves.old.len() <= 2 * MAX_MEMBERS);
    }
}
