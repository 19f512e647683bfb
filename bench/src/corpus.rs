//! The served files, in a folder that is removed with this.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use wstp_testkit::{Contents, hash_file};

/// Holes in a file that has some. Their borders are aligned to nothing.
const HOLES: u64 = 15;

/// A folder of files to serve.
#[derive(Debug)]
pub struct Corpus {
    dir: TempDir,
}

/// A file in it.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Its BLAKE3 hash in hexadecimal.
    pub hash: String,
}

impl Corpus {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// When there is no room.
    pub fn new() -> Result<Self> {
        Ok(Self { dir: tempfile::tempdir().context("no room for the files")? })
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Adds a file that looks random. Hashing it has put it into the page cache.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn random(&self, name: &str, size: u64) -> Result<Source> {
        Contents::new(name, size).write(&self.dir().join(name))?;
        self.source(name)
    }

    /// Adds a file with these bytes.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn of(&self, name: &str, bytes: &[u8]) -> Result<Source> {
        fs::write(self.dir().join(name), bytes)?;
        self.source(name)
    }

    /// Adds a file with holes: the bytes of `data` in equal parts, one at the start of each equal part of `size` bytes.
    ///
    /// # Errors
    ///
    /// When it can't be made.
    pub fn with_holes(&self, name: &str, size: u64, data: &Source) -> Result<Source> {
        let file = File::create(self.dir().join(name))?;
        file.set_len(size)?;
        let mut from = File::open(&data.path)?;
        for part in 0..HOLES {
            let bytes = data.size / HOLES;
            (&file).seek(SeekFrom::Start(size / HOLES * part))?;
            std::io::copy(&mut Read::by_ref(&mut from).take(bytes), &mut &file)?;
        }
        self.source(name)
    }

    fn source(&self, name: &str) -> Result<Source> {
        let path = self.dir().join(name);
        Ok(Source { name: name.to_owned(), size: fs::metadata(&path)?.len(), hash: hash_file(&path)?, path })
    }
}

impl Source {
    /// Fails unless the file at `path` has the same bytes.
    ///
    /// # Errors
    ///
    /// When it differs or can't be read.
    pub fn check(&self, path: &Path) -> Result<()> {
        let size = fs::metadata(path).with_context(|| format!("{} did not arrive", self.name))?.len();
        ensure!(size == self.size, "{size} of {} bytes of {} arrived", self.size, self.name);
        ensure!(hash_file(path)? == self.hash, "{} arrived with other bytes", self.name);
        Ok(())
    }

    /// Fails unless the files, concatenated, have the same bytes.
    ///
    /// # Errors
    ///
    /// When they differ or can't be read.
    pub fn check_parts(&self, parts: &[PathBuf]) -> Result<()> {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update_reader(File::open(part)?)?;
        }
        ensure!(hasher.count() == self.size, "{} of {} bytes of {} arrived", hasher.count(), self.size, self.name);
        ensure!(hasher.finalize().to_hex().as_str() == self.hash, "{} arrived with other bytes", self.name);
        Ok(())
    }

    /// Fails unless the file at `path` is the beginning of this one, `size` bytes long.
    ///
    /// # Errors
    ///
    /// When it is not or can't be read.
    pub fn check_beginning(&self, bytes: &[u8]) -> Result<()> {
        let mut wanted = vec![0; bytes.len()];
        File::open(&self.path)?.read_exact(&mut wanted)?;
        ensure!(wanted == bytes, "the beginning of {} arrived with other bytes", self.name);
        Ok(())
    }

    /// `parts` ranges of about the same size, first and last byte.
    pub fn ranges(&self, parts: u64) -> Vec<(u64, u64)> {
        let share = self.size.div_ceil(parts);
        (0..parts).map(|index| (index * share, ((index + 1) * share).min(self.size) - 1)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_differs_is_noticed() {
        let corpus = Corpus::new().unwrap();
        let source = corpus.random("a", 100_000).unwrap();
        source.check(&source.path).unwrap();
        let mut bytes = fs::read(&source.path).unwrap();
        source.check_beginning(&bytes[..5000]).unwrap();
        bytes[4000] ^= 1;
        assert!(source.check_beginning(&bytes[..5000]).is_err());
        let other = corpus.dir().join("other");
        fs::write(&other, &bytes).unwrap();
        assert!(source.check(&other).unwrap_err().to_string().contains("other bytes"));
        fs::write(&other, &bytes[1..]).unwrap();
        assert!(source.check(&other).unwrap_err().to_string().contains("99999 of 100000"));
        assert!(source.check(&corpus.dir().join("nothing")).is_err());
    }

    #[test]
    fn holes_take_no_room() {
        use std::os::unix::fs::MetadataExt;
        let corpus = Corpus::new().unwrap();
        let data = corpus.random("data", 150_000).unwrap();
        let source = corpus.with_holes("image", 15 << 20, &data).unwrap();
        let (bytes, data) = (fs::read(&source.path).unwrap(), fs::read(&data.path).unwrap());
        assert_eq!((source.size, bytes.len()), (15 << 20, 15 << 20));
        assert!(bytes[3 << 20..].starts_with(&data[30_000..40_000]) && bytes[(4 << 20) - 1] == 0);
        assert!(fs::metadata(&source.path).unwrap().blocks() * 512 < 1 << 20);
    }

    #[test]
    fn ranges_cover_the_file_once() {
        let corpus = Corpus::new().unwrap();
        let source = corpus.random("a", 10).unwrap();
        assert_eq!(source.ranges(4), [(0, 2), (3, 5), (6, 8), (9, 9)]);
        let parts = [&source.path];
        source.check_parts(&parts.map(PathBuf::from)).unwrap();
        assert!(source.check_parts(&[]).is_err());
    }
}
