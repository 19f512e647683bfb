//! When there is a connection: opening it, losing it, waiting before the next try, keeping it alive, giving it back.

use std::time::Duration;

use wstp_protocol::{ClientMessage, Ping, features};

use super::link::{Ask, Link, Stage};
use super::output::TreeOutput;
use super::{TreeProblem, TreeTransfer};
use crate::session::Session;
use crate::{ConnectionId, Problem};

/// Lies and bad files, not yet forgiven, after which the server is given up.
const MOST_STRIKES: u32 = 8;
/// The same while it has not answered anything yet: it may not speak WSTP at all.
const MOST_STRIKES_UNKNOWN: u32 = 4;
/// Good answers for which one strike is forgiven: a line that flips a bit now and then is not a liar.
const ANSWERS_PER_PARDON: u32 = 16;

impl TreeTransfer {
    /// Opens a connection where one is of use and allowed.
    pub(super) fn connect(&mut self) {
        if self.link.is_some() || !self.needs_link() || self.retry_at.is_some_and(|at| at > self.now) {
            return;
        }
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        self.link = Some(Link::new(connection, self.now, self.stalls));
        self.outputs.push_back(TreeOutput::Connect { connection });
    }

    /// Whether there is anything to say to the server.
    pub(super) fn needs_link(&self) -> bool {
        let under_way = self.link.as_ref().is_some_and(|link| link.session.under_way() > 0);
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
        let now = self.now;
        let connecting = |link: &&mut Link| link.id == id && link.stage == Stage::Connecting;
        let Some(link) = self.link.as_mut().filter(connecting) else { return };
        link.stage = Stage::Greeting;
        link.silence.broken(now);
        let credential = self.config.credential.as_ref();
        let hello = Session::<Ask>::hello(&self.config.agent, credential, features::BUNDLES | features::LINKS);
        self.send(hello);
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
        self.strikes += 1;
        if self.strikes >= if self.is_known { MOST_STRIKES } else { MOST_STRIKES_UNKNOWN } {
            self.fail(TreeProblem::Source(problem));
        }
    }

    /// The server gave a good answer.
    pub(super) fn proved(&mut self) {
        self.is_known = true;
        self.problem = None;
        self.retry_at = None;
        self.backoff.reset();
        self.merit += 1;
        if self.merit == ANSWERS_PER_PARDON {
            self.merit = 0;
            self.strikes = self.strikes.saturating_sub(1);
        }
    }

    /// The user wants the server tried now, whatever it did before.
    pub(super) fn pardon(&mut self) {
        self.strikes = 0;
        self.retry_at = None;
        self.stalls.forget();
        self.backoff.reset();
    }

    fn server_failed(&mut self, problem: Problem, wait: Option<Duration>) {
        self.problem = Some(TreeProblem::Source(problem));
        let retry_at = self.now + self.backoff.next_delay(&mut self.jitter);
        self.retry_at = wait.map_or(retry_at, |wait| retry_at.max(self.now + wait)).into();
    }

    /// Closes the connection, if there is one.
    pub(super) fn disconnect(&mut self) {
        if let Some(connection) = self.forget_link() {
            self.outputs.push_back(TreeOutput::Disconnect { connection });
        }
    }

    fn forget_link(&mut self) -> Option<ConnectionId> {
        let link = self.link.take()?;
        let asks: Vec<_> = link.session.into_requests().collect();
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

    /// Closes a connection that is silent for too long, and says something on one that is about to be closed for silence.
    pub(super) fn expire_link(&mut self) {
        let Some(link) = &mut self.link else { return };
        if link.stalled_at().is_some_and(|at| at <= self.now) {
            self.stalls.add();
            return self.drop_link(Problem::Stalled, None);
        }
        if link.ping_at().is_some_and(|at| at <= self.now) {
            link.ping_sent = Some(self.now);
            let nonce = link.id.0;
            self.send(ClientMessage::Ping(Ping { nonce }));
        }
    }
}
