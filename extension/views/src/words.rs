//! A transfer in words: what its row says, and what can be done with it. Pure.

mod actions;
mod details;
#[cfg(test)]
mod tests;
mod trouble;

use wstp_messages::{BlockRange, FolderView, TransferState, TransferView};
use wstp_ui::notice::Tone;
use wstp_ui::progress::Progress;
use wstp_ui::ranges::BlockRanges;
use wstp_ui::transfer_row::TransferInfo;
use wstp_words::{Arg, phrase, say};

pub use actions::all_actions;
use actions::{actions, lacks_files, more, remedies};
use details::facts;
pub use details::{file, source};
use trouble::trouble;

/// A transfer as its row shows it; `added` is when it was added, in words.
pub fn info(view: &TransferView, added: String) -> TransferInfo {
    TransferInfo {
        id: view.id.0.clone(),
        name: view.name.clone(),
        is_folder: view.folder.is_some(),
        origin: origin(view),
        state: name(view.state),
        words: words(view),
        tone: tone(view),
        progress: progress(view),
        map: map(view),
        trouble: trouble(view),
        remedies: remedies(view),
        actions: actions(view),
        more: more(view),
        facts: facts(view, added),
    }
}

/// The server it comes from, as people call it.
fn origin(view: &TransferView) -> String {
    if view.server.is_empty() { say!(unknown_origin) } else { view.server_label.clone() }
}

/// The name of a state, for tests and style sheets.
pub const fn name(state: TransferState) -> &'static str {
    match state {
        TransferState::Queued => "queued",
        TransferState::Starting => "starting",
        TransferState::Downloading => "downloading",
        TransferState::Checking { .. } => "checking",
        TransferState::Verifying => "verifying",
        TransferState::Waiting { .. } => "waiting",
        TransferState::Paused => "paused",
        TransferState::Complete => "complete",
        TransferState::Saving => "saving",
        TransferState::Saved => "saved",
        TransferState::Cancelled => "cancelled",
        TransferState::Failed => "failed",
    }
}

/// Whether a transfer is or soon will be under way.
pub const fn is_active(state: TransferState) -> bool {
    matches!(
        state,
        TransferState::Queued
            | TransferState::Starting
            | TransferState::Downloading
            | TransferState::Checking { .. }
            | TransferState::Verifying
            | TransferState::Waiting { .. }
    )
}

/// Whether every block of a transfer is there.
pub const fn is_complete(view: &TransferView) -> bool {
    matches!(view.state, TransferState::Complete | TransferState::Saving | TransferState::Saved)
}

/// The word of the folder's listing for a file that is being fetched or was: a few characters.
pub fn short(view: &TransferView) -> String {
    match view.state {
        TransferState::Queued | TransferState::Starting => say!(short_waiting),
        TransferState::Checking { percent } => say!(short_checked, percent),
        TransferState::Downloading | TransferState::Verifying => {
            say!(percent, wstp_ui::format::percent(here(view), view.size).min(99))
        }
        TransferState::Waiting { .. } => say!(short_retrying),
        TransferState::Paused => say!(short_paused),
        TransferState::Complete => say!(short_complete),
        TransferState::Saving => say!(short_saving),
        TransferState::Saved if is_gone(view) => say!(short_moved),
        TransferState::Saved => say!(short_saved),
        TransferState::Cancelled => say!(short_cancelled),
        TransferState::Failed => say!(short_failed),
    }
}

/// Whether nothing of what was saved is where it was saved.
const fn is_gone(view: &TransferView) -> bool {
    match view.folder {
        None => view.missing > 0,
        Some(folder) => view.missing > 0 && view.missing >= folder.saved,
    }
}

/// Bytes of a transfer in the browser's sandbox.
pub fn kept_bytes(view: &TransferView) -> u64 {
    if is_complete(view) && !view.in_sandbox { 0 } else { here(view) }
}

fn here(view: &TransferView) -> u64 {
    view.verified.saturating_add(view.received).min(view.size)
}

