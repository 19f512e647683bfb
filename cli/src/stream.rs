//! `wstp get -o -`: a file to the standard output, in order, each block verified before it is written.
//!
//! Bytes that arrive wait in an unnamed temporary file until everything before them is verified. Neither that file nor
//! memory grows with the fetched file. When the reader is slow, or the server does not know the hash yet, storing
//! waits, and so does the network. The stream frees the room of bytes that it has written.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use indicatif::DecimalBytes;
use tokio::task::{JoinError, spawn_blocking};
use tokio_util::sync::CancellationToken;
use wstp_client::store::{BlockFile, FileStore, Stored, Unreadable};
use wstp_engine::journal::Recovered;
use wstp_engine::{StoreReply, StoreRequest};
use wstp_protocol::zeros::are_zeros;
use wstp_protocol::{BLOCK_SIZE, ErrorCode, Hash};

use crate::address::Source;
use crate::answers::Answers;
use crate::disk::Storage;
use crate::exit::{Code, Failure};
use crate::get::{Context, Share, begin_with_one_that_answers, task};
use crate::local_file::LocalFile;
use crate::transfer;

/// Verified bytes that may wait for the reader, and bytes that may wait for the server's hash.
const AHEAD: u64 = 64 << 20;
/// Bytes read back and written at once.
const PIECE: u64 = 256 << 10;

/// Writes a file to the output.
///
/// # Errors
///
/// In words, with the code to end with. The bytes written by then are right, but not all.
pub async fn run(cx: &Context<'_>, sources: &[Source], answers: &Answers) -> Result<Code, Failure> {
    if cx.options.update {
        let advice = "Leave --update out. A file that changes meanwhile ends the command with 5.";
        return Err(Failure::new(Code::Usage, "What was given out can't be updated.", advice));
    }
    let Some(name) = sources.first().and_then(|source| source.path.name()) else { return Err(only_files()) };
    let sources = match sources {
        [_] => sources.to_vec(),
        _ => begin_with_one_that_answers(cx, sources).await?,
    };
    let queue = Arc::new(Queue::default());
    let stop = cx.stop.child_token();
    let (spool, giving) = Spool::new(&queue, answers, &stop).map_err(|error| {
        let place = std::env::temp_dir();
        Failure::disk(format!("What arrives early can't be kept in {}", crate::partial::shown(&place)), &error)
    })?;
    let giving = spawn_blocking(move || giving.run());
    let task = transfer::Task { queue: Some(queue.clone()), ..task(cx, &sources, Share::whole(&cx.options)) };
    let mut report = cx.reporter.file(name.to_owned());
    let (_, fetched) =
        transfer::fetch(&task, spool, Recovered::default(), &stop, |standing| report.tell(standing)).await;
    let fetched = match fetched {
        Err(failure) if failure.refusal == Some(ErrorCode::NotAFile) => return Err(only_files()),
        // The temporary file ended it.
        Err(_) if stop.is_cancelled() && !cx.stop.is_cancelled() => return Err(spoiled(giving.await)),
        fetched => fetched.map_err(|failure| begin_again(failure, queue.given()))?,
    };
    queue.end(fetched.size);
    let given = tokio::select! {
        given = giving => given,
        () = cx.stop.cancelled() => return Err(begin_again(crate::words::interrupted(String::new()), queue.given())),
    };
    drop(report);
    match given {
        Ok(Ok(root)) if root == fetched.root => {
            cx.reporter.given(fetched.size, &root);
            Ok(Code::Ok)
        }
        given => Err(spoiled(given)),
    }
}

/// The temporary file returned other bytes than were stored.
fn spoiled(given: Result<io::Result<Hash>, JoinError>) -> Failure {
    let error = match given.map_err(io::Error::other).flatten() {
        Ok(_) => other_bytes(),
        Err(error) => error,
    };
    Failure::disk(format!("The disk of {} failed", crate::partial::shown(&std::env::temp_dir())), &error)
}

fn other_bytes() -> io::Error {
    io::Error::other("it gave back other bytes than were stored")
}

