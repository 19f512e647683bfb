//! The seal of a complete transfer: the stamps that its stored files had when every block in them was verified.
//!
//! The transfer's worker writes the seal as its last act. A stored file with another stamp was changed since then. It
//! is verified anew before it is saved. So is a file without a stamp: an older build sealed nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use wstp_client::store::BlockFile;
use wstp_messages::{Stamp, TransferId};

use crate::catalogue::record::FORMAT;
use crate::opfs::failed;
use crate::opfs::{Folder, bytes};

/// Its file in the transfer's folder.
const SEAL: &str = "seal";

/// The stamps of a transfer's stored files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The stamp of a file's data, or of a folder's pack.
    main: Stamp,
    /// The stamps of a folder's large files, by their numbers.
    large: BTreeMap<u32, Stamp>,
}

impl Seal {
    /// Makes a seal from these stamps.
    pub fn new(main: Stamp, large: BTreeMap<u32, Stamp>) -> Self {
        Self { main, large }
    }

    /// The stamp of the stored file that has a transfer's file number `file`, if it was sealed.
    pub fn stamp(&self, file: u32, is_large: bool) -> Option<Stamp> {
        if is_large { self.large.get(&file).copied() } else { Some(self.main) }
    }

    fn encode(&self) -> Vec<u8> {
        FORMAT.begin(0, self)
    }

    /// `None` from a file that is damaged or that another version wrote: it says nothing then.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = FORMAT.open(bytes).ok()??;
        reader.next_record().ok()?
    }

    /// Reads the seal of a transfer, if it has one that makes sense.
    pub async fn read(transfer: &TransferId) -> Option<Self> {
        let folder = Folder::find(&["transfers", &transfer.0]).await.ok()?;
        Self::decode(&bytes(&folder.snapshot(SEAL).await.ok()?).await.ok()?)
    }

    /// Writes the seal of a transfer. Its files must be closed.
    ///
    /// # Errors
    ///
    /// The error that storage returns.
    pub async fn write(&self, transfer: &TransferId) -> Result<(), JsValue> {
        let file = Folder::open(&["transfers", &transfer.0]).await?.file(SEAL).await?;
        file.overwrite(&self.encode()).map_err(failed)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn a_seal_comes_back_whole_or_not_at_all() {
        let stamp = |size| Stamp { size, modified_ms: 1_700_000_000_000 };
        let seal = Seal::new(stamp(1), BTreeMap::from([(7, stamp(2))]));
        let bytes = seal.encode();
        assert_eq!(Seal::decode(&bytes), Some(seal.clone()));
        assert_eq!(
            [seal.stamp(7, true), seal.stamp(8, true), seal.stamp(8, false)],
            [Some(stamp(2)), None, Some(stamp(1))]
        );
        for at in 0..bytes.len() {
            let mut garbled = bytes.clone();
            garbled[at] ^= 1;
            assert!(Seal::decode(&garbled).is_none_or(|read| read == seal), "byte {at}");
            assert_eq!(Seal::decode(&bytes[..at]), None, "cut at {at}");
        }
        assert_eq!(Seal::decode(&[7; 3000]), None);
    }
}