/// Its state in words.
pub fn words(view: &TransferView) -> String {
    if let Some(words) = view.folder.and_then(|folder| folder_words(view.state, folder)) {
        return words;
    }
    match view.state {
        TransferState::Queued if view.needs_login => say!(waiting_for_login),
        TransferState::Queued if waits_for_room(view) => say!(waiting_for_space),
        TransferState::Queued => turn(view.place),
        TransferState::Starting => say!(starting),
        TransferState::Downloading => say!(downloading),
        TransferState::Checking { percent } => say!(checking, percent),
        TransferState::Verifying => say!(verifying),
        TransferState::Waiting { retry_seconds } if retry_seconds >= 0.5 => {
            say!(retry_in, Arg::Seconds(retry_seconds))
        }
        TransferState::Waiting { .. } => say!(retrying),
        TransferState::Paused => say!(paused),
        TransferState::Complete => say!(complete_not_saved),
        TransferState::Saving => say!(saving),
        TransferState::Saved if is_gone(view) => say!(moved_or_deleted),
        TransferState::Saved if view.missing > 0 => say!(some_moved),
        TransferState::Saved => saved(view),
        TransferState::Cancelled => say!(cancelled),
        TransferState::Failed if view.is_outdated => say!(changed_on_server),
        TransferState::Failed => say!(failed),
    }
}

/// The words for a folder in a state in which its files matter.
fn folder_words(state: TransferState, folder: FolderView) -> Option<String> {
    let FolderView { files, done, saved, is_walking, .. } = folder;
    let of_all = |number: u64| phrase!(amount_of, number, &phrase!(files, Arg::Count(files)));
    let so_far = if is_walking { phrase!(done_so_far, done, files) } else { of_all(done) };
    match state {
        TransferState::Downloading => Some(so_far.say()),
        TransferState::Paused => Some(say!(paused_at, &so_far)),
        TransferState::Complete if saved > 0 => Some(say!(saved_count, &of_all(saved))),
        TransferState::Saving => Some(say!(saving_count, &of_all(saved))),
        _ => None,
    }
}

fn waits_for_room(view: &TransferView) -> bool {
    view.lacks.is_some_and(|lacks| lacks.needed > 0)
}

/// Says under which name it was saved, where that is not its own, or in which folder that the user picked.
fn saved(view: &TransferView) -> String {
    let Some(path) = view.saved_as.as_deref() else { return say!(saved) };
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    match path.strip_suffix(name).map(|folder| folder.trim_end_matches('/')) {
        Some(folder) if !is_whole(path) && name == view.name => say!(saved_in, folder),
        _ if !is_whole(path) => say!(saved_as, path),
        _ if name == view.name => say!(saved),
        _ => say!(saved_as, name),
    }
}

fn turn(place: Option<u32>) -> String {
    match place {
        Some(1) => say!(next_in_line),
        Some(place) => say!(number_in_line, u64::from(place)),
        None => say!(waiting_its_turn),
    }
}

fn tone(view: &TransferView) -> Tone {
    match view.state {
        TransferState::Saving if view.problem.is_some() => Tone::Warn,
        TransferState::Downloading
        | TransferState::Checking { .. }
        | TransferState::Verifying
        | TransferState::Starting
        | TransferState::Saving => Tone::Active,
        TransferState::Complete | TransferState::Saved
            if view.problem.is_some() || view.missing > 0 || view.beside > 0 || lacks_files(view) =>
        {
            Tone::Warn
        }
        TransferState::Complete | TransferState::Saved => Tone::Good,
        TransferState::Waiting { .. } => Tone::Warn,
        TransferState::Queued if view.needs_login || waits_for_room(view) => Tone::Warn,
        TransferState::Failed => Tone::Bad,
        TransferState::Queued | TransferState::Paused | TransferState::Cancelled => Tone::Neutral,
    }
}

fn progress(view: &TransferView) -> Progress {
    let flows = matches!(view.state, TransferState::Downloading);
    Progress {
        done: here(view),
        total: view.size,
        rate: flows.then_some(view.rate),
        seconds_left: view.seconds_left.filter(|_| flows),
    }
}

fn map(view: &TransferView) -> BlockRanges {
    let pairs = |ranges: &[BlockRange]| ranges.iter().map(|range| (range.first, range.end)).collect();
    BlockRanges {
        total: view.blocks,
        verified: pairs(&view.verified_blocks),
        received: pairs(&view.received_blocks),
        in_flight: pairs(&view.requested_blocks),
    }
}

/// Whether a path is one of the disk. Chrome tells of a folder that the user picked only its name.
pub fn is_whole(path: &str) -> bool {
    path.starts_with(['/', '\\']) || path.as_bytes().get(1) == Some(&b':')
}
