//! Building the list of transfers anew from their folders, where the list itself is damaged or of another version.
//!
//! Each folder says by its `about` which file or folder is fetched, and by its journal how much of it is there. A
//! folder without `about` is a download of unknown origin, which can be saved if it is complete. Folders that another
//! version wrote are left alone: they are neither listed nor deleted.

use wasm_bindgen::JsValue;
use wstp_engine::{folder, journal};
use wstp_messages::{BlockRange, FolderView, Notice, Problem, TransferId, TransferKind};
use wstp_words::{Arg, phrase};

use super::about::{ABOUT, About};
use super::item::{Fetch, Goal, Item, Kept, Save};
use super::model::MAX_TRANSFERS;
use super::recover::Unreadable;
use crate::folder_layout::{DATA, JOURNAL, JOURNAL2, PACK};
use crate::opfs::{Folder, bytes};
use crate::words::problem;

/// The contents of a transfer's folder.
#[derive(Debug, Default)]
struct Remains {
    about: Vec<u8>,
    journal: Vec<u8>,
    journal2: Vec<u8>,
    /// Bytes in its files.
    bytes: u64,
    has_pack: bool,
}

/// The transfers whose folders have these names, as their folders say, oldest first; and how many folders another
/// version wrote.
pub async fn rebuild(names: Vec<String>, now_ms: f64) -> (Vec<Item>, usize) {
    let (mut items, mut left_alone) = (Vec::new(), 0);
    for name in names.into_iter().take(MAX_TRANSFERS) {
        match Remains::of(&name).await.item(TransferId(name), now_ms) {
            Some(item) => items.push(item),
            None => left_alone += 1,
        }
    }
    items.sort_by(|one, other| one.added_ms.total_cmp(&other.added_ms));
    (items, left_alone)
}

/// Those of these folders that this version may delete.
pub async fn ours(names: Vec<String>) -> Vec<String> {
    let mut ours = Vec::new();
    for name in names {
        if !Remains::of(&name).await.is_of_other_version() {
            ours.push(name);
        }
    }
    ours
}

impl Remains {
    /// Reads a folder; the result is empty if the folder can't be read.
    async fn of(name: &str) -> Self {
        Self::read(name).await.unwrap_or_else(|error| {
            web_sys::console::warn_1(&error);
            Self::default()
        })
    }

    async fn read(name: &str) -> Result<Self, JsValue> {
        let folder = Folder::open(&["transfers", name]).await?;
        let names = folder.names().await?;
        let mut remains = Self { has_pack: names.iter().any(|name| name == PACK), ..Self::default() };
        for name in names {
            // Skip an entry that is not a file.
            let Ok(file) = folder.snapshot(&name).await else { continue };
            remains.bytes += if name == DATA || name == PACK { file.size() as u64 } else { 0 };
            let into = match name.as_str() {
                ABOUT => &mut remains.about,
                JOURNAL => &mut remains.journal,
                JOURNAL2 => &mut remains.journal2,
                _ => continue,
            };
            *into = bytes(&file).await.unwrap_or_default();
        }
        Ok(remains)
    }

    fn is_of_other_version(&self) -> bool {
        let is_of_other =
            |bytes: &Vec<u8>| journal::is_of_other_version(bytes) || folder::journal::is_of_other_version(bytes);
        [&self.journal, &self.journal2].into_iter().any(is_of_other) || About::read(&self.about).is_err()
    }

    /// `None` where another version wrote it.
    fn item(self, id: TransferId, now_ms: f64) -> Option<Item> {
        if self.is_of_other_version() {
            return None;
        }
        let about = About::read(&self.about).ok()?;
        let is_known = about.is_some();
        let item = about.map_or_else(|| self.unknown(id.clone(), now_ms), |about| about.item(id.clone()));
        let item = match item.kind {
            TransferKind::File => self.file(item),
            TransferKind::Folder => self.folder(item),
        };
        Some(if is_known { item } else { without_origin(item, self.bytes) })
    }

