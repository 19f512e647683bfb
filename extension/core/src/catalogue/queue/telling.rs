//! Messages to the views and the user.

use wstp_messages::{Event, Inner, Notify, ServerView, Snapshot, TransferId, TransferView};
use wstp_words::{Arg, Phrase, phrase};

use super::super::item::Item;
use super::super::view;
use super::Queue;
use crate::words::waiting_problem;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News {
    pub(super) servers: bool,
    pub(super) settings: bool,
    pub(super) notice: bool,
    pub(super) logins: bool,
    pub(super) history: bool,
}

impl Queue {
    /// Whether there is something to tell the views.
    pub fn has_events(&self) -> bool {
        let News { servers, settings, notice, logins, history } = self.news;
        !self.changed.is_empty() || !self.removed.is_empty() || servers || settings || notice || logins || history
    }

    /// Whether some of it is not only how far a transfer is: what a command did, how a transfer ended.
    pub fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    /// The messages to the views: everything that changed since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.is_urgent = false;
        let changed = std::mem::take(&mut self.changed);
        let views: Vec<_> = changed.iter().filter_map(|id| self.model.item(id)).map(|item| self.view(item)).collect();
        if !views.is_empty() {
            events.push(Event::Transfers(views));
        }
        if !self.removed.is_empty() {
            events.push(Event::Removed(std::mem::take(&mut self.removed)));
        }
        if std::mem::take(&mut self.news.servers) {
            events.push(Event::Servers(self.servers()));
        }
        if std::mem::take(&mut self.news.logins) {
            events.push(Event::Logins(self.login_views()));
        }
        if std::mem::take(&mut self.news.settings) {
            events.push(Event::Settings(self.model.settings()));
        }
        if std::mem::take(&mut self.news.history) {
            events.push(Event::History);
        }
        if std::mem::take(&mut self.news.notice) {
            events.push(Event::Notice(self.model.notice().cloned()));
        }
        events
    }

    /// One notice for all that became complete, when nothing is left to do.
    pub(super) fn tell_finished(&mut self) {
        if self.told_active.0 > 0 || self.finished.is_empty() {
            return;
        }
        let finished = std::mem::take(&mut self.finished);
        let Some(last) = finished.last().filter(|_| self.model.settings().notify == Notify::All) else { return };
        match finished.len() {
            1 => self.tell(phrase!(download_complete), last),
            count => self.say(Inner::Notify {
                transfer: last.clone(),
                title: phrase!(downloads_complete),
                text: phrase!(downloads_ready, Arg::Count(count as u64)),
            }),
        }
    }

    /// Notifies the user of one transfer, unless the user wants no notifications.
    pub(super) fn tell(&mut self, title: Phrase, id: &TransferId) {
        let item = self.model.item(id).filter(|_| self.model.settings().notify != Notify::Never);
        if let Some(item) = item {
            let text = phrase!(text, &view::name(item));
            self.say(Inner::Notify { transfer: id.clone(), title, text });
        }
    }

    /// The servers by the names they have now, whatever they were called when they were remembered.
    fn servers(&self) -> Vec<ServerView> {
        let named = |server: &ServerView| ServerView { label: view::label(&server.address), ..server.clone() };
        self.model.servers().iter().map(named).collect()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            servers: self.servers(),
            logins: self.login_views(),
            transfers: self.model.items().map(|item| self.view(item)).collect(),
            settings: self.model.settings(),
            notice: self.model.notice().cloned(),
        }
    }

    fn view(&self, item: &Item) -> TransferView {
        let worker = self.workers.get(&item.id);
        let mut view = view::transfer(
            item,
            worker.is_some_and(|worker| !worker.is_stopping),
            worker.and_then(|worker| worker.said.as_deref()),
            self.place(&item.id),
        );
        view.order = self.model.order(&item.id);
        view.lacks = self.lacking.get(&item.id).copied();
        view.missing = self.missing.get(&item.id).copied().unwrap_or_default();
        view.beside = self.model.beside(&item.id);
        if let Some(problem) = self.awaiting_login.get(&item.id).filter(|_| item.wants_worker()) {
            (view.needs_login, view.problem) = (true, Some(problem.clone()));
        }
        if let Some(pending) = self.pending_saves.get(&item.id) {
            if let Some((reason, files)) = pending.waits().filter(|_| item.is_saving()) {
                view.problem = Some(waiting_problem(reason, view.folder.map(|_| files)));
            }
            if let Some(folder) = &mut view.folder {
                folder.saved += pending.unwritten();
            }
        }
        self.explain_recheck(item, &mut view);
        view
    }
}
