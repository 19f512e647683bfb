//! The hold on a running server: its settings, and its sessions.

use std::sync::{Arc, PoisonError, RwLock};

use wstp_protocol::SharePath;

use crate::access::Callers;
use crate::accounts::{Accounts, Book};
use crate::config::Config;
use crate::events::Events;
use crate::registry::Registry;

/// Given to [`run_store`](crate::run_store), and kept by whoever wants to look after the server meanwhile.
pub struct Control {
    config: RwLock<Arc<Config>>,
    callers: Callers,
    registry: Arc<Registry>,
    events: Events,
}

impl Control {
    /// The hold on a server that is to run with this configuration, without users.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::with_accounts(config, Arc::new(Book::in_memory(Accounts::default())))
    }

    /// The hold on a server that is to run with this configuration and these accounts.
    #[must_use]
    pub fn with_accounts(config: Config, book: Arc<Book>) -> Self {
        let callers = Callers::new(config.per_caller, book, config.public());
        let registry = Arc::<Registry>::default();
        registry.bandwidth().follow(&config);
        Self { config: RwLock::new(Arc::new(config)), callers, registry, events: Events::default() }
    }

    /// The same, with events that are kept elsewhere than in memory.
    #[must_use]
    pub fn with_events(self, events: Events) -> Self {
        Self { events, ..self }
    }

    /// The configuration as it is now.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the configuration. New connections and requests follow it. Sessions that read a share that is no longer
    /// the same one end. The cache, the number of places, the grace and the lingering stay those of the start.
    pub fn replace(&self, config: Config) {
        self.callers.set_common(config.per_caller);
        self.callers.set_public(config.public());
        self.registry.bandwidth().follow(&config);
        let config = Arc::new(config);
        let before =
            std::mem::replace(&mut *self.config.write().unwrap_or_else(PoisonError::into_inner), config.clone());
        for share in before.shares.iter().filter(|share| !config.shares.contains(share)) {
            let name = share.name.as_deref().unwrap_or_default();
            self.registry.end_reading(&SharePath::parse(name).unwrap_or_default());
        }
        self.registry.review(&self.callers);
    }

    /// Ends the sessions of callers whose rights changed. Called about once a second. Blocking: it may read the
    /// accounts again.
    pub fn review(&self) {
        match self.callers.book().refresh() {
            Ok(true) => tracing::info!("the users and tokens were read again"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the changed users and tokens are not used: those before stay"),
        }
        self.registry.review(&self.callers);
    }

    /// Everybody who may call.
    #[must_use]
    pub fn callers(&self) -> &Callers {
        &self.callers
    }

    /// Who is connected.
    #[must_use]
    pub fn sessions(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The events.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }
}