    fn unknown(&self, id: TransferId, now_ms: f64) -> Item {
        let name = format!("recovered-{}", id.0.get(..8).unwrap_or("download"));
        let kind = if self.has_pack { TransferKind::Folder } else { TransferKind::File };
        Item { kind, ..Item::new(id, String::new(), name, self.bytes, now_ms) }
    }

    fn file(&self, item: Item) -> Item {
        let (recovered, _) = journal::replay([&self.journal, &self.journal2]);
        let Some(file) = recovered.file() else { return Item { goal: Goal::Pause, ..item } };
        let root = file.root.map(|root| blake3::Hash::from(root).to_hex().to_string());
        if recovered.is_complete() {
            return Item { size: file.size, fetch: Fetch::Complete { root }, ..item };
        }
        let blocks = |set: &wstp_engine::RangeSet| {
            set.iter().map(|range| BlockRange { first: range.start, end: range.end }).collect::<Vec<_>>()
        };
        let bytes = |set: &wstp_engine::RangeSet| set.iter().map(|range| file.bytes(&range)).sum();
        let kept = Kept {
            size: file.size,
            folder: None,
            verified: bytes(recovered.verified()),
            received: bytes(recovered.received()),
            verified_blocks: blocks(recovered.verified()),
            received_blocks: blocks(recovered.received()),
            root,
        };
        Item { size: file.size, goal: Goal::Pause, kept, ..item }
    }

    fn folder(&self, item: Item) -> Item {
        let (recovered, _) = folder::journal::replay([&self.journal, &self.journal2]);
        let files = || (0..recovered.files()).filter_map(|id| recovered.file(folder::FileId(id)));
        let is_in = |state| move |file: &folder::FileView| file.state == state;
        let (done, failed) = (is_in(folder::FileState::Done), is_in(folder::FileState::Failed));
        let sum = |sizes: &mut dyn Iterator<Item = u64>| sizes.fold(0, u64::saturating_add);
        let size = sum(&mut files().filter(|file| !failed(file)).map(|file| file.size));
        let folder = FolderView {
            files: recovered.files().into(),
            done: files().filter(done).count() as u64,
            problems: files().filter(failed).count() as u64,
            is_walking: !recovered.is_complete(),
            saved: 0,
        };
        let verified = sum(&mut files().filter(is_in(folder::FileState::Done)).map(|file| file.size));
        let kept = Kept { size, folder: Some(folder), verified, ..Kept::default() };
        if recovered.is_complete() {
            return Item { size, kept, fetch: Fetch::Complete { root: None }, ..item };
        }
        Item { size, kept, goal: Goal::Pause, ..item }
    }
}

/// Nobody knows where it came from: it can't go on, but what is complete can be saved.
fn without_origin(item: Item, bytes: u64) -> Item {
    let what = phrase!(origin_lost);
    if item.is_complete() {
        return Item { save: Save::No(Some(problem(what, phrase!(origin_lost_complete)))), ..item };
    }
    let fetch = Fetch::Failed(problem(what, phrase!(origin_lost_advice)));
    Item { size: item.size.max(bytes), goal: Goal::Run, fetch, ..item }
}

/// The notice for a list that could not be read, or only in part.
/// `found` downloads were rebuilt from their files.
pub fn notice(reason: Unreadable, is_part_read: bool, found: usize, left_alone: usize) -> Notice {
    let what = match (reason, is_part_read) {
        (Unreadable::OtherVersion, _) => phrase!(list_of_other_version),
        (Unreadable::Damaged, false) => phrase!(list_damaged),
        (Unreadable::Damaged, true) => phrase!(list_part_damaged),
    };
    let mut advice = if is_part_read { phrase!(list_rest_here) } else { phrase!(list_set_aside) };
    if found > 0 {
        advice = advice.and(&phrase!(downloads_found_again, Arg::Count(found as u64)));
    }
    if left_alone > 0 {
        advice = advice.and(&phrase!(downloads_left_alone));
    }
    if !is_part_read {
        advice = advice.and(&phrase!(settings_anew)).and(&phrase!(saved_files_safe));
    }
    Notice { problem: problem(what, advice), is_lasting: false }
}

