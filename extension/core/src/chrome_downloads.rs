//! The downloads of Chrome's that this service worker began, and what Chrome told of each, also before it told its number: so that Chrome need not be asked,
//! which looks at every file it ever saved.

use std::collections::HashMap;

use wstp_messages::TransferId;

use crate::chrome::Change;

/// What is known of how a download stands.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// It goes on, or it will be known whose it is.
    Open,
    /// The file is on the disk.
    Saved(TransferId, u32, String),
    /// It ended or Chrome fears something else of it now, and Chrome has to be asked how it stands, or whose it is.
    Unknown,
}

/// Downloads by Chrome's ids.
#[derive(Debug, Default)]
pub struct Downloads {
    /// How many are being begun, so that their ids are not known yet.
    starting: u32,
    begun: HashMap<i32, Begun>,
    /// What was told of others while some are being begun.
    early: HashMap<i32, Told>,
}

#[derive(Debug)]
struct Begun {
    transfer: TransferId,
    file: u32,
    told: Told,
}

#[derive(Debug, Default)]
struct Told {
    path: Option<String>,
    /// `complete` or `interrupted`.
    end: Option<String>,
    /// What Chrome fears of it changed, and was not looked at since.
    danger: bool,
}

impl Told {
    fn add(&mut self, change: &Change) {
        if let Some(path) = &change.filename {
            self.path.clone_from(&path.current);
        }
        if let Some(state) = &change.state {
            self.end = state.current.clone().filter(|state| state != "in_progress");
        }
        self.danger |= change.danger.is_some();
    }
}

impl Downloads {
    /// One is being begun.
    pub fn starting(&mut self) {
        self.starting += 1;
    }

    /// One that was being begun has this id.
    pub fn started(&mut self, id: i32, transfer: TransferId, file: u32) -> End {
        self.starting = self.starting.saturating_sub(1);
        let told = self.early.remove(&id).unwrap_or_default();
        self.begun.insert(id, Begun { transfer, file, told });
        self.end_of(id)
    }

    /// One that was being begun was refused.
    pub fn refused(&mut self) {
        self.starting = self.starting.saturating_sub(1);
    }

    /// Chrome told something of a download.
    pub fn handle(&mut self, change: &Change) -> End {
        match self.begun.get_mut(&change.id) {
            Some(begun) => begun.told.add(change),
            None if self.starting > 0 => self.early.entry(change.id).or_default().add(change),
            None if change.state.is_some() || change.danger.is_some() => return End::Unknown,
            None => return End::Open,
        }
        self.end_of(change.id)
    }

    /// Those that have to be looked at and that nobody began who is being told of it now.
    pub fn take_unclaimed(&mut self) -> Vec<i32> {
        if self.starting > 0 {
            return Vec::new();
        }
        let early = std::mem::take(&mut self.early);
        early.into_iter().filter(|(_, told)| told.end.is_some() || told.danger).map(|(id, _)| id).collect()
    }

    fn end_of(&mut self, id: i32) -> End {
        let Some(Begun { told, .. }) = self.begun.get_mut(&id) else { return End::Open };
        if told.end.is_none() {
            return if std::mem::take(&mut told.danger) { End::Unknown } else { End::Open };
        }
        match self.begun.remove(&id) {
            Some(Begun { transfer, file, told: Told { path: Some(path), end: Some(end), .. } })
                if end == "complete" =>
            {
                End::Saved(transfer, file, path)
            }
            _ => End::Unknown,
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::chrome::Delta;

    fn change(id: i32, path: Option<&str>, state: Option<&str>) -> Change {
        let delta = |text: &str| Delta { current: Some(text.to_owned()) };
        Change { id, filename: path.map(delta), state: state.map(delta), danger: None }
    }

    fn fears(id: i32, danger: &str) -> Change {
        Change { danger: Some(Delta { current: Some(danger.to_owned()) }), ..change(id, None, None) }
    }

    fn transfer() -> TransferId {
        TransferId("t".to_owned())
    }

    #[test]
    fn a_download_that_ended_before_its_id_was_known_is_saved() {
        let mut downloads = Downloads::default();
        downloads.starting();
        assert_eq!(downloads.handle(&change(7, Some("/a"), None)), End::Open);
        assert_eq!(downloads.handle(&change(7, None, Some("complete"))), End::Open);
        assert_eq!(downloads.started(7, transfer(), 3), End::Saved(transfer(), 3, "/a".to_owned()));
        assert!(downloads.take_unclaimed().is_empty());
    }

    #[test]
    fn a_download_that_ends_later_is_saved_once() {
        let mut downloads = Downloads::default();
        downloads.starting();
        assert_eq!(downloads.started(7, transfer(), 3), End::Open);
        assert_eq!(downloads.handle(&change(7, Some("/a"), None)), End::Open);
        assert_eq!(downloads.handle(&change(7, None, Some("complete"))), End::Saved(transfer(), 3, "/a".to_owned()));
        assert_eq!(downloads.handle(&change(7, None, Some("complete"))), End::Unknown);
    }

    #[test]
    fn of_a_download_that_chrome_fears_it_is_asked_each_time_that_changes() {
        let mut downloads = Downloads::default();
        assert_eq!(downloads.handle(&fears(6, "accepted")), End::Unknown, "begun by a service worker that ended");
        downloads.starting();
        assert_eq!(downloads.handle(&fears(7, "file")), End::Open);
        assert_eq!(downloads.started(7, transfer(), 3), End::Unknown);
        assert_eq!(downloads.handle(&change(7, Some("/a"), None)), End::Open);
        assert_eq!(downloads.handle(&fears(7, "accepted")), End::Unknown);
        assert_eq!(downloads.handle(&change(7, None, Some("complete"))), End::Saved(transfer(), 3, "/a".to_owned()));
    }

    #[test]
    fn of_what_was_interrupted_or_is_somebody_elses_chrome_is_asked() {
        let mut downloads = Downloads::default();
        assert_eq!(downloads.handle(&change(1, None, Some("complete"))), End::Unknown);
        downloads.starting();
        assert_eq!(downloads.handle(&change(2, None, Some("complete"))), End::Open);
        assert!(downloads.take_unclaimed().is_empty(), "it may be the one that is being begun");
        assert_eq!(downloads.started(3, transfer(), 0), End::Open);
        assert_eq!(downloads.take_unclaimed(), [2]);
        assert_eq!(downloads.handle(&change(3, None, Some("interrupted"))), End::Unknown);
    }
}