fn only_files() -> Failure {
    Failure::new(Code::Usage, "The standard output takes one file, and this is a folder.", "Give -o a folder to fill.")
}

/// Nothing is kept for later.
fn begin_again(mut failure: Failure, given: u64) -> Failure {
    if matches!(failure.code, Code::Interrupted | Code::Unreachable | Code::Changed) {
        let given = DecimalBytes(given);
        failure.advice = format!("{given} were given out. The same command begins from the start.");
    }
    failure
}

/// How far a file is on its way to the reader.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes from the start that are verified.
    ready: u64,
    /// Bytes that were written to the output.
    given: u64,
    /// Bytes that were stored.
    stored: u64,
    /// Whether the hash of the file is known.
    is_rooted: bool,
    /// Whether storing waits.
    holds: bool,
    /// Whether nothing may wait any more: the transfer ends.
    is_open: bool,
    /// The size, once everything is verified.
    end: Option<u64>,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// This many bytes from the start are verified.
    pub fn tell(&self, ready: u64, is_rooted: bool) {
        let mut state = self.state();
        if ready > state.ready || is_rooted != state.is_rooted {
            state.ready = ready.max(state.ready);
            state.is_rooted = is_rooted;
            self.changed.notify_all();
        }
    }

    /// Whether everything waits for the reader, and not for the server's hash.
    pub fn holds(&self) -> bool {
        self.state().holds
    }

    /// The transfer ends, so storing no longer waits.
    pub fn open(&self) {
        self.state().is_open = true;
        self.changed.notify_all();
    }

    fn end(&self, size: u64) {
        let mut state = self.state();
        (state.ready, state.end) = (size, Some(size));
        self.changed.notify_all();
    }

    fn given(&self) -> u64 {
        self.state().given
    }

    /// Waits until more may be stored. The reader and the run loop continue meanwhile, so this ends.
    fn room(&self, bytes: u64) {
        let mut state = self.state();
        state.stored += bytes;
        loop {
            let is_slow = state.ready.saturating_sub(state.given) > AHEAD;
            let is_unsure = !state.is_rooted && state.stored > AHEAD;
            state.holds = (is_slow || is_unsure) && !state.is_open;
            if !state.holds {
                return;
            }
            state = self.wait(state);
        }
    }

    /// The next bytes to write; `None` at the end.
    fn next(&self) -> Option<(u64, u64)> {
        let mut state = self.state();
        while state.ready <= state.given {
            if state.end.is_some() || state.is_open {
                return None;
            }
            state = self.wait(state);
        }
        Some((state.given, state.ready.min(state.given + PIECE)))
    }

    fn gave(&self, end: u64) {
        self.state().given = end;
        self.changed.notify_all();
    }
}

/// Sums of the blocks in the temporary file that are not zero, by their offsets. A disk may return other bytes than it
/// was given.
type Sums = Arc<Mutex<BTreeMap<u64, Hash>>>;

/// The transfer's storage: nothing in it outlives the process.
#[derive(Debug)]
struct Spool {
    store: FileStore<LocalFile>,
    sums: Sums,
    queue: Arc<Queue>,
}

impl Spool {
    fn new(queue: &Arc<Queue>, answers: &Answers, stop: &CancellationToken) -> io::Result<(Self, Giving)> {
        let file = || tempfile::tempfile().map(LocalFile);
        let opened = FileStore::open(file()?, file()?, [file()?, file()?]);
        let (store, _nothing) = opened.map_err(|error| match error {
            Unreadable::Storage(error) => error,
            Unreadable::OtherVersion => io::ErrorKind::InvalidData.into(),
        })?;
        let sums = Sums::default();
        let data = LocalFile(store.data().0.try_clone()?);
        let (sums_of, queue_of, answers, stop) = (sums.clone(), queue.clone(), answers.clone(), stop.clone());
        let giving = Giving { data, sums: sums_of, queue: queue_of, answers, stop };
        Ok((Self { store, sums, queue: queue.clone() }, giving))
    }
}

impl Storage for Spool {
    type Request = StoreRequest;
    type Reply = Stored<io::Error>;

