//! Chrome's downloads that this service worker began, and Chrome's events of each, also those before it told the
//! number. So Chrome need not be asked: it looks at every file it ever saved.
//!
//! Nothing is told of a download before it was looked at whether Chrome gave it the name that was asked for.

use std::collections::{HashMap, HashSet};

use futures_channel::oneshot::{Receiver, Sender, channel};
use wstp_messages::{Placed, TransferId};

use crate::chrome::Change;
use crate::placed::placed;

/// The known state of a download.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// It goes on, or it will be known whose it is.
    Open,
    /// The file is on the disk.
    Saved {
        /// The transfer that the file belongs to.
        transfer: TransferId,
        /// Which file of it.
        file: u32,
        /// The path.
        path: String,
        /// How that answers to what was asked.
        placed: Placed,
    },
    /// It ended, or something else about it changed, and Chrome has to be asked how it stands, or whose it is.
    Unknown,
}

/// The stage of a download that a caller can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It has a name, or it has ended.
    Named,
    /// It has ended.
    Ended,
}

/// Downloads by Chrome's ids.
#[derive(Debug, Default)]
pub struct Downloads {
    /// How many are being begun, so that their ids are not known yet.
    starting: u32,
    begun: HashMap<i32, Begun>,
    /// The events of others while some are being begun.
    early: HashMap<i32, Told>,
    /// Begun and undone here: nobody is told of these.
    undone: HashSet<i32>,
}

#[derive(Debug)]
struct Begun {
    transfer: TransferId,
    file: u32,
    /// Target path, relative to the downloads folder.
    asked: String,
    told: Told,
    /// Its name was looked at.
    is_judged: bool,
    waiting: Option<(Stage, Sender<()>)>,
}

#[derive(Debug, Default)]
struct Told {
    path: Option<String>,
    /// `complete` or `interrupted`.
    end: Option<String>,
    /// Chrome changed the download's danger or paused state, and nobody has checked it since.
    is_odd: bool,
}

impl Told {
    fn add(&mut self, change: &Change) {
        if let Some(path) = &change.filename {
            self.path.clone_from(&path.current);
        }
        if let Some(state) = &change.state {
            self.end = state.current.clone().filter(|state| state != "in_progress");
        }
        self.is_odd |= change.danger.is_some() || change.paused.is_some();
    }

    fn has_reached(&self, stage: Stage) -> bool {
        self.end.is_some() || (stage == Stage::Named && self.path.is_some())
    }
}

impl Downloads {
    /// One is being begun.
    pub fn starting(&mut self) {
        self.starting += 1;
    }

    /// One that was being begun has this id.
    pub fn started(&mut self, id: i32, transfer: TransferId, file: u32, asked: &str) {
        self.starting = self.starting.saturating_sub(1);
        let told = self.early.remove(&id).unwrap_or_default();
        let asked = asked.to_owned();
        self.begun.insert(id, Begun { transfer, file, asked, told, is_judged: false, waiting: None });
    }

    /// One that was being begun was refused.
    pub fn refused(&mut self) {
        self.starting = self.starting.saturating_sub(1);
    }

    /// Resolves when a download gets so far, and fails when it is not known here.
    pub fn when(&mut self, id: i32, stage: Stage) -> Receiver<()> {
        let (sender, receiver) = channel();
        match self.begun.get_mut(&id) {
            // The caller that asked may have gone.
            Some(begun) if begun.told.has_reached(stage) => drop(sender.send(())),
            Some(begun) => begun.waiting = Some((stage, sender)),
            None => {}
        }
        receiver
    }

    /// Target path, once Chrome has reported it.
    pub fn path(&self, id: i32) -> Option<&str> {
        self.begun.get(&id)?.told.path.as_deref()
    }

    /// Its name was looked at and is to stay: how it stands.
    pub fn judged(&mut self, id: i32) -> End {
        if let Some(begun) = self.begun.get_mut(&id) {
            begun.is_judged = true;
        }
        self.end_of(id)
    }

    /// It is being undone: it does not count any more.
    pub fn undone(&mut self, id: i32) {
        self.begun.remove(&id);
        self.undone.insert(id);
    }

    /// Chrome told something of a download.
    pub fn handle(&mut self, change: &Change) -> End {
        let is_news = change.state.is_some() || change.danger.is_some() || change.paused.is_some();
        match self.begun.get_mut(&change.id) {
            Some(begun) => begun.add(change),
            None if self.undone.contains(&change.id) => return End::Open,
            None if self.starting > 0 => self.early.entry(change.id).or_default().add(change),
            None if is_news => return End::Unknown,
            None => return End::Open,
        }
        self.end_of(change.id)
    }

    /// Chrome took a download from its list. Whether somebody may wait for it.
    pub fn erased(&mut self, id: i32) -> bool {
        self.begun.remove(&id);
        !self.undone.remove(&id)
    }

    /// Those that have to be looked at and that nobody began who is being told of it now.
    pub fn take_unclaimed(&mut self) -> Vec<i32> {
        if self.starting > 0 {
            return Vec::new();
        }
        let early = std::mem::take(&mut self.early);
        early.into_iter().filter(|(_, told)| told.end.is_some() || told.is_odd).map(|(id, _)| id).collect()
    }

