//! The file `about` in a transfer's sandbox folder describes the transfer. The catalogue writes it when it adds the
//! transfer. The catalogue can rebuild the list of transfers from these files.

use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use wstp_client::store::BlockFile;
use wstp_messages::{TransferId, TransferKind};
use wstp_records::Foreign;

use super::item::Item;
use super::record::FORMAT;
use crate::opfs::Folder;
use crate::opfs::failed;

/// The name of the file.
pub const ABOUT: &str = "about";

/// The description of a transfer, as it was when it was added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    server: String,
    kind: TransferKind,
    path: String,
    size: u64,
    modified_ms: Option<i64>,
    added_ms: f64,
}

impl About {
    /// Describes this transfer.
    pub fn of(item: &Item) -> Self {
        let Item { server, kind, path, size, modified_ms, added_ms, .. } = item.clone();
        Self { server, kind, path, size, modified_ms, added_ms }
    }

    /// As it stands in the file.
    pub fn encode(&self) -> Vec<u8> {
        FORMAT.begin(0, self)
    }

    /// Reads it back; `None` from a file that is torn.
    ///
    /// # Errors
    ///
    /// When another version of the extension wrote it.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, Foreign> {
        let Some(mut reader) = FORMAT.open(bytes)? else { return Ok(None) };
        reader.next_record()
    }

    /// The transfer, with nothing known of what is there.
    pub fn item(self, id: TransferId) -> Item {
        let Self { server, kind, path, size, modified_ms, added_ms } = self;
        Item { kind, modified_ms, ..Item::new(id, server, path, size, added_ms) }
    }
}

/// Writes down what a transfer is.
///
/// # Errors
///
/// The error that the browser returns.
pub async fn describe(item: &Item) -> Result<(), JsValue> {
    let file = Folder::open(&["transfers", &item.id.0]).await?.file(ABOUT).await?;
    file.overwrite(&About::of(item).encode()).map_err(failed)
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_comes_back_and_another_version_is_not_taken_for_damage() {
        let id = TransferId("00".repeat(16));
        let item = Item::folder(id.clone(), "ws://host:3000/ws".into(), "a/b".into(), 7.0);
        let bytes = About::of(&item).encode();
        assert_eq!(About::read(&bytes).unwrap().unwrap().item(id), item);
        assert_eq!(About::read(&bytes[..bytes.len() - 1]), Ok(None));
        let mut newer = bytes;
        newer[8] += 1;
        assert_eq!(About::read(&newer), Err(Foreign));
    }
}
