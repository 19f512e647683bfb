//! Logins, and the transfers that wait for one. Such a transfer has no worker and asks nothing. It goes on by itself
//! once the user has logged in.

use wstp_messages::{CommandId, Credential, Login, LoginView, Problem, Reply, SourceTask, TransferId};
use wstp_words::phrase;

use super::super::item::Item;
use super::super::logins::Logins;
use super::super::view::label;
use super::{Effect, Inner, Queue};
use crate::words::login_problem;

impl Queue {
    /// These logins were kept, as far as is known. Until this is called no transfer begins: a server might refuse it
    /// for lack of a token that is there.
    pub fn handle_kept_logins(&mut self, logins: Vec<Login>) {
        let logins = Logins::new(logins);
        let before = self.logins.replace(logins.clone()).unwrap_or_default();
        for address in logins.all().into_iter().map(|login| login.view.address) {
            if before.at(&address) != logins.at(&address) {
                self.go_on_at(&address);
            }
        }
        self.use_logins();
        self.schedule();
    }

    /// Nobody says which logins were kept. Transfers begin without.
    pub fn handle_no_logins_yet(&mut self) {
        if self.logins.is_none() {
            self.logins = Some(Logins::default());
            self.schedule();
        }
    }

    /// The user logged in.
    pub fn handle_logged_in(&mut self, id: CommandId, login: Login) {
        let address = login.view.address.clone();
        self.logins.get_or_insert_default().add(login);
        self.keep_logins();
        self.go_on_at(&address);
        self.remember(id.clone(), Reply::Done);
        self.reply(id, Ok(Reply::Done));
        self.schedule();
    }

    /// A server says who the user is there by this token.
    pub fn handle_identity(&mut self, token: &Credential, view: LoginView) {
        let Some(logins) = &mut self.logins else { return };
        let is_news = |login: &&Login| login.token == *token && login.view != view;
        let Some(login) = logins.at(&view.address).filter(is_news) else { return };
        let login = Login { view, ..login.clone() };
        logins.add(login);
        self.keep_logins();
    }

    /// A server does not know the token any more, or the user logs out there. Its transfers wait for the next login.
    pub fn forget_login(&mut self, address: &str) -> Option<Login> {
        let login = self.logins.as_mut()?.remove(address)?;
        self.keep_logins();
        let of_server = |item: &&Item| item.server == address && item.wants_worker();
        let waiting: Vec<_> = self.model.items().filter(of_server).map(|item| item.id.clone()).collect();
        for id in waiting {
            self.wait_for_login(&id, login_problem(&label(address), true));
        }
        self.schedule();
        Some(login)
    }

    /// A transfer's first server refused its worker, which has ended. `sources` are those that the worker had.
    pub(super) fn refused(&mut self, id: &TransferId, sources: &[SourceTask], problem: Problem) {
        let Some(item) = self.model.item(id).filter(|item| item.wants_worker()) else { return };
        let (server, first) = (item.server.clone(), SourceTask::origin(item.server.clone(), String::new()));
        let used = sources.first().and_then(|source| source.credential.clone());
        let has = self.logins.as_ref().and_then(|logins| logins.credential(&first));
        // The user logged in meanwhile.
        if used != has {
            return;
        }
        self.wait_for_login(id, problem);
        if has.is_some() {
            self.forget_login(&server);
        }
    }

    fn wait_for_login(&mut self, id: &TransferId, problem: Problem) {
        if self.awaiting_login.is_empty() {
            self.tell(phrase!(download_needs_login), id);
        }
        self.awaiting_login.insert(id.clone(), problem);
        self.changed.insert(id.clone());
        self.is_urgent = true;
        self.stop(id);
    }

    /// There is another token for a server: transfers that wait for it go on, and those that run begin anew with it.
    fn go_on_at(&mut self, address: &str) {
        let waiting = |id: &&TransferId| self.model.item(id).is_none_or(|item| item.server == address);
        let free: Vec<_> = self.awaiting_login.keys().filter(waiting).cloned().collect();
        for id in free {
            self.awaiting_login.remove(&id);
            self.changed.insert(id);
        }
        let differ = |item: &&Item| {
            let told = self.workers.get(&item.id).and_then(|worker| worker.terms.as_ref());
            let credentials = |sources: &[SourceTask]| -> Vec<_> {
                sources.iter().map(|source| (source.id, source.credential.clone())).collect()
            };
            told.is_some_and(|told| credentials(&told.sources) != credentials(&self.sources(item)))
        };
        let anew: Vec<_> = self.model.items().filter(differ).map(|item| item.id.clone()).collect();
        for id in anew {
            self.stop(&id);
        }
    }

    /// A transfer's sources, each with the token for it.
    pub(super) fn sources(&self, item: &Item) -> Vec<SourceTask> {
        let mut sources = item.sources();
        for source in &mut sources {
            source.credential = self.logins.as_ref().and_then(|logins| logins.credential(source));
        }
        sources
    }

    /// The login at a server.
    pub fn login(&self, address: &str) -> Option<&Login> {
        self.logins.as_ref()?.at(address)
    }

    fn keep_logins(&mut self) {
        let logins = self.logins.as_ref().map(Logins::all).unwrap_or_default();
        self.say(Inner::KeepLogins(logins));
        self.use_logins();
    }

    fn use_logins(&mut self) {
        self.news.logins = true;
        self.is_urgent = true;
        self.effects.push_back(Effect::UseLogins(self.logins.clone().unwrap_or_default()));
    }

    pub(super) fn login_views(&self) -> Vec<LoginView> {
        self.logins.as_ref().map(Logins::views).unwrap_or_default()
    }
}
