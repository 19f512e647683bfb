//! The members of an archive: everything beneath a folder that the caller may read.
//!
//! Each file is opened once, so that its version is known, and closed again. Entries that can't be read are named in a
//! text that the archive has in their place.

use std::fmt::Write;
use std::time::Duration;

use tokio::time::Instant;
use wstp_protocol::limits::MAX_LIST_ENTRIES;
use wstp_protocol::{Entry, EntryKind, ErrorCode, SharePath, spelling};
use wstp_provider::Refusal;

use super::member::{Data, Member};
use crate::access::Caller;
use crate::store::{Folder, Found, Store};

/// Most members of an archive.
pub const MAX_MEMBERS: usize = 100_000;
/// The bounds of every archive. The depth is that of the transfer of a folder.
pub const BOUNDS: Bounds = Bounds { members: MAX_MEMBERS, text: 16 << 20, depth: 64 };
/// The text that names the entries which are not in the archive.
const LEFT_OUT: &str = "NOT IN THIS ARCHIVE";

/// The most that one archive has.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Members.
    members: usize,
    /// Bytes of their paths, and of what is said about entries that are left out.
    text: usize,
    /// Folders around an entry.
    depth: usize,
}

const TOO_MANY: Refusal = Refusal::new(
    ErrorCode::Forbidden,
    "This folder has more than 100,000 entries, which is too many for one archive. Fetch its folders one by one, or use \
     wstp get.",
);
const TOO_DEEP: Refusal = Refusal::new(
    ErrorCode::Forbidden,
    "This folder has folders within more than 64 others, which is too deep for an archive. Fetch its folders one by one.",
);

/// The members of the archive of a folder, and how long until a further change of any of them certainly shows.
///
/// # Errors
/// When there are too many, when the folder changes meanwhile, and when nothing can be read for now.
pub async fn members(
    store: &dyn Store,
    caller: &Caller,
    path: &SharePath,
    folder: Box<dyn Folder>,
    bounds: Bounds,
) -> Result<(Vec<Member>, Duration), Refusal> {
    let mut walk = Walk {
        bounds,
        store,
        caller,
        path,
        members: Vec::new(),
        left_out: String::new(),
        text: 0,
        settled: Instant::now(),
        ahead: Vec::new(),
    };
    let outermost = store.stat(caller, path).await?;
    walk.add(String::new(), Data::Folder, 0, outermost.modified_ms)?;
    walk.list(SharePath::root(), folder).await?;
    while let Some((path, modified_ms)) = walk.ahead.pop() {
        walk.enter(path, modified_ms).await?;
    }
    let settles_in = walk.settled.saturating_duration_since(Instant::now());
    Ok((walk.complete(outermost.modified_ms)?, settles_in))
}

struct Walk<'a> {
    bounds: Bounds,
    store: &'a dyn Store,
    caller: &'a Caller,
    /// The folder that is archived.
    path: &'a SharePath,
    members: Vec<Member>,
    left_out: String,
    /// Bytes of paths.
    text: usize,
    /// When all files that were opened are settled.
    settled: Instant,
    /// Folders beneath that were listed and not yet entered, the next one last.
    ahead: Vec<(SharePath, Option<i64>)>,
}

