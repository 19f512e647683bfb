//! Saved files that are no longer on the disk: the user, or another program, moved, renamed or deleted them.

use std::collections::{HashMap, HashSet};

use wstp_messages::{MissingFile, TransferId};

use super::super::item::{Item, Save};
use super::Queue;

impl Queue {
    /// These saved files are no longer on the disk, and all others are. Files of an earlier save, to another place, do
    /// not count.
    pub fn handle_missing(&mut self, files: &[MissingFile]) {
        let mut missing: HashMap<TransferId, HashSet<&str>> = HashMap::new();
        for MissingFile { transfer, path } in files {
            if self.model.item(transfer).is_some_and(|item| was_saved_at(item, path)) {
                missing.entry(transfer.clone()).or_default().insert(path);
            }
        }
        let missing = missing.into_iter().map(|(id, paths)| (id, paths.len() as u64)).collect();
        let before = std::mem::replace(&mut self.missing, missing);
        let is_news = |id: &&TransferId| before.get(*id) != self.missing.get(*id);
        let news: Vec<_> = before.keys().chain(self.missing.keys()).filter(is_news).cloned().collect();
        self.changed.extend(news);
    }
}

/// Whether a path is where a file was saved, or in the folder that was saved.
fn was_saved_at(item: &Item, path: &str) -> bool {
    let Save::Saved(place) = &item.save else { return false };
    let inner = path.strip_prefix(place.as_str()).filter(|_| !place.is_empty());
    inner.is_some_and(|inner| inner.is_empty() || inner.starts_with(['/', '\\']))
}