/// The notice for a list that was set aside for the version that wrote it, and has added `count` downloads to this one.
pub fn taken_up_notice(count: usize) -> Notice {
    let advice = phrase!(list_taken_up, Arg::Count(count as u64));
    Notice { problem: problem(phrase!(list_readable_again), advice), is_lasting: false }
}

/// The notice for a list that was cleared, of which a copy with `count` downloads was left; `None` if it can't be read.
pub fn cleared_notice(count: Option<usize>) -> Notice {
    let advice = match count {
        None => phrase!(list_copy_unreadable),
        Some(count) => phrase!(list_from_copy, Arg::Count(count as u64)),
    };
    Notice { problem: problem(phrase!(storage_cleared), advice.and(&phrase!(saved_files_safe))), is_lasting: false }
}

/// The notice for a browser that gives no storage.
pub fn no_storage() -> Notice {
    Notice { problem: problem(phrase!(no_storage), phrase!(no_storage_advice)), is_lasting: true }
}

/// The problem of a complete download whose copy is gone.
pub fn lost_copy() -> Problem {
    problem(phrase!(copy_cleared), phrase!(copy_cleared_advice))
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    fn id() -> TransferId {
        TransferId("0123456789abcdef".repeat(2))
    }

    fn about() -> Vec<u8> {
        About::of(&Item::new(id(), "ws://host:3000/ws".into(), "music/a.flac".into(), 20_000, 5.0)).encode()
    }

    #[test]
    fn what_says_what_it_is_waits_for_the_user_to_go_on() {
        let item = Remains { about: about(), ..Remains::default() }.item(id(), 9.0).unwrap();
        assert_eq!((item.path.as_str(), item.size, item.added_ms), ("music/a.flac", 20_000, 5.0));
        assert_eq!((item.goal, item.fetch), (Goal::Pause, Fetch::Unfinished));
    }

    #[test]
    fn what_does_not_say_what_it_is_can_only_be_removed_or_saved() {
        let remains = Remains { journal: b"noise".to_vec(), bytes: 77, ..Remains::default() };
        let item = remains.item(id(), 9.0).unwrap();
        assert_eq!((item.path.as_str(), item.size, item.has_origin()), ("recovered-01234567", 77, false));
        assert!(item.problem().is_some() && !item.can_be_retried());
        let pack = Remains { has_pack: true, ..Remains::default() }.item(id(), 9.0).unwrap();
        assert_eq!(pack.kind, TransferKind::Folder);
    }

    #[test]
    fn what_another_version_wrote_is_left_alone() {
        let mut newer = about();
        newer[8] += 1;
        assert_eq!(Remains { about: newer, ..Remains::default() }.item(id(), 9.0), None);
        let journal = b"WSTPJRNL\xff\0\0\0more".to_vec();
        let newer = Remains { about: about(), journal, ..Remains::default() };
        assert!(newer.is_of_other_version(), "it is not deleted as a stray either");
        assert_eq!(newer.item(id(), 9.0), None);
    }

    #[test]
    fn the_words_say_what_is_lost_and_what_is_not() {
        let told = notice(Unreadable::Damaged, false, 3, 0).problem;
        assert!(
            told.advice.say().contains("3 downloads were found again")
                && told.advice.say().contains("settings begin anew")
        );
        assert!(!notice(Unreadable::Damaged, true, 1, 0).problem.advice.say().contains("settings"));
        assert!(!notice(Unreadable::OtherVersion, false, 0, 1).problem.advice.say().contains("found again"));
    }
}