impl Walk<'_> {
    async fn enter(&mut self, path: SharePath, modified_ms: Option<i64>) -> Result<(), Refusal> {
        if path.names().count() > self.bounds.depth {
            return Err(TOO_DEEP);
        }
        match self.open(&path).await? {
            Ok(Found::Folder(folder)) => {
                self.add(path.as_str().to_owned(), Data::Folder, 0, modified_ms)?;
                self.list(path, folder).await
            }
            Ok(Found::File(_)) => Err(ErrorCode::Changed.into()),
            Err(reason) => self.leave_out(path.as_str(), reason),
        }
    }

    /// Adds the files of a folder, and has its folders entered next.
    async fn list(&mut self, path: SharePath, folder: Box<dyn Folder>) -> Result<(), Refusal> {
        let before = self.ahead.len();
        let mut cursor = None;
        loop {
            let page = folder.page(cursor.as_deref(), MAX_LIST_ENTRIES).await?;
            for entry in page.entries() {
                self.entry(&path, entry).await?;
            }
            match page.next() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        self.ahead[before..].reverse();
        Ok(())
    }

    async fn entry(&mut self, folder: &SharePath, entry: &Entry) -> Result<(), Refusal> {
        let path = folder.join(&entry.name);
        let reason = match (entry.kind, path) {
            (EntryKind::File, Ok(path)) => return self.file(&path).await,
            (EntryKind::Directory, Ok(path)) => {
                self.take(path.as_str())?;
                self.ahead.push((path, entry.modified_ms));
                return Ok(());
            }
            (EntryKind::Dangling, _) => "a link that leads nowhere",
            (EntryKind::LeadsOut, _) => "a link that leads out of what is shared",
            (EntryKind::Circle, _) => "a link that leads round in a circle",
            (EntryKind::Unreadable, _) => "the server can't read it",
            (_, Err(_)) => "its path is too long",
        };
        let separator = if folder.is_root() { "" } else { "/" };
        self.leave_out(&format!("{}{separator}{}", folder.as_str(), entry.name), reason)
    }

    async fn file(&mut self, path: &SharePath) -> Result<(), Refusal> {
        match self.open(path).await? {
            Ok(Found::File(version)) => {
                self.settled = self.settled.max(Instant::now() + version.settles_in());
                let data = Data::File(version.lasting_id());
                self.add(path.as_str().to_owned(), data, version.size(), version.modified_ms())
            }
            Ok(Found::Folder(_)) => Err(ErrorCode::Changed.into()),
            Err(reason) => self.leave_out(path.as_str(), reason),
        }
    }

    /// Opens an entry, or says why it is to be left out; a reason without words is that it is gone.
    async fn open(&self, path: &SharePath) -> Result<Result<Found, &'static str>, Refusal> {
        let Ok(path) = self.path.append(path) else { return Ok(Err("its path is too long")) };
        match self.store.open(self.caller, &path).await {
            Ok(found) => Ok(Ok(found)),
            Err(refusal) => match refusal.code() {
                ErrorCode::NotFound => Ok(Err("")),
                ErrorCode::Forbidden | ErrorCode::NotAFile => Ok(Err("the server can't read it")),
                _ => Err(refusal),
            },
        }
    }

    fn add(&mut self, path: String, data: Data, size: u64, modified_ms: Option<i64>) -> Result<(), Refusal> {
        self.take(&path)?;
        self.members.push(Member { path: path.into(), data, size, modified_ms });
        Ok(())
    }

    fn leave_out(&mut self, path: &str, reason: &str) -> Result<(), Refusal> {
        if reason.is_empty() {
            return Ok(());
        }
        self.take(path)?;
        let path = path.replace(|c: char| c.is_control() || spelling::is_stand_in(c), "\u{fffd}");
        // Writing to a text can't fail.
        let _infallible = writeln!(self.left_out, "{path}: {reason}");
        Ok(())
    }

    /// Counts a path.
    fn take(&mut self, path: &str) -> Result<(), Refusal> {
        self.text += path.len();
        let members = self.members.len() + self.ahead.len();
        if members >= self.bounds.members || self.text + self.left_out.len() > self.bounds.text {
            return Err(TOO_MANY);
        }
        Ok(())
    }

    /// All members, with the text about what is not among them.
    fn complete(mut self, modified_ms: Option<i64>) -> Result<Vec<Member>, Refusal> {
        if !self.left_out.is_empty() {
            let is_taken = |path: &str| self.members.iter().any(|member| &*member.path == path);
            let mut path = format!("{LEFT_OUT}.txt");
            let mut number = 2;
            while is_taken(&path) {
                path = format!("{LEFT_OUT} {number}.txt");
                number += 1;
            }
            let text = format!("The server left these entries of the folder out:\n\n{}", self.left_out);
            let (size, data) = (text.len() as u64, Data::Text(text.into()));
            self.members.insert(1, Member { path: path.into(), data, size, modified_ms });
        }
        Ok(self.members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    const FEW: Bounds = Bounds { members: 6, text: 40, depth: 2 };

    /// The members of a folder of these files.
    async fn walked(files: &[&str]) -> Result<Vec<String>, Refusal> {
        let (store, caller, root) = (MemoryStore::default(), Caller::default(), SharePath::root());
        for file in files {
            store.put(&SharePath::parse(*file).unwrap(), "x");
        }
        let Found::Folder(folder) = store.open(&caller, &root).await? else { panic!("it is a folder") };
        let (members, _) = members(&store, &caller, &root, folder, FEW).await?;
        Ok(members
            .iter()
            .map(|member| format!("{}{}", member.path, if member.is_folder() { "/" } else { "" }))
            .collect())
    }

    #[tokio::test]
    async fn folders_come_before_their_files_and_behind_the_files_around_them() {
        assert_eq!(walked(&["a/b/y", "a/x", "c"]).await.unwrap(), ["/", "c", "a/", "a/x", "a/b/", "a/b/y"]);
    }

    #[tokio::test]
    async fn an_archive_is_bounded_in_every_direction() {
        for (files, refusal) in [
            (&["a", "b", "c", "d", "e"][..], None),
            (&["a", "b", "c", "d", "e", "f"], Some(TOO_MANY)),
            (&["a/a", "b/b", "c/c"], Some(TOO_MANY)),
            (&["a/b/c"], None),
            (&["a/b/c/d"], Some(TOO_DEEP)),
            (&["a name of twenty bytes", "another name of twenty"], Some(TOO_MANY)),
        ] {
            assert_eq!(walked(files).await.err(), refusal, "{files:?}");
        }
    }
}
