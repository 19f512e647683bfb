//! A folder with everything in it: walks its listings, fetches small files in bundles over one connection, and hands
//! out large ones.
//!
//! It has the run loop of a [`Transfer`](crate::Transfer). Tell a [`FolderTransfer`] each event, take every
//! [`FolderOutput`] from [`FolderTransfer::poll_output`], sleep until [`FolderTransfer::poll_timeout`]. It keeps whole
//! files whose bytes had the hash the server told. It puts on record only durable files. If a server has no bundles,
//! every file is handed out.
//!
//! Everything a server lists is bounded: [`MAX_ENTRIES`], [`MAX_DEPTH`], and the order of a folder's entries, in which
//! no name comes twice. A name is one name, but not safe for any file system; that is the caller's to see to.

mod bundling;
mod checking;
mod connecting;
mod connection;
mod entries;
pub mod journal;
mod listing;
mod looking;
mod output;
mod progress;
mod recording;
mod replies;
mod retelling;
mod stopping;
mod walking;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wstp_protocol::{ClientMessage, SharePath};

use self::bundling::Held;
use self::checking::Claims;
use self::connection::Connection;
use self::entries::{Entries, State};
use self::journal::Recovered;
use self::listing::Listing;
use self::recording::Ledger;
use self::retelling::Retelling;
use self::stopping::Stop;
use crate::limit::Limit;
use crate::peer::{Conduct, Jitter};
use crate::rate::Rate;
use crate::{ConnectionId, Incoming, Instant, StoreError};

pub use entries::{MAX_DEPTH, MAX_ENTRIES};
pub use output::{
    FetchReply, FileId, FolderCommand, FolderConfig, FolderId, FolderOutput, KeepReply, LeftOut, Listed, LookReply,
    Place,
};
pub use progress::{FileState, FileView, FolderProblem, FolderProgress};

/// Fetches a folder. See the top of the module.
#[derive(Debug)]
pub struct FolderTransfer {
    config: FolderConfig,
    now: Instant,
    outputs: VecDeque<FolderOutput>,
    /// Files that a journal brought back and that are still to be told.
    retelling: Retelling,
    entries: Entries,
    claims: Claims,
    /// Folders that have a page to be asked for.
    to_list: VecDeque<FolderId>,
    /// Small files for which the caller is to look.
    to_look: Vec<FileId>,
    /// Small files of which the caller has not said yet what is there.
    looking: BTreeSet<FileId>,
    /// Small files to be asked for, those of a folder side by side.
    small: VecDeque<FileId>,
    /// Files to be handed out.
    large: VecDeque<FileId>,
    /// Files the caller keeps.
    held: BTreeMap<FileId, Held>,
    /// Bytes in them.
    held_bytes: u64,
    fetching: BTreeSet<FileId>,
    /// Files and folders that went wrong in a way that may pass, and how often.
    suspects: BTreeMap<Suspect, u8>,
    ledger: Ledger,
    connection: Option<Connection>,
    next_connection: u64,
    conduct: Conduct,
    jitter: Jitter,
    /// Whether the server ever answered as one of this protocol.
    is_known: bool,
    limit: Limit,
    /// When the limit lets the next bundle be asked for, where one could be.
    unlimited_at: Option<Instant>,
    rate: Rate,
    problem: Option<FolderProblem>,
    stop: Option<Stop>,
    complete: bool,
}

/// Something that may work when it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Suspect {
    Folder(FolderId),
    File(FileId),
}

impl FolderTransfer {
    /// Begins to fetch a folder.
    #[must_use]
    pub fn new(config: FolderConfig, now: Instant) -> Self {
        Self::resume(config, Recovered::default(), now)
    }

    /// Goes on where a journal ends, of which [`journal::replay`] made `journal`. Every file that it says is stored is
    /// read back before the folder is complete.
    #[must_use]
    pub fn resume(config: FolderConfig, journal: Recovered, now: Instant) -> Self {
        let was_complete = journal.complete;
        let mut transfer = Self::idle(config, journal, now);
        for folder in transfer.entries.folder_ids() {
            match transfer.entries.folder(folder).map(|folder| &folder.listing) {
                Some(Listing::Done) | None => {}
                Some(_) if was_complete => drop(transfer.entries.fail_folder(folder)),
                Some(_) => {
                    // The journal does not say whether the listing had begun anew.
                    transfer.entries.pass_over_known(folder);
                    transfer.to_list.push_back(folder);
                }
            }
        }
        for file in transfer.entries.file_ids() {
            if transfer.entries.file(file).is_some_and(|file| file.state == State::Waiting) {
                transfer.enqueue(file);
            }
        }
        transfer.drive();
        transfer
    }

    fn idle(config: FolderConfig, journal: Recovered, now: Instant) -> Self {
        let entries = journal.entries.beneath(config.path.clone());
        Self {
            retelling: Retelling::of(&entries),
            claims: Claims::of(journal.stored),
            entries,
            outputs: VecDeque::new(),
            to_list: VecDeque::new(),
            to_look: Vec::new(),
            looking: BTreeSet::new(),
            small: VecDeque::new(),
            large: VecDeque::new(),
            held: BTreeMap::new(),
            held_bytes: 0,
            fetching: BTreeSet::new(),
            suspects: BTreeMap::new(),
            ledger: Ledger::new(journal.next_sequence),
            connection: None,
            next_connection: 0,
            conduct: Conduct::default(),
            jitter: Jitter::new(config.seed),
            is_known: false,
            limit: Limit::new(config.rate_limit, now),
            unlimited_at: None,
            rate: Rate::default(),
            problem: None,
            stop: None,
            complete: false,
            config,
            now,
        }
    }

