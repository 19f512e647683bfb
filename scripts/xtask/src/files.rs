//! Files and processes, with errors that name them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use flate2::{Compression, write::GzEncoder};

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("could not start {name}"))?;
    ensure!(status.success(), "{name} failed: {status}");
    Ok(())
}

/// All files beneath `folder`, sorted, relative to it.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(current) = pending.pop() {
        let entries = fs::read_dir(&current).with_context(|| format!("could not read {}", current.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.push(path.strip_prefix(folder)?.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The wanted content of a folder: each file's place in it, and the source of its bytes.
#[derive(Default)]
pub struct Tree(BTreeMap<PathBuf, PathBuf>);

impl Tree {
    /// Adds the files beneath `from` under `place`, except those whose name begins with a dot.
    pub fn add(&mut self, from: &Path, place: &str) -> Result<()> {
        for file in list(from)? {
            let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden {
                self.0.insert(Path::new(place).join(&file), from.join(&file));
            }
        }
        Ok(())
    }

    /// Makes `folder` contain this and nothing else. Files that are already right are not touched.
    pub fn write_to(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        for stray in list(folder)?.iter().filter(|file| !self.0.contains_key(*file)) {
            fs::remove_file(folder.join(stray))?;
        }
        for (place, source) in &self.0 {
            write_if_different(source, &folder.join(place))?;
        }
        Ok(())
    }
}

/// Copies a file, unless the target has the same content.
pub fn write_if_different(source: &Path, target: &Path) -> Result<()> {
    let bytes = fs::read(source).with_context(|| format!("could not read {}", source.display()))?;
    if fs::read(target).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::create_dir_all(target.parent().context("a file lies in a folder")?)?;
    fs::write(target, bytes).with_context(|| format!("could not write {}", target.display()))
}

/// The length of `bytes` when gzipped.
pub fn gzipped_len(bytes: &[u8]) -> Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_tree_has_its_files_and_no_others() {
        let scratch = tempfile::tempdir().unwrap();
        let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
        fs::create_dir_all(from.join("deep")).unwrap();
        fs::create_dir_all(&to).unwrap();
        for file in ["one", "deep/two", ".keep"] {
            fs::write(from.join(file), file).unwrap();
        }
        fs::write(to.join("stray"), "").unwrap();

        let mut tree = Tree::default();
        tree.add(&from, "placed").unwrap();
        tree.write_to(&to).unwrap();

        assert_eq!(list(&to).unwrap(), [Path::new("placed/deep/two"), Path::new("placed/one")]);
        assert_eq!(fs::read_to_string(to.join("placed/deep/two")).unwrap(), "deep/two");
    }

    #[test]
    fn a_file_that_is_right_is_not_touched() {
        let scratch = tempfile::tempdir().unwrap();
        let (source, target) = (scratch.path().join("source"), scratch.path().join("target"));
        fs::write(&source, "same").unwrap();
        fs::write(&target, "same").unwrap();
        let mut frozen = fs::metadata(&target).unwrap().permissions();
        frozen.set_readonly(true);
        fs::set_permissions(&target, frozen).unwrap();
        let before = fs::metadata(&target).unwrap().modified().unwrap();

        write_if_different(&source, &target).unwrap();

        assert_eq!(fs::metadata(&target).unwrap().modified().unwrap(), before);
    }
}