    fn end_of(&mut self, id: i32) -> End {
        let Some(Begun { told, .. }) = self.begun.get_mut(&id).filter(|begun| begun.is_judged) else {
            return End::Open;
        };
        if told.end.is_none() {
            return if std::mem::take(&mut told.is_odd) { End::Unknown } else { End::Open };
        }
        match self.begun.remove(&id) {
            Some(Begun { transfer, file, asked, told: Told { path: Some(path), end: Some(end), .. }, .. })
                if end == "complete" =>
            {
                End::Saved { transfer, file, placed: placed(&asked, &path), path }
            }
            _ => End::Unknown,
        }
    }
}

impl Begun {
    fn add(&mut self, change: &Change) {
        self.told.add(change);
        if let Some((_, sender)) = self.waiting.take_if(|(stage, _)| self.told.has_reached(*stage)) {
            // The caller that waited may have timed out.
            let _ = sender.send(());
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::chrome::Delta;

    fn change(id: i32, path: Option<&str>, state: Option<&str>) -> Change {
        let delta = |text: &str| Delta { current: Some(text.to_owned()) };
        Change { id, filename: path.map(delta), state: state.map(delta), danger: None, paused: None, exists: None }
    }

    fn fears(id: i32, danger: &str) -> Change {
        Change { danger: Some(Delta { current: Some(danger.to_owned()) }), ..change(id, None, None) }
    }

    fn transfer() -> TransferId {
        TransferId("t".to_owned())
    }

    fn saved(path: &str, placed: Placed) -> End {
        End::Saved { transfer: transfer(), file: 3, path: path.to_owned(), placed }
    }

    #[test]
    fn a_download_that_ended_before_its_id_was_known_is_saved() {
        let mut downloads = Downloads::default();
        downloads.starting();
        assert_eq!(downloads.handle(&change(7, Some("/a"), None)), End::Open);
        assert_eq!(downloads.handle(&change(7, None, Some("complete"))), End::Open);
        downloads.started(7, transfer(), 3, "a");
        assert_eq!(downloads.when(7, Stage::Ended).try_recv(), Ok(Some(())));
        assert_eq!(downloads.judged(7), saved("/a", Placed::AsAsked));
        assert!(downloads.take_unclaimed().is_empty());
    }

    #[test]
    fn a_download_that_ends_later_is_saved_once() {
        let mut downloads = Downloads::default();
        downloads.starting();
        downloads.started(7, transfer(), 3, "a");
        assert_eq!(downloads.judged(7), End::Open);
        assert_eq!(downloads.handle(&change(7, Some("/a"), None)), End::Open);
        assert_eq!(downloads.handle(&change(7, None, Some("complete"))), saved("/a", Placed::AsAsked));
        assert_eq!(downloads.handle(&change(7, None, Some("complete"))), End::Unknown);
    }

    #[test]
    fn nothing_is_told_of_a_download_before_its_name_was_looked_at() {
        let mut downloads = Downloads::default();
        downloads.starting();
        downloads.started(7, transfer(), 3, "music/a.txt");
        let (mut named, path) = (downloads.when(7, Stage::Named), "/d/20f6b523");
        assert_eq!((named.try_recv(), downloads.path(7)), (Ok(None), None));
        assert_eq!(downloads.handle(&change(7, Some(path), None)), End::Open);
        assert_eq!((named.try_recv(), downloads.path(7)), (Ok(Some(())), Some(path)));
        assert_eq!(downloads.handle(&change(7, None, Some("complete"))), End::Open);
        assert_eq!(downloads.judged(7), saved(path, Placed::Elsewhere));
    }

    #[test]
    fn nothing_is_told_of_a_download_that_is_undone() {
        let mut downloads = Downloads::default();
        downloads.starting();
        downloads.started(7, transfer(), 3, "music/a.txt");
        downloads.undone(7);
        assert_eq!(downloads.handle(&change(7, None, Some("interrupted"))), End::Open);
        assert!(!downloads.erased(7));
        assert!(downloads.erased(8), "it is somebody else's, or was begun by a service worker that ended");
    }

    #[test]
    fn of_a_download_that_chrome_fears_or_that_is_paused_it_is_asked_each_time_that_changes() {
        let mut downloads = Downloads::default();
        assert_eq!(downloads.handle(&fears(6, "accepted")), End::Unknown, "begun by a service worker that ended");
        downloads.starting();
        assert_eq!(downloads.handle(&fears(7, "file")), End::Open);
        downloads.started(7, transfer(), 3, "a");
        assert_eq!(downloads.judged(7), End::Unknown);
        assert_eq!(downloads.handle(&change(7, Some("/a"), None)), End::Open);
        assert_eq!(downloads.handle(&fears(7, "accepted")), End::Unknown);
        let paused = Change { paused: Some(Delta { current: Some(true) }), ..change(7, None, None) };
        assert_eq!(downloads.handle(&paused), End::Unknown);
        assert_eq!(downloads.handle(&change(7, None, Some("complete"))), saved("/a", Placed::AsAsked));
    }

    #[test]
    fn of_what_was_interrupted_or_is_somebody_elses_chrome_is_asked() {
        let mut downloads = Downloads::default();
        assert_eq!(downloads.handle(&change(1, None, Some("complete"))), End::Unknown);
        downloads.starting();
        assert_eq!(downloads.handle(&change(2, None, Some("complete"))), End::Open);
        assert!(downloads.take_unclaimed().is_empty(), "it may be the one that is being begun");
        downloads.started(3, transfer(), 0, "a");
        assert_eq!(downloads.judged(3), End::Open);
        assert_eq!(downloads.take_unclaimed(), [2]);
        assert_eq!(downloads.handle(&change(3, None, Some("interrupted"))), End::Unknown);
    }
}
