//! When there is a connection: opening it, losing it, waiting before the next try, keeping it alive, giving it back.

use std::time::Duration;

use wstp_protocol::features;

use super::link::{Ask, Link};
use super::output::TreeOutput;
use super::{TreeProblem, TreeTransfer};
use crate::peer::{Due, Peer};
use crate::{ConnectionId, Problem};

impl TreeTransfer {
    /// Opens a connection where one is of use and allowed.
    pub(super) fn connect(&mut self) {
        if self.link.is_some() || !self.needs_link() || self.conduct.retry_at(self.now).is_some() {
            return;
        }
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let (credential, wanted) = (self.config.credential.as_ref(), features::BUNDLES | features::LINKS);
        let peer = Peer::new(self.now, &self.config.agent, credential, wanted, self.conduct.patience());
        self.link = Some(Link::new(connection, peer));
        self.outputs.push_back(TreeOutput::Connect { connection });
    }

    /// Whether there is anything to say to the server.
    pub(super) fn needs_link(&self) -> bool {
        let under_way = self.link.as_ref().is_some_and(|link| link.peer.under_way() > 0);
        under_way || !self.to_list.is_empty() || !self.small.is_empty()
    }

    /// Gives a connection back that nothing is to be asked on any more.
    pub(super) fn release_link(&mut self) {
        if self.link.is_some() && !self.needs_link() && self.looking.is_empty() {
            self.disconnect();
        }
    }

    /// The caller opened the connection: says hello.
    pub(super) fn greet(&mut self, id: ConnectionId) {
        let link = self.link.as_mut().filter(|link| link.id == id);
        if let Some(greeting) = link.and_then(|link| link.peer.handle_opened(self.now)) {
            self.send(greeting);
        }
    }

    /// The caller says the connection is gone.
    pub(super) fn connection_closed(&mut self, id: ConnectionId) {
        if self.link.as_ref().is_some_and(|link| link.id == id) {
            self.forget_link();
            self.server_failed(Problem::Connection, None);
        }
    }

    /// Closes the connection because of a problem; the server is tried again later, no earlier than after `wait`.
    pub(super) fn drop_link(&mut self, problem: Problem, wait: Option<Duration>) {
        self.disconnect();
        self.server_failed(problem, wait);
    }

    /// Closes the connection because the server lied or sent a wrong file; after several of these it is given up.
    pub(super) fn distrust(&mut self, problem: Problem) {
        self.drop_link(problem.clone(), None);
        if self.conduct.strike(self.is_known) {
            self.fail(TreeProblem::Source(problem));
        }
    }

    /// The server gave a good answer.
    pub(super) fn proved(&mut self) {
        self.is_known = true;
        self.problem = None;
        self.conduct.answered();
        self.conduct.proved(1);
    }

    fn server_failed(&mut self, problem: Problem, wait: Option<Duration>) {
        let is_stalled = problem == Problem::Stalled;
        self.problem = Some(TreeProblem::Source(problem));
        self.conduct.failed(self.now, is_stalled, wait.into(), &mut self.jitter);
    }

    /// Closes the connection, if there is one.
    pub(super) fn disconnect(&mut self) {
        if let Some(connection) = self.forget_link() {
            self.outputs.push_back(TreeOutput::Disconnect { connection });
        }
    }

    fn forget_link(&mut self) -> Option<ConnectionId> {
        let link = self.link.take()?;
        let asks: Vec<_> = link.peer.into_requests().collect();
        // The oldest is to come first again.
        for (ask, _) in asks.into_iter().rev() {
            self.release(ask);
        }
        Some(link.id)
    }

    /// What was asked for may be asked for again.
    pub(super) fn release(&mut self, ask: Ask) {
        match ask {
            Ask::List { folder, .. } => self.to_list.push_front(folder),
            Ask::Bundle { files, .. } => self.ask_again(files.into()),
        }
    }

    /// Closes a connection that is silent for too long, and says something on one that is about to be closed for
    /// silence.
    pub(super) fn expire_link(&mut self) {
        let Some(link) = &mut self.link else { return };
        match link.peer.handle_timeout(self.now, link.awaited()) {
            Some(Due::Ping(ping)) => self.send(ping),
            Some(Due::Stalled) => self.drop_link(Problem::Stalled, None),
            None => {}
        }
    }
}
