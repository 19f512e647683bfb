//! The built extension and the ID that Chromium gives it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::paths;

/// An unpacked extension whose manifest pins its ID with a `key`.
#[derive(Clone, Debug)]
pub struct Extension {
    dir: PathBuf,
    id: String,
}

impl Extension {
    /// The extension that `cargo xtask build` made, or the one that `WSTP_EXTENSION` names.
    ///
    /// # Errors
    ///
    /// When it was not built or its manifest has no valid `key`.
    pub fn built() -> Result<Self> {
        let dir = paths::extension_dir()?;
        let file = dir.join("manifest.json");
        let manifest = fs::read(&file).with_context(|| format!("can't read {}", file.display()))?;
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).context("manifest.json is not JSON")?;
        let key = manifest["key"].as_str().context("manifest.json has no `key`")?;
        Ok(Self { id: id_of(key)?, dir })
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The URL of one of its pages.
    pub fn url(&self, page: &str) -> String {
        format!("chrome-extension://{}/{page}", self.id)
    }
}

/// Chromium's rule: the first 16 bytes of the SHA-256 of the public key, each half byte as a letter from `a` to `p`.
fn id_of(key: &str) -> Result<String> {
    let key = STANDARD.decode(key).context("the manifest's `key` is not base64")?;
    let digest = Sha256::digest(key);
    Ok(digest.iter().take(16).flat_map(|byte| [byte >> 4, byte & 15]).map(|half| char::from(b'a' + half)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_follows_from_the_key() {
        // SHA-256 of no bytes begins e3b0c442 98fc1c14 9afbf4c8 996fb924.
        assert_eq!(id_of("").unwrap(), "odlameecjipmbmbejkplpemijjgpljce");
    }
}
