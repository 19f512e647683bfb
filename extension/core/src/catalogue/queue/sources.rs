//! The servers that a transfer's blocks come from.

use wstp_engine::http_source::file_url;
use wstp_messages::{CommandId, NamedBy, Problem, TransferId, TransferKind};
use wstp_protocol::{MirrorUrl, SharePath};
use wstp_words::phrase;

use super::super::address::{self, Address, FileUrl};
use super::super::change::Change;
use super::super::item::Item;
use super::super::mirror::Mirror;
use super::{Queue, gone};
use crate::words::problem;

/// Most servers beside the transfer's first one.
const MAX_MIRRORS: usize = 8;

impl Queue {
    /// Adding an existing source has it retried, whatever it did before.
    pub(super) fn add_source(
        &mut self,
        command: &CommandId,
        id: &TransferId,
        address: &str,
        path: String,
    ) -> Result<(), Problem> {
        let item = self.model.item(id).ok_or_else(gone)?;
        if item.kind == TransferKind::Folder {
            return Err(problem(phrase!(folder_has_one_server), phrase!(folder_has_one_server_advice)));
        }
        let (address, path) = place(address, path, item)?;
        if item.is_complete() {
            return Err(problem(phrase!(complete_already), phrase!(complete_already_advice)));
        }
        let known = item.sources().into_iter().find(|source| source.address == address && source.path == path);
        match &known {
            Some(source) if source.id == 0 => {
                return Err(problem(phrase!(same_source), phrase!(same_source_advice)));
            }
            None if item.mirrors.len() >= MAX_MIRRORS => {
                return Err(problem(phrase!(too_many_sources), phrase!(too_many_sources_advice)));
            }
            _ => {}
        }
        let mirror = Mirror::new(&item.mirrors, NamedBy::User, address, path);
        if let Some(known) = known {
            self.write(None, Change::SourceRemoved(id.clone(), known.id));
        }
        self.write(Some(command), Change::source_added(id.clone(), mirror));
        self.changed.insert(id.clone());
        Ok(())
    }

    /// A source that is already gone counts as removed.
    pub(super) fn remove_source(&mut self, command: &CommandId, id: &TransferId, source: u32) -> Result<(), Problem> {
        let item = self.model.item(id).ok_or_else(gone)?;
        if item.mirrors.iter().any(|mirror| mirror.id == source) {
            self.write(Some(command), Change::SourceRemoved(id.clone(), source));
            self.changed.insert(id.clone());
        }
        Ok(())
    }

    /// The server named other places of its folder. They are used too, unless the user removed them before.
    pub(super) fn take_offered(&mut self, id: &TransferId, urls: &[String]) {
        let Some(item) = self.model.item(id).filter(|item| item.kind == TransferKind::File) else { return };
        let room = MAX_MIRRORS.saturating_sub(item.mirrors.len());
        let new: Vec<_> = urls
            .iter()
            .filter_map(|url| offered(url, item))
            .filter(|(address, path)| !item.declined.contains(address) && !has(item, address, path))
            .take(room)
            .collect();
        for (address, path) in new {
            let Some(item) = self.model.item(id) else { return };
            let mirror = Mirror::new(&item.mirrors, NamedBy::Server, address, path);
            self.write(None, Change::source_added(id.clone(), mirror));
            self.changed.insert(id.clone());
        }
    }
}

fn has(item: &Item, address: &str, path: &str) -> bool {
    item.sources().iter().any(|source| source.address == address && source.path == path)
}

/// The file that a typed address and path name: on a server, or by a link of plain HTTP, whose URL has the path.
fn place(address: &str, path: String, item: &Item) -> Result<(String, String), Problem> {
    if let Some(url) = FileUrl::parse(address) {
        return Ok((url?.to_string(), item.path.clone()));
    }
    let address = address::parse(address)?.to_string();
    if !SharePath::parse(path.as_str()).is_ok_and(|path| !path.is_root()) {
        return Err(problem(phrase!(no_file_path), phrase!(no_file_path_advice)));
    }
    Ok((address, path))
}

/// The place of a file on a mirror that the server offers.
fn offered(url: &str, item: &Item) -> Option<(String, String)> {
    let mirror = MirrorUrl::parse(url).ok().filter(|mirror| mirror.may_be_followed_from(&item.server))?;
    let address = match mirror.is_wstp() {
        true => Address::parse(url).ok()?.to_string(),
        false => file_url(&mirror, &SharePath::parse(item.path.as_str()).ok()?),
    };
    Some((address, item.path.clone()))
}
