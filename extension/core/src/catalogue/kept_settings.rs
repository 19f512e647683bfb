//! The settings as a snapshot has them, in two parts. The first stands in the middle, so it can't grow. A journal of an older
//! build may end within the later one.

use serde::{Deserialize, Serialize};
use wstp_messages::{Notify, Settings};

/// The settings of the first journals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstSettings {
    active_transfers: u8,
    connections: u8,
    rate_limit: Option<u64>,
    save_when_complete: bool,
    free_after_save: bool,
}

/// All others. Each is `default` in a journal that ends before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaterSettings {
    #[serde(default)]
    notify: Notify,
    #[serde(default)]
    without_history: bool,
}

impl Default for FirstSettings {
    fn default() -> Self {
        parted(Settings::default()).0
    }
}

/// Both parts of the settings.
pub fn parted(settings: Settings) -> (FirstSettings, LaterSettings) {
    let Settings { active_transfers, connections, rate_limit, save_when_complete, free_after_save, .. } = settings;
    let Settings { notify, without_history, .. } = settings;
    let first = FirstSettings { active_transfers, connections, rate_limit, save_when_complete, free_after_save };
    (first, LaterSettings { notify, without_history })
}

/// The settings of both parts.
pub fn joined(first: FirstSettings, later: LaterSettings) -> Settings {
    let FirstSettings { active_transfers, connections, rate_limit, save_when_complete, free_after_save } = first;
    let LaterSettings { notify, without_history } = later;
    Settings { active_transfers, connections, rate_limit, save_when_complete, free_after_save, notify, without_history }
}
