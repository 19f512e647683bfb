//! Harm to stored bytes, as a failing disk, a repaired file system or another program does it.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::Result;
use wstp_engine::RangeSet;
use wstp_testkit::Random;

/// A block, in bytes.
pub(super) const BLOCK: u64 = 8192;
/// Most blocks that are changed, or that change places with others.
const MOST: u64 = 12;

/// A kind of damage to the stored bytes of a download while nobody has them open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// Some of them are others.
    Changed,
    /// Their end is missing.
    Cut,
    /// Two stretches have changed places.
    Swapped,
}

impl Harm {
    pub(super) const ALL: [Self; 3] = [Self::Changed, Self::Cut, Self::Swapped];

    /// Does it to a file of which these blocks are stored, and returns the blocks that are wrong from then on.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub(super) fn deal(self, path: &Path, stored: &RangeSet, random: &mut Random) -> Result<Vec<Range<u64>>> {
        let file = File::options().read(true).write(true).open(path)?;
        let mut whole = stored.clone();
        whole.remove(file.metadata()?.len() / BLOCK..u64::MAX);
        let Some(one) = any(&whole, random) else { return Ok(Vec::new()) };
        match self {
            Self::Changed => {
                let mut bytes = read(&file, &one)?;
                bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
                file.write_all_at(&bytes, one.start * BLOCK)?;
                Ok(vec![one])
            }
            Self::Cut => {
                file.set_len(one.start * BLOCK + 1)?;
                Ok(vec![one.start..u64::MAX])
            }
            Self::Swapped => {
                whole.remove(one.clone());
                let Some(other) = any(&whole, random) else { return Ok(Vec::new()) };
                let count = (one.end - one.start).min(other.end - other.start);
                let (one, other) = (one.start..one.start + count, other.start..other.start + count);
                let (bytes, others) = (read(&file, &one)?, read(&file, &other)?);
                file.write_all_at(&others, one.start * BLOCK)?;
                file.write_all_at(&bytes, other.start * BLOCK)?;
                Ok(vec![one, other])
            }
        }
    }
}

/// Some blocks side by side.
fn any(blocks: &RangeSet, random: &mut Random) -> Option<Range<u64>> {
    let mut place = random.below(blocks.len());
    for range in blocks.iter() {
        let length = range.end - range.start;
        if place < length {
            let start = range.start + place;
            return Some(start..range.end.min(start + MOST));
        }
        place -= length;
    }
    None
}

fn read(file: &File, blocks: &Range<u64>) -> Result<Vec<u8>> {
    let mut bytes = vec![0; ((blocks.end - blocks.start) * BLOCK) as usize];
    file.read_exact_at(&mut bytes, blocks.start * BLOCK)?;
    Ok(bytes)
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "the browser is killed and stored bytes are changed",
            Self::Cut => "the browser is killed and stored bytes are cut off",
            Self::Swapped => "the browser is killed and stored bytes change places",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_the_blocks_that_are_told_are_harmed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let before: Vec<u8> = (0..40 * BLOCK + 100).map(|at| (at / BLOCK) as u8 + 1).collect();
        let stored: RangeSet = [3..20, 30..41].into_iter().collect();
        for (seed, harm) in (0..60).zip(Harm::ALL.into_iter().cycle()) {
            fs::write(&path, &before).unwrap();
            let harmed: RangeSet = harm.deal(&path, &stored, &mut Random::new(seed)).unwrap().into_iter().collect();
            let after = fs::read(&path).unwrap();
            assert!(after != before && !harmed.is_empty());
            for block in 0..41 {
                let bytes = block as usize * BLOCK as usize..((block as usize + 1) * BLOCK as usize).min(before.len());
                let is_same = after.get(bytes.clone()) == Some(&before[bytes]);
                assert_eq!(is_same, !harmed.contains(block), "{harm:?}, block {block}");
            }
        }
    }
}
