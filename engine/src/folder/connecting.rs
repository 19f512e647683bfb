//! When there is a connection: opening it, losing it, waiting before the next try, keeping it alive, giving it back.

use std::time::Duration;

use wstp_protocol::features;

use super::connection::{Ask, Connection};
use super::output::FolderOutput;
use super::{FolderProblem, FolderTransfer};
use crate::peer::{Due, Peer};
use crate::{ConnectionId, Problem};

/// The features that a folder uses.
const FEATURES: u64 = features::BUNDLES | features::LINKS | features::COMPRESSED | features::EARLY;

impl FolderTransfer {
    /// Opens a connection where one is of use and allowed.
    pub(super) fn connect(&mut self) {
        if self.connection.is_some() || !self.needs_connection() || self.conduct.retry_at(self.now).is_some() {
            return;
        }
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let (agent, credential) = (&self.config.agent, self.config.credential.as_ref());
        let peer = Peer::new(self.now, agent, credential, FEATURES, self.conduct.patience());
        self.connection = Some(Connection::new(connection, peer));
        self.outputs.push_back(FolderOutput::Connect { connection });
    }

    /// Whether there is anything to say to the server.
    pub(super) fn needs_connection(&self) -> bool {
        let under_way = self.connection.as_ref().is_some_and(|open| open.peer.under_way() > 0);
        under_way || !self.to_list.is_empty() || !self.small.is_empty()
    }

    /// Gives a connection back that nothing is to be asked on any more.
    pub(super) fn release_connection(&mut self) {
        if self.connection.is_some() && !self.needs_connection() && self.looking.is_empty() {
            self.disconnect();
        }
    }

    /// The caller opened the connection: says hello.
    pub(super) fn greet(&mut self, id: ConnectionId, takes_early: bool) {
        let takes_early = takes_early || self.conduct.takes_early();
        let open = self.connection.as_mut().filter(|open| open.id == id);
        if let Some(greeting) = open.and_then(|open| open.peer.handle_opened(self.now, takes_early)) {
            self.send(greeting);
        }
    }

    /// The caller says the connection is gone.
    pub(super) fn connection_closed(&mut self, id: ConnectionId) {
        if self.connection.as_ref().is_some_and(|open| open.id == id) {
            self.forget_connection();
            self.server_failed(Problem::Connection, None);
        }
    }

    /// Closes the connection because of a problem; the server is tried again later, no earlier than after `wait`.
    pub(super) fn drop_connection(&mut self, problem: Problem, wait: Option<Duration>) {
        self.disconnect();
        self.server_failed(problem, wait);
    }

    /// Closes the connection because the server lied or sent a wrong file; after several of these it is given up.
    pub(super) fn distrust(&mut self, problem: Problem) {
        self.drop_connection(problem.clone(), None);
        if self.conduct.strike(self.is_known) {
            self.fail(FolderProblem::Source(problem));
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
        self.problem = Some(FolderProblem::Source(problem));
        self.conduct.failed(self.now, is_stalled, wait.into(), &mut self.jitter);
    }

    /// Closes the connection, if there is one.
    pub(super) fn disconnect(&mut self) {
        if let Some(connection) = self.forget_connection() {
            self.outputs.push_back(FolderOutput::Disconnect { connection });
        }
    }

    fn forget_connection(&mut self) -> Option<ConnectionId> {
        let open = self.connection.take()?;
        let asks: Vec<_> = open.peer.into_requests().collect();
        // The oldest is to come first again.
        for (ask, _) in asks.into_iter().rev() {
            self.release(ask);
        }
        Some(open.id)
    }

    /// Lets a request be sent again.
    pub(super) fn release(&mut self, ask: Ask) {
        match ask {
            Ask::List { folder, .. } => self.to_list.push_front(folder),
            Ask::Bundle { files, .. } => self.ask_again(files.into()),
        }
    }

    /// Closes a connection that is silent for too long, and says something on one that is about to be closed for
    /// silence.
    pub(super) fn expire_connection(&mut self) {
        let Some(open) = &mut self.connection else { return };
        match open.peer.handle_timeout(self.now, open.awaited()) {
            Some(Due::Ping(ping)) => self.send(ping),
            Some(Due::Stalled) => self.drop_connection(Problem::Stalled, None),
            None => {}
        }
    }
}
