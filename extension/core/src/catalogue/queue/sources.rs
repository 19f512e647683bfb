//! The servers a transfer's blocks come from.

use wstp_messages::{CommandId, Problem, SourceTask, TransferId};
use wstp_protocol::SharePath;

use super::super::address::Address;
use super::super::model::Change;
use super::{Queue, gone};
use crate::words::problem;

/// Most servers beside the one the file was found on.
const MAX_MIRRORS: usize = 8;

impl Queue {
    /// One that is there already is tried anew, whatever it did before.
    pub(super) fn add_source(
        &mut self,
        command: &CommandId,
        id: &TransferId,
        address: &str,
        path: String,
    ) -> Result<(), Problem> {
        let address = Address::parse(address)?.to_string();
        if !SharePath::parse(path.as_str()).is_ok_and(|path| !path.is_root()) {
            return Err(problem("That is not the path of a file.", "Type it as the server shows it, folder/file."));
        }
        let item = self.model.item(id).ok_or_else(gone)?;
        if item.is_complete() {
            return Err(problem("This file is complete already.", "It needs no other server."));
        }
        let known = item.sources().into_iter().find(|source| source.address == address && source.path == path);
        match &known {
            Some(source) if source.id == 0 => {
                return Err(problem("That is where this file comes from already.", "Type another server or path."));
            }
            Some(source) => self.write(None, Change::SourceRemoved(id.clone(), source.id)),
            None if item.mirrors.len() >= MAX_MIRRORS => {
                return Err(problem("This file has as many servers as it may.", "Remove one of them first."));
            }
            None => {}
        }
        let mirrors = self.model.item(id).map_or(&[][..], |item| &item.mirrors);
        let source =
            mirrors.iter().map(|mirror| mirror.id).chain(known.iter().map(|known| known.id)).max().unwrap_or(0) + 1;
        self.write(Some(command), Change::SourceAdded(id.clone(), SourceTask { id: source, address, path }));
        self.changed.insert(id.clone());
        Ok(())
    }

    /// One that is gone already is as removed as it can be.
    pub(super) fn remove_source(&mut self, command: &CommandId, id: &TransferId, source: u32) -> Result<(), Problem> {
        let item = self.model.item(id).ok_or_else(gone)?;
        if item.mirrors.iter().any(|mirror| mirror.id == source) {
            self.write(Some(command), Change::SourceRemoved(id.clone(), source));
            self.changed.insert(id.clone());
        }
        Ok(())
    }
}
