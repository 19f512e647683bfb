//! The actions on a transfer: the buttons of its row, those behind *more*, and those beside a problem.

use wstp_messages::{TransferState, TransferView};
use wstp_ui::kind::media_type;
use wstp_ui::transfer_row::Action;

use super::{is_active, is_complete, is_gone, is_whole, waits_for_room};

/// Everything one can do with a transfer, likely things first.
pub fn all_actions(view: &TransferView) -> Vec<Action> {
    let mut all = remedies(view);
    for action in actions(view).into_iter().chain(more(view)) {
        if !all.contains(&action) {
            all.push(action);
        }
    }
    all
}

pub(super) fn actions(view: &TransferView) -> Vec<Action> {
    match view.state {
        TransferState::Complete if lacks_files(view) => vec![Action::Save, Action::Retry, Action::Remove],
        TransferState::Saved if lacks_files(view) && !can_be_shown(view) => vec![Action::Retry, Action::Remove],
        TransferState::Saved if lacks_files(view) => vec![Action::Retry, Action::Show, Action::Remove],
        TransferState::Queued if view.needs_login => vec![Action::Retry, Action::Pause, Action::Cancel],
        TransferState::Queued if waits_for_room(view) => vec![Action::Begin, Action::Pause, Action::Cancel],
        TransferState::Queued if view.place != Some(1) => vec![Action::First, Action::Pause, Action::Cancel],
        TransferState::Queued
        | TransferState::Starting
        | TransferState::Downloading
        | TransferState::Checking { .. }
        | TransferState::Verifying => {
            vec![Action::Pause, Action::Cancel]
        }
        TransferState::Waiting { .. } => vec![Action::Retry, Action::Pause, Action::Cancel],
        TransferState::Paused => vec![Action::Resume, Action::Cancel],
        TransferState::Complete => vec![Action::Save, Action::Remove],
        TransferState::Saving => {
            let stop = if view.folder.is_some() { Action::Pause } else { Action::Cancel };
            // While Chrome saves, the only problem is that it waits for the user.
            view.problem.iter().map(|_| Action::Answer).chain([stop]).collect()
        }
        TransferState::Saved if can_be_shown(view) => vec![Action::Show, Action::Remove],
        TransferState::Saved => vec![Action::Remove],
        TransferState::Cancelled => vec![Action::Resume, Action::Remove],
        TransferState::Failed if view.is_outdated => vec![Action::Update, Action::Remove],
        // Nobody knows where it came from.
        TransferState::Failed if view.server.is_empty() => vec![Action::Remove],
        TransferState::Failed => vec![Action::Retry, Action::Remove],
    }
}

pub(super) fn more(view: &TransferView) -> Vec<Action> {
    let preview = can_be_previewed(view).then_some(Action::Preview);
    preview.into_iter().chain(rarer(view)).collect()
}

/// Whether a page can show the file, or a part of it that is here. Nobody fetches wanted blocks of a queued file.
fn can_be_previewed(view: &TransferView) -> bool {
    let is_fetched = is_active(view.state) && view.state != TransferState::Queued;
    let is_here = if is_complete(view) { view.in_sandbox } else { is_fetched };
    view.folder.is_none() && is_here && media_type(&view.name).is_some()
}

fn rarer(view: &TransferView) -> Vec<Action> {
    match (view.state, view.place) {
        (TransferState::Queued, None) if view.needs_login || waits_for_room(view) => vec![],
        (TransferState::Queued, Some(1)) => vec![Action::Later],
        (TransferState::Queued, _) => vec![Action::Earlier, Action::Later],
        (TransferState::Saved, _) if view.in_sandbox && asks_for_another(view) => vec![Action::SaveInto],
        (TransferState::Saved, _) if view.in_sandbox => vec![Action::SaveAgain, Action::SaveInto],
        (TransferState::Complete, _) if view.problem.is_none() => vec![Action::SaveInto],
        _ => vec![],
    }
}

/// The ways out of what went wrong, offered in words beside it.
pub(super) fn remedies(view: &TransferView) -> Vec<Action> {
    match view.state {
        TransferState::Queued if view.needs_login => vec![Action::LogIn],
        // Chrome could not save it.
        TransferState::Complete if view.problem.is_some() => vec![Action::SaveInto],
        TransferState::Saved if asks_for_another(view) && view.in_sandbox => vec![Action::SaveAgain],
        TransferState::Saved if view.missing > 0 && !view.server.is_empty() => vec![Action::Again],
        _ => vec![],
    }
}

/// Whether a complete folder lacks files that can be tried again.
pub(super) const fn lacks_files(view: &TransferView) -> bool {
    match view.folder {
        Some(folder) => folder.problems > 0 && view.in_sandbox,
        None => false,
    }
}

/// Whether the saved copy is not as the user would want it.
const fn asks_for_another(view: &TransferView) -> bool {
    view.missing > 0 || view.beside > 0
}

/// Whether Chrome saved it and at least a part of it is still there.
fn can_be_shown(view: &TransferView) -> bool {
    !is_gone(view) && view.saved_as.as_deref().is_some_and(is_whole)
}
