//! Facts that hold after each step, and at the end.

use std::collections::BTreeMap;

use wstp_engine::Phase;
use wstp_engine::folder::journal::{Recovered, replay};
use wstp_protocol::limits::MAX_SERVER_FRAME;

use super::World;
use crate::folder::share::root_of;

impl World {
    pub(super) fn check(&mut self) {
        // Every requested item may come as a whole frame.
        let asked: usize = self.wires.values().map(|wire| wire.asked.len() * MAX_SERVER_FRAME).sum();
        let in_memory = asked as u64 + self.held.values().sum::<u64>();
        self.allowed = self.allowed.max(self.budget).max(MAX_SERVER_FRAME as u64);
        assert!(in_memory <= self.allowed, "{in_memory} bytes in memory");
        self.allowed = self.allowed.min(in_memory).max(self.budget);
        assert!(self.fetching.len() <= usize::from(self.scenario.fetches.max(1)), "too many files are handed out");
        let progress = self.folder.progress();
        let is_settled = matches!(progress.phase, Phase::Paused | Phase::Failed | Phase::Complete);
        let is_idle = self.held.is_empty() && self.fetching.is_empty() && self.wires.is_empty();
        assert!(!is_settled || is_idle, "it says that it ended, and has not");
        assert!(progress.files_done + progress.files_failed <= progress.files, "{progress:?}");
        assert!(progress.bytes_done <= progress.bytes, "{progress:?}");
    }

    /// Every file is right on disk, or has failed, and the journal says the same.
    pub fn check_complete(&self) {
        let progress = self.folder.progress();
        assert_eq!(progress.phase, Phase::Complete, "{progress:?}");
        let told: BTreeMap<_, _> = self.paths.iter().map(|(file, path)| (path.as_str(), *file)).collect();
        let (recovered, end) = replay([&self.journal, &[]]);
        assert!(recovered.is_complete() && end.length == self.journal.len() as u64);
        self.check_recovered(&recovered);
        let stored: BTreeMap<_, _> = recovered.stored().collect();
        let (mut good, mut bad) = (0, 0);
        for (path, node) in self.scenario.share.files() {
            let file = told.get(path.as_str()).unwrap_or_else(|| panic!("{path} was not told"));
            if node.trouble.is_some() {
                bad += 1;
            } else {
                assert!(stored.contains_key(file), "{path} is not on record");
                assert!(!self.damaged.contains(file), "{path} is wrong, and called complete");
                let form = self.disk.get(file).map(|copy| copy.form);
                assert_eq!(form, stored.get(file).map(|stored| stored.form), "{path} is not where the journal says");
                good += 1;
            }
        }
        assert_eq!((progress.files, progress.files_done, progress.files_failed), (good + bad, good, bad));
        assert!(progress.walked && progress.folders as usize == self.scenario.share.folders.len());
    }

    /// The journal claims only data that is on disk, as it is on the server.
    pub(super) fn check_recovered(&self, recovered: &Recovered) {
        for (file, stored) in recovered.stored().filter(|(file, _)| !self.damaged.contains(file)) {
            let copy = self.disk.get(&file).filter(|copy| copy.form == stored.form || !self.mended.contains(&file));
            let Some(copy) = copy else {
                assert!(self.mended.contains(&file), "the journal claims a file that is not there");
                continue;
            };
            let path = recovered.path(file).expect("a stored file has a path");
            let node = self.scenario.share.find(path.as_str()).expect("the server has it");
            assert_eq!(
                (copy.form, stored.root, stored.size),
                (stored.form, root_of(&node.data), node.data.len() as u64)
            );
            assert!(copy.data == node.data, "{path} is not the server's");
        }
    }
}
