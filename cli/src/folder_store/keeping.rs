//! Keeping the small files of a folder: aside first, and in their places with the next commit.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::iter;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use bytes::Bytes;
use wstp_engine::folder::FileId;
use wstp_protocol::Hash;

use super::{FolderStore, Saved};
use crate::exit::{Code, Failure};
use crate::partial::{exists, place, shown};
use crate::times;

/// Most threads that keep files.
pub(super) const MOST_THREADS: usize = 4;
/// This many files take longer to keep than a thread takes to start.
const WORTH_A_THREAD: usize = 8;

/// A file to keep.
#[derive(Debug)]
pub struct ToKeep {
    /// Its id.
    pub file: FileId,
    /// Its place, relative to the output.
    pub place: PathBuf,
    /// Its BLAKE3 hash.
    pub root: Hash,
    /// Its last change on the server, in milliseconds since 1970-01-01 UTC, if known.
    pub modified_ms: Option<i64>,
    /// All of its bytes.
    pub data: Bytes,
}

/// The result of keeping a file.
enum Written {
    /// It was in its place before.
    InPlace(Saved),
    /// It waits for its commit.
    Aside(Kept),
}

/// A file that waits to be moved into place.
#[derive(Debug)]
pub(super) struct Kept {
    file: FileId,
    data: PathBuf,
    saved: Saved,
    replace: bool,
}

impl FolderStore {
    /// Keeps files on several threads. Nearly all of the time is the file system's, which creates files on each
    /// processor that asks.
    pub(super) fn keep(&mut self, files: &[ToKeep]) -> Vec<(FileId, Result<Option<Saved>, Failure>)> {
        let threads = (files.len() / WORTH_A_THREAD).clamp(1, self.threads);
        let (mine, others) = files.split_at(files.len().div_ceil(threads));
        let write = |files: &[ToKeep]| files.iter().map(|file| self.write(file)).collect::<Vec<_>>();
        let written: Vec<_> = thread::scope(|scope| {
            let begin = |files| (files, thread::Builder::new().spawn_scoped(scope, move || write(files)));
            let begun: Vec<_> = others.chunks(mine.len().max(1)).map(begin).collect();
            let mine = write(mine);
            let others = begun.into_iter().map(|(files, thread)| match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // The system has no thread to give.
                Err(_) => write(files),
            });
            iter::once(mine).chain(others).flatten().collect()
        });
        let kept = written.into_iter().map(|written| {
            Ok(match written? {
                Written::InPlace(saved) => Some(saved),
                Written::Aside(kept) => {
                    self.kept.push(kept);
                    None
                }
            })
        });
        files.iter().map(|file| file.file).zip(kept).collect()
    }

    fn write(&self, ToKeep { file, place, root, modified_ms, data }: &ToKeep) -> Result<Written, Failure> {
        let target = self.output.join(place);
        let failed = |error| Failure::disk(format!("{} can't be written", shown(&target)), &error);
        self.make_around(place)?;
        self.claims.check(&target, *file)?;
        let saved = Saved { target: target.clone(), size: data.len() as u64, root: *root };
        let replace = match standing(&target, data).map_err(failed)? {
            Standing::Nothing => false,
            Standing::Same => {
                times::set(&target, *modified_ms);
                self.claims.take(&target, *file)?;
                return Ok(Written::InPlace(saved));
            }
            Standing::Other if self.update => true,
            Standing::Other => return Err(exists(&target)),
            Standing::NoFile => {
                let what = format!("{} is already there, and not a file.", shown(&target));
                return Err(Failure::new(Code::Differs, what, "Choose another place with -o."));
            }
        };
        let path = self.folder.join(file.0.to_string());
        let mut own = File::create(&path).map_err(failed)?;
        own.write_all(data).map_err(failed)?;
        times::set_of(&own, *modified_ms);
        self.claims.claim(&own.metadata().map_err(failed)?, *file);
        Ok(Written::Aside(Kept { file: *file, data: path, saved, replace }))
    }

    pub(super) fn commit(&mut self, record: &[u8]) -> Result<Vec<Saved>, Failure> {
        let failed = |error| Failure::disk("What was fetched can't be put into its place", &error);
        let mut saved = Vec::with_capacity(self.kept.len());
        if !self.kept.is_empty() {
            sync(&self.folder, self.kept.iter().map(|kept| kept.data.as_path())).map_err(failed)?;
            for kept in self.kept.drain(..) {
                let target = &kept.saved.target;
                match place(&kept.data, target, kept.replace) {
                    // It appeared while this one was kept, from this download or from another program.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        self.claims.check(target, kept.file)?;
                        if !self.update {
                            return Err(exists(target));
                        }
                        place(&kept.data, target, true).map_err(failed)?;
                    }
                    placed => placed.map_err(failed)?,
                }
                saved.push(kept.saved);
            }
            let folders: HashSet<_> = saved.iter().filter_map(|saved| saved.target.parent()).collect();
            sync(&self.folder, folders.into_iter()).map_err(failed)?;
        }
        self.journals.append(record).map_err(failed)?;
        Ok(saved)
    }
}

/// The entry in a file's place.
enum Standing {
    Nothing,
    Same,
    Other,
    NoFile,
}

fn standing(target: &Path, data: &[u8]) -> io::Result<Standing> {
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Standing::Nothing),
        Err(error) => Err(error),
        Ok(there) if !there.is_file() => Ok(Standing::NoFile),
        Ok(there) if there.len() != data.len() as u64 => Ok(Standing::Other),
        Ok(_) => Ok(if fs::read(target)? == data { Standing::Same } else { Standing::Other }),
    }
}

/// Makes files or folders durable, all on the file system of `folder`. One call there does it for thousands.
#[cfg(target_os = "linux")]
fn sync<'a>(folder: &Path, _paths: impl Iterator<Item = &'a Path>) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

#[cfg(not(target_os = "linux"))]
fn sync<'a>(_folder: &Path, mut paths: impl Iterator<Item = &'a Path>) -> io::Result<()> {
    paths.try_for_each(crate::partial::sync_folder)
}
