//! The catalogue's state as signals: one for each transfer, so that a change redraws one row.

use std::collections::HashMap;

use leptos::prelude::*;
use wstp_messages::{
    Event, LoginView, Notice, ServerView, Settings, Snapshot, TransferId, TransferState, TransferView,
};
use wstp_ui::speed_curve::Speeds;
use wstp_words::say;

use crate::catalogue::News;
use crate::words::{is_active, kept_bytes, words};

/// Speeds remembered for the curve: at four a second, half a minute.
const SPEEDS: usize = 120;

/// A transfer's signals; alive for as long as someone holds them.
#[derive(Clone)]
pub struct Kept {
    /// The last state of the transfer.
    pub view: ArcRwSignal<TransferView>,
    /// Its speeds since this page was opened.
    pub speeds: ArcRwSignal<Speeds>,
}

/// All data that the views show; cheap to copy.
#[derive(Clone, Copy)]
pub struct Store {
    /// The remembered servers, last used first.
    pub servers: RwSignal<Vec<ServerView>>,
    /// Who the user is at servers where that is known.
    pub logins: RwSignal<Vec<LoginView>>,
    /// The settings.
    pub settings: RwSignal<Settings>,
    /// The notice about the stored data that the user has to read, if any.
    pub notice: RwSignal<Option<Notice>>,
    /// Counts the changes of the history.
    pub history: RwSignal<u32>,
    /// Whether the first snapshot has arrived.
    pub is_ready: RwSignal<bool>,
    /// The transfers, newest first.
    pub order: RwSignal<Vec<TransferId>>,
    /// The last end of a transfer, in words.
    pub ended: RwSignal<String>,
    transfers: StoredValue<HashMap<TransferId, Kept>>,
    /// The newest transfer of each file, by server and path.
    files: StoredValue<HashMap<(String, String), TransferId>>,
}

/// The counts of transfers, by the actions on all of a kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// How many run or wait for their turn.
    pub active: usize,
    /// Bytes a second, over all.
    pub rate: f64,
    /// How many are paused.
    pub paused: usize,
    /// How many failed, except those whose file changed.
    pub failed: usize,
    /// Those on the user's disk.
    pub saved: Vec<TransferId>,
    /// Bytes of all of them in the browser's sandbox.
    pub kept: u64,
}

impl Tally {
    fn count(&mut self, view: &TransferView) {
        self.kept = self.kept.saturating_add(kept_bytes(view));
        match view.state {
            state if is_active(state) => {
                self.active += 1;
                self.rate += view.rate;
            }
            TransferState::Paused => self.paused += 1,
            TransferState::Failed if !view.is_outdated => self.failed += 1,
            TransferState::Saved => self.saved.push(view.id.clone()),
            _ => {}
        }
    }
}

impl Store {
    /// Without any data.
    pub fn new() -> Self {
        Self {
            servers: RwSignal::new(Vec::new()),
            logins: RwSignal::new(Vec::new()),
            settings: RwSignal::new(Settings::default()),
            notice: RwSignal::new(None),
            history: RwSignal::new(0),
            is_ready: RwSignal::new(false),
            order: RwSignal::new(Vec::new()),
            ended: RwSignal::new(String::new()),
            transfers: StoredValue::new(HashMap::new()),
            files: StoredValue::new(HashMap::new()),
        }
    }

    /// Takes in the catalogue's news.
    pub fn handle_news(self, news: News) {
        match news {
            News::Snapshot(snapshot) => self.replace(snapshot),
            News::Event(Event::Transfers(views)) => self.merge(views),
            News::Event(Event::Removed(ids)) => self.remove(&ids),
            News::Event(Event::Servers(servers)) => self.servers.set(servers),
            News::Event(Event::Logins(logins)) => self.logins.set(logins),
            News::Event(Event::Settings(settings)) => self.settings.set(settings),
            News::Event(Event::Notice(notice)) => self.notice.set(notice),
            News::Event(Event::History) => self.history.update(|count| *count = count.wrapping_add(1)),
        }
    }

    /// A transfer's signals.
    pub fn transfer(self, id: &TransferId) -> Option<Kept> {
        self.transfers.with_value(|transfers| transfers.get(id).cloned())
    }

    /// The newest transfer of a file. Tracks the list of transfers.
    pub fn transfer_of(self, server: &str, path: &str) -> Option<Kept> {
        self.order.track();
        let id = self.files.with_value(|files| files.get(&(server.to_owned(), path.to_owned())).cloned())?;
        self.transfer(&id)
    }

    /// The counts of transfers. Tracks all of them.
    pub fn tally(self) -> Tally {
        let mut tally = Tally::default();
        let kept = self.order.with(|order| order.iter().filter_map(|id| self.transfer(id)).collect::<Vec<_>>());
        kept.iter().for_each(|kept| kept.view.with(|view| tally.count(view)));
        tally
    }

    fn replace(self, snapshot: Snapshot) {
        let gone: Vec<_> = self.order.with_untracked(|order| {
            order.iter().filter(|id| !snapshot.transfers.iter().any(|view| view.id == **id)).cloned().collect()
        });
        self.remove(&gone);
        self.merge(snapshot.transfers);
        self.servers.set(snapshot.servers);
        self.logins.set(snapshot.logins);
        self.settings.set(snapshot.settings);
        self.notice.set(snapshot.notice);
        self.history.update(|count| *count = count.wrapping_add(1));
        self.is_ready.set(true);
    }

    fn merge(self, views: Vec<TransferView>) {
        let mut is_new = false;
        for view in views {
            if let Some(kept) = self.transfer(&view.id) {
                kept.speeds.update(|speeds| speeds.push(view.rate));
                let is_end =
                    matches!(view.state, TransferState::Complete | TransferState::Saved | TransferState::Failed);
                if is_end && kept.view.with_untracked(|before| before.state != view.state) {
                    self.ended.set(say!(named_state, &view.name, &words(&view)));
                }
                kept.view.set(view);
            } else {
                is_new = true;
                let kept = Kept { view: ArcRwSignal::new(view.clone()), speeds: ArcRwSignal::new(Speeds::new(SPEEDS)) };
                self.transfers.update_value(|transfers| drop(transfers.insert(view.id, kept)));
            }
        }
        if is_new {
            self.arrange();
        }
    }

    fn remove(self, ids: &[TransferId]) {
        if !ids.is_empty() {
            self.transfers.update_value(|transfers| transfers.retain(|id, _| !ids.contains(id)));
            self.arrange();
        }
    }

    /// Sorts again after the list of transfers changed.
    fn arrange(self) {
        let mut all: Vec<_> = self.transfers.with_value(|transfers| {
            let place = |kept: &Kept| {
                kept.view
                    .with_untracked(|view| (view.added_ms, view.id.clone(), (view.server.clone(), view.path.clone())))
            };
            transfers.values().map(place).collect()
        });
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let files = all.iter().rev().map(|(_, id, file)| (file.clone(), id.clone())).collect();
        self.files.set_value(files);
        self.order.set(all.into_iter().map(|(_, id, _)| id).collect());
    }
}
