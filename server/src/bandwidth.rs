//! The bandwidth that the callers share: of the whole server, and of each share.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use wstp_protocol::SharePath;

use crate::access::Identity;
use crate::config::Config;
use crate::pace::SharedPace;

/// The limits, and who waits for them.
#[derive(Debug, Default)]
pub struct Bandwidth {
    whole: Arc<SharedPace>,
    /// Those that have a limit, by their names.
    shares: RwLock<HashMap<String, Arc<SharedPace>>>,
}

impl Bandwidth {
    /// Takes over the limits of a configuration, also for those that wait.
    pub fn follow(&self, config: &Config) {
        self.whole.set(config.rate);
        let mut shares = self.shares.write().unwrap_or_else(PoisonError::into_inner);
        // Those that wait for a limit that is gone are let go.
        shares.iter().for_each(|(name, pace)| pace.set(config.share_rates.get(name).copied()));
        shares.retain(|name, _| config.share_rates.contains_key(name));
        for (name, rate) in &config.share_rates {
            shares.entry(name.clone()).or_default().set(Some(*rate));
        }
    }

    /// Waits until a caller may send so many bytes of whatever it asked for.
    pub async fn take(&self, caller: &Identity, bytes: u64) {
        self.whole.take(caller, bytes).await;
    }

    /// Waits until a caller may send so many bytes of what is at a path.
    pub async fn take_of_share(&self, caller: &Identity, path: &SharePath, bytes: u64) {
        let pace = {
            let shares = self.shares.read().unwrap_or_else(PoisonError::into_inner);
            path.names().next().and_then(|name| shares.get(name)).cloned()
        };
        if let Some(pace) = pace {
            pace.take(caller, bytes).await;
        }
    }
}