    /// A connection that was asked for is open. `takes_early` says whether the server said that it takes requests before
    /// its welcome.
    pub fn handle_opened(&mut self, now: Instant, connection: ConnectionId, takes_early: bool) {
        self.advance(now);
        self.greet(connection, takes_early);
        self.drive();
    }

    /// A frame came on a connection, or a message from a source that has no frames.
    pub fn handle_frame(&mut self, now: Instant, connection: ConnectionId, frame: impl Into<Incoming>) {
        self.advance(now);
        self.read_frame(connection, frame.into());
        self.drive();
    }

    /// Bytes came on a connection that are no whole frame yet. A caller that sees whole frames only has nothing to
    /// tell.
    pub fn handle_bytes(&mut self, now: Instant, connection: ConnectionId) {
        self.advance(now);
        if let Some(open) = self.connection.as_mut().filter(|open| open.id == connection) {
            open.peer.handle_bytes(self.now);
        }
    }

    /// A connection broke, or could not be opened.
    pub fn handle_closed(&mut self, now: Instant, connection: ConnectionId) {
        self.advance(now);
        self.connection_closed(connection);
        self.drive();
    }

    /// Takes the result of [`FolderOutput::Look`] for one of its files, or of [`FolderOutput::Check`].
    pub fn handle_looked(&mut self, now: Instant, file: FileId, reply: LookReply) {
        self.advance(now);
        self.looked(file, reply);
        self.drive();
    }

    /// The result of [`FolderOutput::Keep`].
    pub fn handle_kept(&mut self, now: Instant, file: FileId, reply: KeepReply) {
        self.advance(now);
        self.kept(file, reply);
        self.drive();
    }

    /// The result of [`FolderOutput::Fetch`].
    pub fn handle_fetched(&mut self, now: Instant, file: FileId, reply: FetchReply) {
        self.advance(now);
        self.fetched(file, reply);
        self.drive();
    }

    /// The result of [`FolderOutput::Commit`].
    pub fn handle_committed(&mut self, now: Instant, reply: Result<(), StoreError>) {
        self.advance(now);
        self.committed(reply);
        self.drive();
    }

    /// The user wants something.
    pub fn handle_command(&mut self, now: Instant, command: FolderCommand) {
        self.advance(now);
        match command {
            FolderCommand::Pause => self.pause(),
            FolderCommand::Resume => self.go_on(),
            FolderCommand::SetMemoryBudget(bytes) => self.config.memory_budget = bytes,
            FolderCommand::SetRateLimit(rate) => self.limit.set(self.now, rate),
            FolderCommand::SetFetches(fetches) => self.config.fetches = fetches,
        }
        self.drive();
    }

    /// The time that [`FolderTransfer::poll_timeout`] said has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.expire_connection();
        self.drive();
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<FolderOutput> {
        let retold = self.retelling.next(&self.entries);
        retold.map(|(folder, entries)| FolderOutput::Listed { folder, entries }).or_else(|| self.outputs.pop_front())
    }

    /// When to call [`FolderTransfer::handle_timeout`], if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.complete || self.is_settled() {
            return None;
        }
        let open = self.connection.as_ref().map(|open| {
            [open.peer.poll_timeout(open.awaited()), open.peer.not_before(self.now)].into_iter().flatten().min()
        });
        let retry = self.conduct.retry_at(self.now).filter(|_| self.connection.is_none() && self.needs_connection());
        let commit = self.commit_due_at();
        [open.flatten(), retry, commit, self.unlimited_at, self.rate.next_change(self.now), self.claims.due_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// The caller's clock may step back; ours does not.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.limit.refill(self.now);
    }

    /// Does everything that what happened made possible.
    fn drive(&mut self) {
        if self.complete {
            return;
        }
        self.settle();
        if self.stop.is_none() {
            self.connect();
            self.list();
            self.look();
            self.ask();
            self.hand_out();
            self.check();
            self.release_connection();
        }
        self.commit();
        self.settle();
    }

    fn send(&mut self, message: ClientMessage) {
        if let Some(open) = &self.connection {
            self.outputs.push_back(FolderOutput::Send { connection: open.id, message });
        }
    }

    /// Whether every folder was listed to its end, or can't be.
    fn is_walked(&self) -> bool {
        self.to_list.is_empty() && self.connection.as_ref().is_none_or(|open| open.listings == 0)
    }

    /// Whether there is nothing left to ask for, to keep, to fetch or to read back.
    fn is_done(&self) -> bool {
        self.claims.is_empty() && self.is_done_but_for_claims()
    }

    fn is_done_but_for_claims(&self) -> bool {
        self.is_walked()
            && self.looking.is_empty()
            && self.small.is_empty()
            && self.large.is_empty()
            && self.held.is_empty()
            && self.fetching.is_empty()
            && self.connection.as_ref().is_none_or(|open| open.peer.under_way() == 0)
    }

    /// A folder's path on the server; that of the share where there is no such folder.
    #[must_use]
    pub fn folder_path(&self, folder: FolderId) -> SharePath {
        self.entries.folder_path(folder).unwrap_or_default()
    }
}