    fn perform(&mut self, request: StoreRequest) -> Stored<io::Error> {
        match &request {
            StoreRequest::Write { offset, data } => {
                self.queue.room(data.len() as u64);
                let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
                let blocks = data.chunks(BLOCK_SIZE as usize);
                sums.extend((*offset..).step_by(BLOCK_SIZE as usize).zip(blocks.map(sum)));
            }
            // Blocks without a sum are zero.
            StoreRequest::WriteZeros { offset, length } => {
                self.queue.room(0);
                let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
                for block in (*offset..offset + length).step_by(BLOCK_SIZE as usize) {
                    sums.remove(&block);
                }
            }
            // No later run resumes it.
            StoreRequest::Commit { .. } | StoreRequest::Compact { .. } => {
                return Stored { reply: StoreReply::Done, error: None };
            }
            _ => {}
        }
        self.store.perform(request)
    }
}

fn sum(block: &[u8]) -> Hash {
    *blake3::hash(block).as_bytes()
}

/// Writes the bytes that are ready.
struct Giving {
    data: LocalFile,
    sums: Sums,
    queue: Arc<Queue>,
    answers: Answers,
    /// Ends the transfer.
    stop: CancellationToken,
}

impl Giving {
    /// Writes to the end; returns the hash of all. Blocking: writes to the output.
    fn run(self) -> io::Result<Hash> {
        let mut whole = blake3::Hasher::new();
        let mut piece = Vec::new();
        while let Some((start, end)) = self.queue.next() {
            piece.resize(usize::try_from(end - start).unwrap_or_default(), 0);
            let read = self.data.read_at(start, &mut piece).and_then(|()| self.check(start, &piece));
            if let Err(error) = read {
                self.stop.cancel();
                return Err(error);
            }
            if !self.answers.bytes(&piece) {
                break;
            }
            whole.update(&piece);
            self.data.free(start, end - start);
            self.queue.gave(end);
        }
        Ok(*whole.finalize().as_bytes())
    }

    fn check(&self, start: u64, piece: &[u8]) -> io::Result<()> {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        for (offset, block) in (start..).step_by(BLOCK_SIZE as usize).zip(piece.chunks(BLOCK_SIZE as usize)) {
            let is_right = sums.remove(&offset).map_or_else(|| are_zeros(block), |stored| stored == sum(block));
            if !is_right {
                return Err(other_bytes());
            }
        }
        Ok(())
    }
}

/// Whether an output means the standard output.
pub fn is_stdout(output: Option<&Path>) -> bool {
    output == Some(Path::new("-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_temporary_file_that_returns_other_bytes_is_noticed_before_they_are_given_out() {
        const SIZE: u64 = 3 * BLOCK_SIZE;
        let (queue, stop) = (Arc::new(Queue::default()), CancellationToken::new());
        let answers = Answers::new(stop.clone());
        let (mut spool, giving) = Spool::new(&queue, &answers, &stop).unwrap();
        let requests = [
            StoreRequest::Write { offset: 0, data: Bytes::from(vec![7; 2 * BLOCK_SIZE as usize]) },
            StoreRequest::WriteZeros { offset: 2 * BLOCK_SIZE, length: BLOCK_SIZE },
        ];
        for request in requests {
            assert!(spool.perform(request).error.is_none());
        }
        let stored = |start: u64, bytes: &[u8]| giving.check(start, bytes).is_ok();
        let mut wrong = vec![7; BLOCK_SIZE as usize];
        assert!(stored(0, &wrong));
        assert!(stored(2 * BLOCK_SIZE, &[0; BLOCK_SIZE as usize]));
        wrong[100] ^= 1;
        assert!(!stored(2 * BLOCK_SIZE, &wrong), "a block of zeros that is none");
        giving.data.write_at(BLOCK_SIZE, &wrong).unwrap();
        queue.gave(BLOCK_SIZE);
        queue.end(SIZE);
        assert!(giving.run().is_err());
        assert!(stop.is_cancelled() && queue.given() == BLOCK_SIZE, "the transfer ends, and nothing more is given out");
    }
}
