//! The threads that hash, and the files that wait for them.
//!
//! Files take turns slice by slice, so that a small one does not wait for a large one to end. The threads are at most
//! half of the processors and run at the lowest priority: reads go first. Hashing is cancelled some time after the last
//! client closed the file.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use wstp_protocol::Hash;

use super::job::{BUFFER, Job, Step};
use super::open_file::{HashState, OpenFile};
use super::tree::HashTree;
use super::trees::{Key, Trees};

/// Files that may wait for their hashes after their last handle was given back.
const MAX_LINGERING: usize = 16;
/// When this many jobs wait, those whose file was closed are dropped.
const SWEEP_AT: usize = 1024;
/// Lowest priority.
const NICE: i32 = 19;

/// Computes the hashes of files in the background.
pub struct Hashing {
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Queue {
    trees: Box<dyn Trees>,
    linger: Duration,
    waiting: Mutex<Waiting>,
    work: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Held open for a while, in case its client comes back.
    lingering: VecDeque<(Instant, Arc<OpenFile>)>,
    /// Jobs that a thread advances now.
    at_work: usize,
    stopping: bool,
}

impl Hashing {
    /// Starts the threads in the context of a runtime, which drives the reads of stores.
    pub fn start(trees: Box<dyn Trees>, linger: Duration) -> Self {
        let runtime = Handle::current();
        let queue = Arc::new(Queue { trees, linger, waiting: Mutex::default(), work: Condvar::new() });
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let start = |number| {
            let (queue, runtime) = (queue.clone(), runtime.clone());
            let thread = std::thread::Builder::new().name(format!("hash-{number}"));
            thread
                .spawn(move || {
                    let _context = runtime.enter();
                    queue.work();
                })
                .inspect_err(|error| tracing::error!(%error, "cannot start a thread for hashing"))
                .ok()
        };
        let threads = (0..(processors / 2).max(1)).filter_map(start).collect();
        Self { queue, threads: Mutex::new(threads) }
    }

    /// Has the hashes of a file computed, or finds kept ones. Blocking.
    pub fn begin(&self, file: &Arc<OpenFile>) {
        if file.tree().blocks() == 0 {
            file.set_state(HashState::Ready(HashTree::empty()));
        } else if let Some(tree) = self.queue.trees.load(&file.version().key(), file.size()) {
            file.set_state(HashState::Ready(Arc::new(tree)));
        } else {
            self.queue.push(Job::new(file));
        }
    }

    /// The hash of a file of this key and size, if it was kept. Blocking.
    pub fn kept_root(&self, key: &Key, size: u64) -> Option<Hash> {
        if size == 0 {
            return Some(HashTree::empty().root());
        }
        self.queue.trees.load(key, size).map(|tree| tree.root())
    }

    /// Has damaged hashes computed again. Blocking.
    pub fn restart(&self, file: &Arc<OpenFile>) {
        self.queue.trees.forget(&file.version().key());
        self.queue.push(Job::new(file));
    }

    /// A handle of the file was closed. If its hashes are not known yet, continues with them for a while.
    pub fn linger(&self, file: Arc<OpenFile>) {
        if matches!(*file.state().borrow(), HashState::Pending) {
            let mut waiting = self.queue.lock();
            if waiting.lingering.len() == MAX_LINGERING {
                waiting.lingering.pop_front();
            }
            waiting.lingering.push_back((Instant::now(), file));
        }
    }

    /// Files whose hashes are being computed or wait for that.
    pub fn unfinished(&self) -> usize {
        let waiting = self.queue.lock();
        waiting.jobs.len() + waiting.at_work
    }

    /// Has the threads end after their current slice, and waits for that. Blocking.
    pub fn stop(&self) {
        let (jobs, lingering) = {
            let mut waiting = self.queue.lock();
            waiting.stopping = true;
            self.queue.work.notify_all();
            (std::mem::take(&mut waiting.jobs), std::mem::take(&mut waiting.lingering))
        };
        drop((jobs, lingering));
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a hashing thread panicked");
            }
        }
    }
}

impl Queue {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job) {
        let mut waiting = self.lock();
        if waiting.stopping {
            return;
        }
        if waiting.jobs.len() >= SWEEP_AT {
            waiting.jobs.retain(|job| job.file.strong_count() > 0);
        }
        waiting.jobs.push_back(job);
        self.work.notify_one();
    }

    /// The next job whose file is still open; `None` once the server stops.
    fn next(&self) -> Option<(Job, Arc<OpenFile>)> {
        let mut waiting = self.lock();
        loop {
            if waiting.stopping {
                return None;
            }
            let linger = self.linger;
            waiting.lingering.retain(|(since, file)| {
                since.elapsed() < linger && matches!(*file.state().borrow(), HashState::Pending)
            });
            match waiting.jobs.pop_front() {
                Some(job) => {
                    if let Some(file) = job.file.upgrade() {
                        waiting.at_work += 1;
                        return Some((job, file));
                    }
                }
                None => waiting = self.work.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn work(&self) {
        // On Linux this concerns the calling thread only.
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            tracing::debug!(%error, "cannot lower the priority of hashing");
        }
        let mut buffer = vec![0; BUFFER];
        while let Some((mut job, file)) = self.next() {
            let step = job.advance(&file, &*self.trees, &mut buffer);
            self.lock().at_work -= 1;
            match step {
                Ok(Step::More) => self.push(job),
                Ok(Step::Done(tree)) => file.set_state(HashState::Ready(Arc::new(tree))),
                Ok(Step::Changed) => file.set_state(HashState::Changed),
                Err(error) => {
                    tracing::warn!(%error, "cannot hash a file");
                    file.set_state(HashState::Failed);
                }
            }
        }
    }
}
