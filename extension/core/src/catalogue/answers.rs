//! Commands whose answer comes from a server or from the sandbox, some time later.

use std::rc::Rc;
use std::time::Duration;

use gloo_timers::future::sleep;
use wasm_bindgen_futures::spawn_local;
use wstp_messages::{
    Command, CommandId, Credential, Inner, Login, MAX_FILES, Message, Need, Problem, Reply, SaveOutcome, TransferId,
};
use wstp_words::phrase;

use super::browse::Unanswered;
use super::queue::gone;
use super::view::save_path;
use super::{Catalogue, address, login};
use crate::placed::last_name;
use crate::words::problem;

/// How often and how long it is looked whether the kept logins are here.
const LOGINS_LOOK: Duration = Duration::from_millis(50);
const LOGINS_LOOKS: u32 = 60;

impl Catalogue {
    /// A view asks again every second until it is answered; the server is asked once.
    pub(super) fn browse(self: &Rc<Self>, id: CommandId, command: Command) {
        if !self.browsing.borrow_mut().insert(id.clone()) {
            return;
        }
        let catalogue = self.clone();
        spawn_local(async move {
            let result = match command {
                Command::Connect { address } => {
                    catalogue.logins_are_known().await;
                    match catalogue.browser.connect(&address).await {
                        Ok((server, spot)) => {
                            catalogue.look_who(&server.address);
                            catalogue.queue.borrow_mut().handle_connected(id.clone(), server, spot);
                            None
                        }
                        Err(reason) => Some(catalogue.unanswered(reason)),
                    }
                }
                Command::List { address, path, cursor } => {
                    catalogue.logins_are_known().await;
                    let listed = catalogue.browser.list(&address, path, cursor).await;
                    Some(listed.or_else(|reason| catalogue.unanswered(reason)))
                }
                Command::Search { address, path, words, cursor } => {
                    catalogue.logins_are_known().await;
                    let found = catalogue.browser.search(&address, path, words, cursor).await;
                    Some(found.or_else(|reason| catalogue.unanswered(reason)))
                }
                Command::LogIn { address, user, secret } => {
                    match catalogue.log_in(&address, user.as_deref(), &secret).await {
                        Ok(login) => {
                            catalogue.queue.borrow_mut().handle_logged_in(id.clone(), login);
                            None
                        }
                        Err(problem) => Some(Err(problem)),
                    }
                }
                Command::LogOut { address } => Some(catalogue.log_out(&address).await),
                Command::Files { transfer, only_problems, from, limit } => {
                    Some(catalogue.list_files(&transfer, only_problems, from, limit).await)
                }
                Command::Tasks { transfer, from, is_checked } => {
                    Some(catalogue.list_tasks(&transfer, from, is_checked).await)
                }
                _ => None,
            };
            catalogue.browsing.borrow_mut().remove(&id);
            if let Some(result) = result {
                catalogue.queue.borrow_mut().reply(id, result);
            }
            catalogue.perform();
        });
    }

    /// Asks again once a second. Nobody waits longer than that for the first answer: a download that begins without its
    /// token is begun again with it.
    pub(super) fn ask_for_logins(&self) {
        if !self.asks_logins.get() {
            return;
        }
        self.queue.borrow_mut().handle_no_logins_yet();
        self.say(Message::Inner(Inner::AskLogins));
    }

    /// Waits until the kept logins are here, but not for long.
    async fn logins_are_known(&self) {
        for _ in 0..LOGINS_LOOKS {
            if !self.asks_logins.get() {
                return;
            }
            sleep(LOGINS_LOOK).await;
        }
    }

    /// The reply without an answer. A server that does not know the user's token any more gets it no more.
    fn unanswered(&self, reason: Unanswered) -> Result<Reply, Problem> {
        let Unanswered { problem, needs } = reason;
        let Some((server, need)) = needs.map(|needs| *needs) else { return Err(problem) };
        if need == Need::Login {
            self.queue.borrow_mut().forget_login(&server.address);
        }
        Ok(Reply::Barred { server, need, problem })
    }

    async fn log_in(&self, address: &str, user: Option<&str>, secret: &Credential) -> Result<Login, Problem> {
        self.logins_are_known().await;
        if self.asks_logins.get() {
            return Err(problem(phrase!(logins_unreadable), phrase!(try_in_a_moment)));
        }
        login::log_in(&address::parse(address)?, user, secret).await
    }

    async fn log_out(&self, address: &str) -> Result<Reply, Problem> {
        self.logins_are_known().await;
        let forgotten = self.queue.borrow_mut().forget_login(address);
        if let Some(Login { token, is_brought: false, .. }) = forgotten {
            login::revoke(&address::parse(address)?, &token).await?;
        }
        Ok(Reply::Done)
    }

    /// Finds out who the user is at a server now: a role may have changed.
    fn look_who(self: &Rc<Self>, address: &str) {
        let token = self.queue.borrow().login(address).map(|login| login.token.clone());
        let (Some(token), Ok(address)) = (token, address::parse(address)) else { return };
        let catalogue = self.clone();
        spawn_local(async move {
            if let Some(view) = login::who(&address, &token).await {
                catalogue.queue.borrow_mut().handle_identity(&token, view);
                catalogue.perform();
            }
        });
    }

    async fn list_files(
        &self,
        transfer: &TransferId,
        only_problems: bool,
        from: u64,
        limit: u32,
    ) -> Result<Reply, Problem> {
        let item = self.queue.borrow().model().item(transfer).cloned().ok_or_else(gone)?;
        let contents = self.library.contents(&item).await?;
        Ok(contents.page(&item.saved, only_problems, from, limit.min(MAX_FILES)))
    }

    async fn list_tasks(&self, transfer: &TransferId, from: u32, is_checked: bool) -> Result<Reply, Problem> {
        // The others follow at once.
        if from == 0 && !self.queue.borrow_mut().verify_first(transfer, is_checked)? {
            return Ok(Reply::Checking);
        }
        let (item, begun_as) = {
            let queue = self.queue.borrow();
            let begun_as = queue.model().picked(transfer).map(str::to_owned);
            (queue.model().item(transfer).cloned().ok_or_else(gone)?, begun_as)
        };
        let (tasks, next) = match self.library.tasks(&item, from).await {
            Ok(tasks) => tasks,
            Err(SaveOutcome::Failed { problem }) => return Err(problem),
            Err(_) => return Ok(Reply::Stale),
        };
        let name = last_name(&save_path(&item)).to_owned();
        Ok(Reply::Tasks { tasks, next, name, begun_as })
    }
}
