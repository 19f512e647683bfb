//! Events from outside, and the user's answers to them.

use std::collections::BTreeMap;
use std::time::Duration;

use wstp_engine::folder::journal::replay;
use wstp_engine::folder::{FolderCommand, FolderConfig, FolderId, FolderTransfer};

use super::{Event, World, config};

/// A longer journal is compacted.
const LONG_JOURNAL: u64 = 1000;

/// An external event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Blow {
    Crash,
    Pause,
    Resume,
    Budget(u64),
    RateLimit(Option<u64>),
    /// A crash. Some of the data on disk becomes wrong before the program is started again.
    DamagedCrash,
    /// The server is away for this time.
    Outage(Duration),
    DiskFull {
        after: u32,
    },
}

impl World {
    /// An external event.
    pub fn blow(&mut self, blow: Blow) {
        match blow {
            Blow::Crash => self.crash(),
            Blow::DamagedCrash => {
                let chance = self.random.pick(&[0.1, 0.5, 1.0]);
                let files: Vec<_> = self.disk.keys().copied().collect();
                for file in files {
                    if self.random.chance(chance) {
                        self.damaged.insert(file);
                    }
                }
                self.crash();
            }
            Blow::Pause => {
                self.paused = true;
                self.folder.handle_command(self.now, FolderCommand::Pause);
            }
            Blow::Resume => {
                self.paused = false;
                self.folder.handle_command(self.now, FolderCommand::Resume);
            }
            Blow::Budget(bytes) => {
                self.budget = bytes;
                self.folder.handle_command(self.now, FolderCommand::SetMemoryBudget(bytes));
            }
            Blow::RateLimit(rate) => self.folder.handle_command(self.now, FolderCommand::SetRateLimit(rate)),
            Blow::Outage(down) => {
                self.away = true;
                self.scenario.server.life += 1;
                self.schedule(down, Event::Back);
                for id in self.wires.keys().copied().collect::<Vec<_>>() {
                    self.schedule(Duration::ZERO, Event::Closed(id));
                }
            }
            Blow::DiskFull { after } => self.full_after = Some(after),
        }
    }

    /// The program dies and is started again. Data that was not durable is gone, and the last record may be torn.
    fn crash(&mut self) {
        let writing = self.agenda.events().find_map(|event| match event {
            Event::Committed(record) => Some(record.clone()),
            _ => None,
        });
        if let Some(record) = writing {
            let torn = self.random.below(record.len() as u64 + 1) as usize;
            self.journal.extend_from_slice(&record[..torn]);
        }
        self.disk.retain(|_, copy| copy.durable);
        self.damaged.retain(|file| self.disk.contains_key(file));
        self.agenda.retain(|event| matches!(event, Event::Blow(_) | Event::Back));
        (self.wires, self.held, self.fetching) = Default::default();
        self.folders = BTreeMap::from([(FolderId(0), String::new())]);
        self.paths.clear();
        let (mut recovered, end) = replay([&self.journal, &[]]);
        self.journal.truncate(end.length as usize);
        if let Some(compact) = recovered.compacted(end, LONG_JOURNAL) {
            self.journal = compact;
            recovered.was_compacted();
        }
        self.check_recovered(&recovered);
        let config = FolderConfig { memory_budget: self.budget, ..config(&self.scenario, self.random.number()) };
        self.folder = FolderTransfer::resume(config, recovered, self.now);
        self.paused = false;
        self.allowed = self.budget;
    }

    /// The user makes room. False if that does not help.
    pub(super) fn recover(&mut self) -> bool {
        self.failures += 1;
        let helps = self.full_after.take().is_some() || !self.is_calm();
        if helps {
            self.folder.handle_command(self.now, FolderCommand::Resume);
        }
        helps
    }

    /// The user retries files that failed only because bits flipped. False if there are none.
    pub(super) fn retry(&mut self) -> bool {
        let lost = self.scenario.share.files().filter(|(_, node)| node.trouble.is_some()).count();
        let retries = self.scenario.server.corruption > 0.0 && self.folder.progress().files_failed as usize > lost;
        if retries {
            self.folder.handle_command(self.now, FolderCommand::Resume);
        }
        retries
    }
}
