//! How a transfer looks to a view: what is remembered of it, filled in with what its worker said last.

use wstp_messages::{
    BlockOrder, BlockRange, FolderView, SourceStanding, SourceTask, SourceView, TransferKind, TransferState,
    TransferView,
};
use wstp_protocol::block_count;

use super::address::{Address, FileUrl};
use super::item::{Fetch, Goal, Item, Save};
use crate::names::safe_path;

/// The name to show for a transfer: the last name of its path, or the server if it is a whole share.
pub fn name(item: &Item) -> String {
    match item.path.rsplit('/').next() {
        Some(name) if !name.is_empty() => name.to_owned(),
        // It becomes the name of a folder on the disk.
        _ => Address::parse(&item.server).map_or_else(|_| item.server.clone(), |server| server.host_and_port()),
    }
}

/// The path to save a transfer under, relative to the downloads folder.
pub fn save_path(item: &Item) -> String {
    safe_path(if item.path.is_empty() { name(item) } else { item.path.clone() }.as_str())
}

/// The name to show for a server; a server of plain HTTP is named by the link to a file there.
pub fn label(address: &str) -> String {
    match Address::parse(address) {
        Ok(server) if FileUrl::parse(address).is_some() => server.host_and_port(),
        Ok(server) => server.short(),
        Err(_) => address.to_owned(),
    }
}

/// A transfer as it is now. `is_running` says whether it has a worker that was not told to stop. `said` is that
/// worker's latest report. `place` is its position among those that wait for their turn.
pub fn transfer(item: &Item, is_running: bool, said: Option<&TransferView>, place: Option<u32>) -> TransferView {
    let live = said.filter(|_| item.wants_worker());
    let state = state(item, is_running, live);
    let size = live.map_or(item.size, |said| item.size_beside(said.size));
    let complete = item.is_complete();
    let shown = said.filter(|_| !complete);
    let folder = folder(item, shown);
    let blocks = folder.map_or_else(|| block_count(size), |folder| folder.files);
    let all = if blocks > 0 { vec![BlockRange { first: 0, end: blocks }] } else { Vec::new() };
    let is_whole = complete && item.kind == TransferKind::File;
    TransferView {
        id: item.id.clone(),
        server: item.server.clone(),
        server_label: if item.has_origin() { label(&item.server) } else { String::new() },
        path: item.path.clone(),
        name: name(item),
        size,
        folder,
        state,
        place,
        lacks: None,
        needs_login: false,
        is_outdated: matches!(item.fetch, Fetch::Outdated(_)),
        problem: match (item.problem(), &item.save) {
            (Some(problem), _) | (_, Save::No(Some(problem))) => Some(problem.clone()),
            _ => live.and_then(|said| said.problem.clone()),
        },
        verified: if is_whole { item.size } else { shown.map_or(item.kept.verified, |said| said.verified) },
        received: shown.map_or(item.kept.received, |said| said.received),
        rate: live.map_or(0.0, |said| said.rate),
        rate_limit: item.rate_limit,
        order: BlockOrder::default(),
        seconds_left: live.and_then(|said| said.seconds_left),
        blocks,
        verified_blocks: if is_whole {
            all
        } else {
            shown.map_or_else(|| item.kept.verified_blocks.clone(), |said| said.verified_blocks.clone())
        },
        received_blocks: shown.map_or_else(|| item.kept.received_blocks.clone(), |said| said.received_blocks.clone()),
        requested_blocks: live.map_or_else(Vec::new, |said| said.requested_blocks.clone()),
        sources: if complete || !item.has_origin() { Vec::new() } else { sources(item, live) },
        root: match &item.fetch {
            Fetch::Complete { root } => root.clone(),
            _ => shown.and_then(|said| said.root.clone()).or_else(|| item.kept.root.clone()),
        },
        saved_as: match &item.save {
            Save::Saved(path) if !path.is_empty() => Some(path.clone()),
            _ => None,
        },
        missing: 0,
        beside: 0,
        in_sandbox: item.in_sandbox && complete,
        added_ms: item.added_ms,
    }
}

/// How a folder's files stand: as its worker says, or as remembered.
fn folder(item: &Item, shown: Option<&TransferView>) -> Option<FolderView> {
    let known = shown.and_then(|said| said.folder).or(item.kept.folder).unwrap_or_default();
    let saved = item.saved_files();
    (item.kind == TransferKind::Folder).then_some(FolderView { saved, ..known })
}

/// Its origin: the remembered one, filled in by the worker's report.
fn sources(item: &Item, live: Option<&TransferView>) -> Vec<SourceView> {
    let said = |id: u32| live.and_then(|said| said.sources.iter().find(|source| source.id == id));
    let idle = |source: &SourceTask| SourceView {
        id: source.id,
        label: label(&source.address),
        path: source.path.clone(),
        standing: SourceStanding::Idle,
        verified: 0,
        connections: 0,
        rate: 0.0,
        in_flight: 0,
        round_trip_ms: None,
        problem: None,
    };
    item.sources().iter().map(|source| said(source.id).cloned().unwrap_or_else(|| idle(source))).collect()
}

fn state(item: &Item, is_running: bool, live: Option<&TransferView>) -> TransferState {
    match (&item.fetch, &item.save, item.goal) {
        (Fetch::Complete { .. }, Save::No(_), _) => TransferState::Complete,
        (Fetch::Complete { .. }, Save::Going, _) => TransferState::Saving,
        (Fetch::Complete { .. }, Save::Saved(_), _) => TransferState::Saved,
        (_, _, Goal::Cancel) => TransferState::Cancelled,
        (_, _, Goal::Pause) => TransferState::Paused,
        (Fetch::Failed(_) | Fetch::Outdated(_), _, _) => TransferState::Failed,
        (Fetch::Unfinished, _, Goal::Run) if is_running => {
            live.map_or(TransferState::Starting, |said| still_running(said.state))
        }
        (Fetch::Unfinished, _, Goal::Run) => TransferState::Queued,
    }
}

/// How a worker ended it reports by itself, with the reason; until that is here nothing else is to be shown.
const fn still_running(state: TransferState) -> TransferState {
    match state {
        TransferState::Paused | TransferState::Complete | TransferState::Failed => TransferState::Downloading,
        state => state,
    }
}
