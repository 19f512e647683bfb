//! The faults, and their order.

use std::fmt;

use super::harm::Harm;
use wstp_testkit::{Fault, Random};

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blow {
    /// The browser is killed and started again with the same profile.
    Browser,
    /// All processes of the extension are killed. Chromium then switches it off, so the browser is closed and started
    /// again.
    Extension,
    /// The server is killed and started again on the same port.
    Server,
    /// The worker of a transfer ends at once.
    TransferWorker,
    /// The catalogue worker ends at once.
    Catalogue,
    /// The offscreen document closes, and all workers end with it.
    Offscreen,
    /// The service worker is stopped.
    ServiceWorker,
    /// Every connection is reset.
    Connections,
    /// One message of the server is damaged.
    Message(Fault),
    /// The browser is killed, stored bytes of a download are harmed, and the browser is started again.
    Stored(Harm),
}

impl Blow {
    fn all() -> Vec<Self> {
        let whole = [
            Self::Browser,
            Self::Extension,
            Self::Server,
            Self::TransferWorker,
            Self::Catalogue,
            Self::Offscreen,
            Self::ServiceWorker,
            Self::Connections,
        ];
        whole.into_iter().chain(Fault::ALL.map(Self::Message)).chain(Harm::ALL.map(Self::Stored)).collect()
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Browser => f.write_str("the browser is killed"),
            Self::Extension => f.write_str("the extension's process is killed"),
            Self::Server => f.write_str("the server is killed"),
            Self::TransferWorker => f.write_str("a transfer worker ends"),
            Self::Catalogue => f.write_str("the catalogue worker ends"),
            Self::Offscreen => f.write_str("the offscreen document closes"),
            Self::ServiceWorker => f.write_str("the service worker is stopped"),
            Self::Connections => f.write_str("every connection is reset"),
            Self::Message(fault) => fault.fmt(f),
            Self::Stored(harm) => harm.fmt(f),
        }
    }
}

/// Faults in a random order. Every kind comes once before any comes again.
#[derive(Debug, Default)]
pub(super) struct Deck(Vec<Blow>);

impl Deck {
    pub(super) fn draw(&mut self, random: &mut Random) -> Blow {
        if self.0.is_empty() {
            self.0 = Blow::all();
            random.shuffle(&mut self.0);
        }
        self.0.pop().expect("a new deck is not empty")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_once_before_any_comes_again() {
        let (mut deck, mut random) = (Deck::default(), Random::new(1));
        let mut drawn: Vec<_> = (0..Blow::all().len()).map(|_| deck.draw(&mut random)).collect();
        drawn.sort_by_key(|blow| Blow::all().iter().position(|other| other == blow));
        assert_eq!(drawn, Blow::all());
    }
}
