//! Files with contents that follow from a name and a size.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

/// Contents that look random and are the same every time.
#[derive(Clone, Debug)]
pub struct Contents {
    seed: String,
    size: u64,
}

impl Contents {
    /// `size` bytes that follow from `seed`; another seed gives other bytes.
    pub fn new(seed: impl Into<String>, size: u64) -> Self {
        Self { seed: seed.into(), size }
    }

    /// Writes them to a new file, with its folders.
    ///
    /// # Errors
    ///
    /// When the file can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("can't create {}", folder.display()))?;
        }
        let file = File::create(path).with_context(|| format!("can't create {}", path.display()))?;
        self.copy(BufWriter::with_capacity(1 << 20, file)).with_context(|| format!("can't write {}", path.display()))
    }

    /// All of them.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.copy(&mut bytes).expect("memory takes what is written");
        bytes
    }

    fn copy(&self, mut out: impl Write) -> io::Result<()> {
        let mut bytes = blake3::Hasher::new().update(self.seed.as_bytes()).finalize_xof();
        let mut piece = vec![0; 1 << 18];
        let mut left = self.size;
        while left > 0 {
            let take = left.min(piece.len() as u64) as usize;
            bytes.fill(&mut piece[..take]);
            out.write_all(&piece[..take])?;
            left -= take as u64;
        }
        out.flush()
    }
}

/// The BLAKE3 hash of a file on disk, in lower-case hexadecimal.
///
/// # Errors
///
/// When it can't be read.
pub fn hash_file(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let file = File::open(path).with_context(|| format!("can't open {}", path.display()))?;
    hasher.update_reader(file).with_context(|| format!("can't read {}", path.display()))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Fills `dir` with a few sample files of different kinds.
///
/// # Errors
///
/// When they can't be written.
pub fn make_samples(dir: &Path) -> Result<()> {
    let write = |name: &str, bytes: &[u8]| -> Result<()> {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().expect("it lies in the folder"))?;
        fs::write(&path, bytes).with_context(|| format!("can't write {}", path.display()))
    };
    write("Read me first.txt", READ_ME.as_bytes())?;
    write("notes/blocks.txt", BLOCKS.as_bytes())?;
    write("notes/\u{1f30d} na\u{ef}ve & \u{201c}quoted\u{201d}.txt", b"Names are text, whatever is in them.\n")?;
    write("notes/empty.txt", b"")?;
    write("pictures/blocks.svg", PICTURE.as_bytes())?;
    Contents::new("a sample of eight blocks and a bit", 8 * 8192 + 1).write(&dir.join("recordings/short.bin"))?;
    Contents::new("the largest sample", 24 * 1024 * 1024 + 4321).write(&dir.join("recordings/long.bin"))
}

const READ_ME: &str = "These files are here to try WSTP with.\n\n\
    Click one: it arrives in blocks of 8 KiB, each checked against the file's hash tree, and waits in the browser's\n\
    sandbox until it is saved. Serve a folder of your own with ./scripts/start DIR.\n";

const BLOCKS: &str = "A file is a sequence of blocks of 8,192 bytes. The last one may be shorter.\n";

const PICTURE: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 40">
  <rect width="160" height="40" fill="#f4f5f7"/>
  <g fill="#2b6cb0"><rect x="8" y="8" width="24" height="24"/><rect x="36" y="8" width="24" height="24"/>
  <rect x="64" y="8" width="24" height="24"/></g>
  <g fill="#90cdf4"><rect x="92" y="8" width="24" height="24"/><rect x="120" y="8" width="24" height="24"/></g>
</svg>
"##;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_follow_from_seed_and_size() {
        let dir = tempfile::tempdir().unwrap();
        let hash = |seed: &str, size| {
            let path = dir.path().join("some/file");
            Contents::new(seed, size).write(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len(), size);
            hash_file(&path).unwrap()
        };
        assert_eq!(hash("a", 300_000), hash("a", 300_000));
        assert_ne!(hash("a", 300_000), hash("b", 300_000));
        assert_eq!(hash("a", 0), blake3::hash(b"").to_hex().as_str());
    }
}
