//! A file whose hash its server knows from the first moment on.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::time::timeout;
use wstp_protocol::{RootReady, ServerMessage};

use crate::{LONG, Visitor};

/// Has the file open: a server forgets the hash of a small one when nobody has.
#[derive(Debug)]
pub struct Hashed {
    _visitor: Visitor,
}

impl Hashed {
    /// Opens a file and waits until its server has hashed it.
    ///
    /// # Errors
    ///
    /// When it can't be opened, or is not hashed in time.
    pub async fn open(server: SocketAddr, path: &str) -> Result<Self> {
        let mut visitor = Visitor::open(server, path).await?;
        let is_hashed = async {
            while visitor.opened().root.is_none() {
                if let ServerMessage::RootReady(RootReady { .. }) = visitor.next().await? {
                    break;
                }
            }
            anyhow::Ok(())
        };
        timeout(LONG, is_hashed).await.context("the server did not hash the file in time")??;
        Ok(Self { _visitor: visitor })
    }
}
