//! The progress of comparing a local file with a server's. A short comparison is not reported.

use std::cell::{Cell, OnceCell};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::time::{Instant, interval_at};

use super::{Audience, Event, Reporter};
use crate::escape;

/// The shortest time between two reports.
const TELL: Duration = Duration::from_millis(250);

/// Reports the progress of a comparison.
pub struct ComparisonReport<'a> {
    reporter: &'a Reporter,
    file: String,
    size: u64,
    done: Arc<AtomicU64>,
    server_hashes: Cell<bool>,
    bar: OnceCell<ProgressBar>,
    /// Whether a line was printed for those who see only lines.
    is_told: Cell<bool>,
}

impl Reporter {
    /// Begins to report on a local file of this many bytes.
    #[must_use]
    pub fn comparing(&self, file: &Path, size: u64) -> ComparisonReport<'_> {
        ComparisonReport {
            reporter: self,
            file: file.to_string_lossy().into_owned(),
            size,
            done: Arc::default(),
            server_hashes: Cell::new(false),
            bar: OnceCell::new(),
            is_told: Cell::new(false),
        }
    }
}

impl ComparisonReport<'_> {
    /// The counter of compared bytes.
    #[must_use]
    pub fn done(&self) -> Arc<AtomicU64> {
        self.done.clone()
    }

    /// Waits for the server's hash.
    pub async fn while_server_hashes<T>(&self, hashing: impl Future<Output = T>) -> T {
        self.server_hashes.set(true);
        let hashed = hashing.await;
        self.server_hashes.set(false);
        hashed
    }

    /// Does a part of the comparison, and reports the progress meanwhile.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut ticks = interval_at(Instant::now() + TELL, TELL);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = ticks.tick() => self.tell(),
            }
        }
    }

    fn tell(&self) {
        let compared = self.done.load(Ordering::Relaxed).min(self.size);
        let server_hashes = self.server_hashes.get();
        let words = in_words(compared, self.size, server_hashes);
        match self.reporter.audience {
            Audience::Json => {
                self.reporter.json(&Event::Comparing { file: &self.file, size: self.size, compared, server_hashes });
            }
            Audience::Terminal => {
                let bar = self.bar.get_or_init(|| self.reporter.bar(&self.file));
                bar.set_length(self.size);
                bar.set_position(compared);
                bar.set_message(words);
            }
            Audience::Log if !self.is_told.replace(true) => {
                self.reporter.line(&format!("{}: {words}", escape::name(&self.file)));
            }
            Audience::Log | Audience::Nobody => {}
        }
    }
}

impl Drop for ComparisonReport<'_> {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
            self.reporter.bars.remove(bar);
        }
    }
}

const fn in_words(compared: u64, size: u64, server_hashes: bool) -> &'static str {
    match (server_hashes, compared < size) {
        (false, _) => "comparing with what is there",
        (true, true) => "comparing with what is there, the server still hashes it",
        (true, false) => "the server still hashes it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_said() {
        assert_eq!(in_words(1, 2, false), "comparing with what is there");
        assert_eq!(in_words(1, 2, true), "comparing with what is there, the server still hashes it");
        assert_eq!(in_words(2, 2, true), "the server still hashes it");
    }
}
