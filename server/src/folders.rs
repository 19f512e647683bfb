//! The shared folders of this machine, opened for the shares that the configuration names.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Share;
use crate::server::StartError;
use crate::store::{Bounds, Layout, LocalStore, Store};

/// Opens shared folders. One that stays shared keeps its store, and all stores have their bounds together.
#[derive(Default)]
pub struct Folders {
    bounds: Bounds,
    open: Mutex<HashMap<(PathBuf, bool), Arc<dyn Store>>>,
}

impl Folders {
    /// The layout of these shares. Blocking.
    ///
    /// # Errors
    /// When a folder that was not shared before can't be opened. The stores stay as they are then.
    pub fn layout(&self, shares: &[Share]) -> Result<Layout, StartError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stores = HashMap::new();
        for Share { path, hidden, .. } in shares.iter().filter(|share| share.on) {
            let key = (path.clone(), *hidden);
            let store = match open.get(&key) {
                Some(store) => store.clone(),
                None => Arc::new(
                    LocalStore::within(&self.bounds, path, *hidden)
                        .map_err(|source| StartError::Root { path: path.clone(), source })?,
                ),
            };
            stores.insert(key, store);
        }
        let of = |share: &Share| stores[&(share.path.clone(), share.hidden)].clone();
        let layout = match shares {
            [share @ Share { name: None, .. }] => Layout::Root(of(share)),
            shares => Layout::Named(
                shares
                    .iter()
                    .filter(|share| share.on)
                    .filter_map(|share| Some((share.name.clone()?, of(share))))
                    .collect(),
            ),
        };
        *open = stores;
        Ok(layout)
    }
}
