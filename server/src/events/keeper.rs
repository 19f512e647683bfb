//! The thread that writes events to the disk. It writes the first one at once, and then those of a quarter of a second
//! together: a kill loses no more than that. While nothing happens it sleeps.
//!
//! The queue to it is bounded. Events that come faster than the disk takes them are counted, and the count is kept in
//! their place.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Event;
use super::log::{Log, LogError};

/// Events that may wait for the disk.
const QUEUE: usize = 4096;
/// The time between two writes.
const PAUSE: Duration = Duration::from_millis(250);
/// The time after a failed write.
const RETRY: Duration = Duration::from_secs(10);
/// How long a flush is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The hold on the thread. The thread ends when this is dropped.
pub struct Keeper {
    queue: SyncSender<Order>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The database; `None` after a failure, until the next write.
    log: Mutex<Option<Arc<Log>>>,
    /// Events that found no room in the queue.
    missed: AtomicU64,
}

enum Order {
    Keep(Event),
    Flush(SyncSender<()>),
}

impl Keeper {
    /// Begins to write to a database in a folder.
    pub fn start(folder: PathBuf, log: Log) -> Self {
        let (queue, orders) = sync_channel(QUEUE);
        let shared = Arc::new(Shared { log: Mutex::new(Some(Arc::new(log))), ..Shared::default() });
        let thread = Thread { folder, shared: shared.clone(), waiting: Vec::new(), next: None, is_failing: false };
        let started = std::thread::Builder::new().name("events".to_owned()).spawn(move || thread.run(&orders));
        if let Err(error) = started {
            tracing::warn!(%error, "the events can't be kept and end with the server");
        }
        Self { queue, shared }
    }

    /// Keeps an event soon.
    pub fn keep(&self, event: Event) {
        if self.queue.try_send(Order::Keep(event)).is_err() {
            self.shared.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until the events so far are written, or can't be.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.queue.send(Order::Flush(done)).is_ok() {
            // A disk that hangs does not keep anybody waiting for ever.
            let _in_time = written.recv_timeout(PATIENCE);
        }
    }

    /// Reads, with all events so far.
    pub fn read<T>(&self, of: impl FnOnce(&Log) -> Result<T, LogError>) -> Result<T, LogError> {
        self.flush();
        let log = self.shared.log().clone().ok_or_else(LogError::gone)?;
        catch_unwind(AssertUnwindSafe(|| of(&log))).unwrap_or_else(|_| Err(LogError::gone()))
    }
}

impl Shared {
    fn log(&self) -> std::sync::MutexGuard<'_, Option<Arc<Log>>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Thread {
    folder: PathBuf,
    shared: Arc<Shared>,
    waiting: Vec<Event>,
    /// When the next write is due; in the past if it may be at any time.
    next: Option<Instant>,
    is_failing: bool,
}

impl Thread {
    fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let order = match self.due() {
                None => orders.recv().map_err(RecvTimeoutError::from),
                Some(due) => orders.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            match order {
                Ok(Order::Keep(event)) => self.waiting.push(event),
                Ok(Order::Flush(done)) => {
                    self.write();
                    // Nobody may wait any more.
                    let _told = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => self.write(),
                Err(RecvTimeoutError::Disconnected) => return self.write(),
            }
            if self.waiting.len() >= QUEUE {
                self.write();
            }
        }
    }

    /// When to write; `None` if there is nothing to write.
    fn due(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.next.unwrap_or_else(Instant::now))
    }

    fn write(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let missed = self.shared.missed.swap(0, Ordering::Relaxed);
        if let Some(last) = self.waiting.last().filter(|_| missed > 0) {
            tracing::warn!(missed, "events came faster than the disk takes them");
            let text =
                format!("{} (and {missed} more events around this one, faster than the disk took them)", last.text);
            let event = Event { text, ..last.clone() };
            self.waiting.pop();
            self.waiting.push(event);
        }
        let written = catch_unwind(AssertUnwindSafe(|| self.try_write())).unwrap_or_else(|_| Err(LogError::gone()));
        match written {
            Ok(()) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("events are kept again");
                }
                self.waiting.clear();
                self.next = Some(Instant::now() + PAUSE);
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::error!("{error}. Events are in memory until it can; the server goes on");
                }
                // It is opened anew, which finds out what became of it.
                *self.shared.log() = None;
                self.waiting.drain(..self.waiting.len().saturating_sub(QUEUE / 2));
                self.next = Some(Instant::now() + RETRY);
            }
        }
    }

    fn try_write(&self) -> Result<(), LogError> {
        let log = self.shared.log().clone();
        let log = match log {
            Some(log) => log,
            None => {
                let (log, _) = Log::open_or_replace(&self.folder)?;
                self.shared.log().insert(Arc::new(log)).clone()
            }
        };
        log.append(&self.waiting)
    }
}
