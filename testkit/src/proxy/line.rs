//! The messages of one connection on their way through the proxy: which file they are of, and which of them suffers a
//! fault.
//!
//! Only connections on which a file was opened suffer: looking through folders is not what is tried here.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use wstp_engine::RangeSet;
use wstp_protocol::{ClientMessage, ServerMessage};

use super::account::{Account, Sums};
use super::fault::{Fault, Step};
use crate::Random;

/// A fault comes to one of so many of the next messages.
const NEXT_MESSAGES: u64 = 24;

/// The known facts about all connections.
#[derive(Debug)]
pub(super) struct Lines {
    state: Mutex<State>,
    spoil: Option<Spoil>,
}

/// The fate of each message of the server.
struct Spoil(Box<dyn Fn(ServerMessage) -> ServerMessage + Send + Sync>);

impl fmt::Debug for Spoil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spoil")
    }
}

#[derive(Debug)]
struct State {
    random: Random,
    /// The next fault, and how many messages before it still pass unharmed.
    faults: VecDeque<(Fault, u64)>,
    /// The faults that happened.
    struck: Vec<Fault>,
    account: Account,
    connections: u64,
}

impl Lines {
    pub(super) fn new(seed: u64) -> Self {
        let random = Random::new(seed);
        let state =
            State { random, faults: VecDeque::new(), struck: Vec::new(), account: Account::default(), connections: 0 };
        Self { state: Mutex::new(state), spoil: None }
    }

    pub(super) fn spoiling(spoil: impl Fn(ServerMessage) -> ServerMessage + Send + Sync + 'static) -> Self {
        Self { spoil: Some(Spoil(Box::new(spoil))), ..Self::new(0) }
    }

    pub(super) fn fault(&self, fault: Fault) {
        let mut state = self.state();
        let after = state.random.below(NEXT_MESSAGES);
        state.faults.push_back((fault, after));
    }

    pub(super) fn faithful(&self) {
        self.state().faults.clear();
    }

    pub(super) fn struck(&self) -> Vec<Fault> {
        self.state().struck.clone()
    }

    pub(super) fn killed(&self) {
        self.state().account.killed(Instant::now());
    }

    pub(super) fn passed_of(&self, path: &str) -> RangeSet {
        self.state().account.passed_of(path)
    }

    pub(super) fn harmed(&self, path: &str, blocks: Range<u64>) {
        self.state().account.harmed(path, blocks);
    }

    pub(super) fn sums(&self) -> Sums {
        self.state().account.sums()
    }

    /// A new connection.
    pub(super) fn line(&self) -> Line<'_> {
        let mut state = self.state();
        state.connections += 1;
        Line { lines: self, number: state.connections, path: OnceLock::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Line<'a> {
    lines: &'a Lines,
    number: u64,
    /// The file that was opened on it: on one connection it is always the same.
    path: OnceLock<String>,
}

impl Line<'_> {
    /// The client sends a message.
    pub(super) fn asked(&self, message: &[u8]) {
        if let Ok(ClientMessage::Open(open)) = ClientMessage::decode(message) {
            let _ = self.path.set(open.path.as_str().to_owned());
        }
    }

    /// The server sends a message: what is to be done in place of passing it on.
    pub(super) fn answered(&self, message: Vec<u8>) -> Vec<Step> {
        let message = match &self.lines.spoil {
            Some(Spoil(spoil)) => match ServerMessage::decode(Bytes::from(message.clone())) {
                Ok(said) => spoil(said).encode(),
                Err(_) => message,
            },
            None => message,
        };
        if self.path.get().is_none() {
            return vec![Step::Pass(message)];
        }
        let mut state = self.lines.state();
        let fault = match state.faults.front_mut() {
            Some((_, 0)) => state.faults.pop_front(),
            Some((_, after)) => {
                *after -= 1;
                None
            }
            None => None,
        };
        let Some((fault, _)) = fault else { return vec![Step::Pass(message)] };
        state.struck.push(fault);
        if fault.spoils() {
            state.account.spoiled(self.number, Instant::now());
        }
        fault.happen(message, &mut state.random)
    }

    /// A message passed, whole and unchanged.
    pub(super) fn passed(&self, message: Vec<u8>) {
        let Some(path) = self.path.get() else { return };
        if let Ok(ServerMessage::Blocks(reply)) = ServerMessage::decode(Bytes::from(message)) {
            let blocks = reply.run.first..reply.run.end();
            self.lines.state().account.passed(path, self.number, blocks, Instant::now());
        }
    }

    /// The proxy or the server ends the connection.
    pub(super) fn broken(&self) {
        if let Some(path) = self.path.get() {
            self.lines.state().account.broken(path, self.number, Instant::now());
        }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.lines.state().account.ended(self.number);
    }
}
