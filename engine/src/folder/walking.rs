//! Listings: which folders are requested, and which of their entries count.
//!
//! A folder's entries come in the order of the protocol: folders first, then files, each by the bytes of their names. A
//! server that breaks it lies. So no name comes twice, however many pages there are.

use wstp_protocol::limits::MAX_BUNDLED_FILE;
use wstp_protocol::{Entry, EntryKind, ErrorCode, Failure};

use super::connection::Ask;
use super::listing::{Listing, ListingFile, ListingPage, Position, Rank};
use super::output::{FileId, FolderId, FolderOutput, LeftOut, Listed};
use super::{FolderProblem, FolderTransfer, Suspect};
use crate::Problem;
use crate::peer::Request;

/// Pages requested at once, so that a folder of many folders does not cost a round trip for every few of them.
const MAX_LISTINGS: usize = 16;

impl FolderTransfer {
    /// Requests pages, as many at once as is allowed.
    pub(super) fn list(&mut self) {
        let now = self.now;
        while let Some(folder) = self.folder_to_list() {
            let path = self.folder_path(folder);
            let cursor = self.position(folder).and_then(|position| position.cursor.clone());
            let Some(open) = &mut self.connection else { return };
            open.listings += 1;
            let entries = open.entries;
            let request = Request::List { path, cursor, limit: entries };
            let message = open.peer.request(now, request, Ask::List { folder, sent: now, entries });
            self.send(message);
        }
    }

    fn folder_to_list(&mut self) -> Option<FolderId> {
        let open = self.connection.as_ref()?;
        let may = open.peer.takes_requests(self.now, 0) && open.listings < MAX_LISTINGS;
        if may { self.to_list.pop_front() } else { None }
    }

    fn position(&self, folder: FolderId) -> Option<&Position> {
        match &self.entries.folder(folder)?.listing {
            Listing::Going(position) => Some(position),
            _ => None,
        }
    }

    /// A page arrived.
    pub(super) fn listed(&mut self, folder: FolderId, listing: wstp_protocol::Listing) {
        let before = self.position(folder).cloned().unwrap_or_default();
        let Some(entries) = sift(&before, listing.entries) else {
            self.to_list.push_front(folder);
            return self.distrust(Problem::Protocol("a folder's entries are not in order".to_owned()));
        };
        let (page, mut left_out) = self.page(folder, entries, listing.next);
        match self.entries.add(&page) {
            Ok(Some(mut told)) => {
                self.proved();
                self.take_in(&told);
                told.append(&mut left_out);
                if !told.is_empty() {
                    self.outputs.push_back(FolderOutput::Listed { folder, entries: told });
                }
                if page.next.is_some() {
                    self.to_list.push_front(folder);
                }
                self.ledger.listed(self.now, page);
            }
            Ok(None) => {}
            Err(problem) => self.give_up_listing(folder, problem),
        }
    }

    /// The useful entries of a page. Counts those that are left out.
    fn page(&self, folder: FolderId, entries: Vec<Entry>, next: Option<String>) -> (ListingPage, Vec<Listed>) {
        let path = self.folder_path(folder);
        let is_deepest = self.entries.is_deepest(folder);
        let mut page = ListingPage { folder, folders: Vec::new(), files: Vec::new(), left_out: 0, next };
        let mut left_out = Vec::new();
        for Entry { name, kind, size, modified_ms } in entries {
            let reason = match kind {
                EntryKind::Dangling => LeftOut::Dangling,
                EntryKind::LeadsOut => LeftOut::LeadsOut,
                EntryKind::Circle => LeftOut::Circle,
                EntryKind::Unreadable => LeftOut::Unreadable,
                _ if path.join(&name).is_err() => LeftOut::PathTooLong,
                EntryKind::Directory if is_deepest => LeftOut::TooDeep,
                EntryKind::Directory => {
                    page.folders.push(name);
                    continue;
                }
                EntryKind::File => {
                    page.files.push(ListingFile { name, size, modified_ms });
                    continue;
                }
            };
            page.left_out += u32::from(reason.is_missed());
            left_out.push(Listed::LeftOut { name, reason });
        }
        (page, left_out)
    }

    fn take_in(&mut self, told: &[Listed]) {
        for entry in told {
            match entry {
                Listed::Folder { id, .. } => self.to_list.push_back(*id),
                Listed::File { id, .. } => self.enqueue(*id),
                Listed::LeftOut { .. } => {}
            }
        }
    }

    /// A file is wanted.
    pub(super) fn enqueue(&mut self, file: FileId) {
        match self.entries.file(file) {
            Some(known) if known.size <= MAX_BUNDLED_FILE as u64 => self.enqueue_small(file),
            Some(_) => self.large.push_back(file),
            None => {}
        }
    }

