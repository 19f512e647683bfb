//! The shared files as they are offered to one caller.

use std::sync::Arc;

use bytes::Bytes;
use wstp_protocol::{CompressedHeader, Entry, Hash, SearchRequest, SharePath};
use wstp_provider::{Bundle, Compressibility, Hits, Offer, Page, Read, Refusal};

use crate::compression::Compression;
use crate::files::Files;
use crate::hashing::OpenFile;
use crate::registry::Session;
use crate::server::Server;

/// Asks the store on behalf of a session's caller.
pub struct Desk {
    /// The open files.
    pub files: Arc<Files>,
    /// The session that asks.
    pub session: Arc<Session>,
    compression: Arc<Compression>,
    /// The small files of all folders together.
    small_files: Compressibility,
}

impl Desk {
    /// For a session.
    pub fn new(server: &Server, session: Arc<Session>) -> Self {
        let (files, compression) = (server.files.clone(), server.compression.clone());
        Self { files, session, compression, small_files: Compressibility::default() }
    }
}

impl Offer for Desk {
    type File = Arc<OpenFile>;

    async fn list(&self, path: &SharePath, cursor: Option<&str>, limit: u32) -> Result<Page, Refusal> {
        self.files.list(&self.session.caller, path, cursor, limit).await
    }

    async fn search(&self, request: &SearchRequest) -> Result<Hits, Refusal> {
        self.files.search(&self.session.caller, request).await
    }

    async fn stat(&self, path: &SharePath) -> Result<Entry, Refusal> {
        self.files.store().stat(&self.session.caller, path).await
    }

    async fn open(&self, path: SharePath) -> Result<Self::File, Refusal> {
        self.files.open(&self.session.caller, path).await
    }

    async fn read(&self, file: &Self::File, read: &Read) -> Result<Bytes, Refusal> {
        let bytes = file.read(read).await?;
        self.session.serves(file.path(), file.size(), read.offset()..read.end());
        self.session.pace_share(file.path(), bytes.len() as u64).await;
        Ok(bytes)
    }

    async fn zeros_until(&self, file: &Self::File, offset: u64) -> Result<u64, Refusal> {
        file.zeros_until(offset).await
    }

    async fn hashes(&self, file: &Self::File, page: (u8, u64, u32)) -> Result<(Vec<Hash>, Vec<Hash>), Refusal> {
        self.files.hashes(file, page).await
    }

    async fn compress(&self, file: Option<&Self::File>, header: CompressedHeader, frame: &Bytes) -> Option<Bytes> {
        let known = file.map_or(&self.small_files, |file| file.compressibility());
        if !self.session.caller.line().is_slow() || !known.is_worth_trying(frame.len()) {
            return None;
        }
        let shorter = self.compression.compress(header, frame.clone()).await;
        known.tried(shorter.is_some());
        shorter
    }

    async fn fill(&self, bundle: Bundle) -> Result<Bundle, Refusal> {
        let folder = bundle.path().clone();
        let filled = self.files.fill(&self.session.caller, bundle).await?;
        self.session.pace_share(&folder, filled.taken()).await;
        Ok(filled)
    }
}