    /// A page failed, for this reason.
    pub(super) fn list_failed(&mut self, folder: FolderId, failure: &Failure) {
        match failure.code {
            ErrorCode::InvalidPath if self.has_cursor(folder) && self.may_try_again(Suspect::Folder(folder)) => {
                self.entries.restart_folder(folder);
                self.to_list.push_front(folder);
            }
            ErrorCode::NotFound
            | ErrorCode::NotADirectory
            | ErrorCode::NotAFile
            | ErrorCode::Forbidden
            | ErrorCode::UsedUp
            | ErrorCode::InvalidPath => {
                self.folder_failed(folder, Problem::from(failure));
            }
            ErrorCode::Io if !self.may_try_again(Suspect::Folder(folder)) => {
                self.folder_failed(folder, Problem::from(failure));
            }
            _ => {
                self.to_list.push_front(folder);
                self.request_failed(failure);
            }
        }
    }

    fn has_cursor(&self, folder: FolderId) -> bool {
        self.position(folder).is_some_and(|position| position.cursor.is_some())
    }

    fn folder_failed(&mut self, folder: FolderId, problem: Problem) {
        if folder == FolderId(0) {
            self.to_list.push_front(folder);
            return self.fail(FolderProblem::Source(problem));
        }
        self.give_up_listing(folder, FolderProblem::Source(problem));
    }

    /// A folder can't be listed to its end. Its listed entries are still fetched, and so is everything else.
    fn give_up_listing(&mut self, folder: FolderId, problem: FolderProblem) {
        self.entries.fail_folder(folder);
        self.outputs.push_back(FolderOutput::FolderFailed { folder, problem });
    }
}

/// The new entries of a page; `None` if they are out of order.
fn sift(position: &Position, entries: Vec<Entry>) -> Option<Vec<Entry>> {
    let mut again = position.again;
    let mut new: Vec<Entry> = Vec::with_capacity(entries.len());
    let mut last = None;
    for entry in entries {
        if let Some(rank) = rank_of(entry.kind) {
            let before = match last {
                Some((rank, index)) => new.get::<usize>(index).map(|entry| (rank, entry.name.as_str())),
                None => position.last.as_ref().map(|(rank, name)| (*rank, name.as_str())),
            };
            if before.is_some_and(|before| (rank, entry.name.as_str()) <= before) {
                if again {
                    continue;
                }
                return None;
            }
            again = false;
            last = Some((rank, new.len()));
        } else if again {
            continue;
        }
        new.push(entry);
    }
    Some(new)
}

/// Entries with a place in the order. The others may be links to anything, and their names likenesses.
fn rank_of(kind: EntryKind) -> Option<Rank> {
    match kind {
        EntryKind::Directory => Some(Rank::Folder),
        EntryKind::File => Some(Rank::File),
        EntryKind::Dangling | EntryKind::LeadsOut | EntryKind::Circle | EntryKind::Unreadable => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(names: &str) -> Vec<Entry> {
        let entry = |text: &str| {
            let kind = match text.as_bytes()[0] {
                b'/' => EntryKind::Directory,
                b'?' => EntryKind::Unreadable,
                _ => EntryKind::File,
            };
            Entry { name: text.trim_start_matches(['/', '?']).to_owned(), kind, size: 0, modified_ms: None }
        };
        names.split_whitespace().map(entry).collect()
    }

    fn after(last: &str, again: bool) -> Position {
        let last = entries(last).pop().and_then(|entry| Some((rank_of(entry.kind)?, entry.name)));
        Position { cursor: None, last, again }
    }

    #[test]
    fn entries_count_in_order_only() {
        for (last, page, in_order) in [
            ("", "/a /b a b", true),
            ("", "b a", false),
            ("", "a a", false),
            ("", "a /b", false),
            ("", "?z /b ?a a ?a", true),
            ("/m", "/n a", true),
            ("/m", "/m", false),
            ("b", "c", true),
            ("b", "/c", false),
        ] {
            assert_eq!(sift(&after(last, false), entries(page)).is_some(), in_order, "{last} then {page}");
        }
    }

    #[test]
    fn what_is_known_is_passed_over_when_a_listing_begins_anew() {
        let sifted = |page| sift(&after("b", true), entries(page));
        assert_eq!(sifted("/x ?u a b"), Some(vec![]));
        assert_eq!(sifted("/x ?u a b c ?v"), Some(entries("c ?v")));
        assert_eq!(sifted("a c b"), None);
    }
}
