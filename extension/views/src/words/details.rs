//! The details of a transfer: its facts, the files of a folder, and its sources.

use super::origin;
use wstp_messages::{FileState, FileView, SourceStanding, SourceView, TransferState, TransferView};
use wstp_ui::file_list::FileInfo;
use wstp_ui::format::bytes;
use wstp_ui::notice::Tone;
use wstp_ui::source_list::SourceInfo;
use wstp_words::{Arg, Phrase, phrase, say};

pub(super) fn facts(view: &TransferView, added: String) -> Vec<(String, String)> {
    let mut facts = vec![
        (
            say!(fact_from),
            match view.server.is_empty() {
                true => origin(view),
                false => format!("{} / {}", view.server_label, view.path),
            },
        ),
        (say!(column_size), say!(size_in_bytes, Arg::Bytes(view.size), &phrase!(bytes, Arg::Count(view.size)))),
    ];
    match view.folder {
        Some(folder) => {
            facts.push((say!(files_title), say!(amount_of, folder.done, folder.files)));
            facts.push((say!(verified), bytes(view.verified)));
        }
        None => {
            facts.push((say!(fact_blocks), say!(blocks, Arg::Count(view.blocks))));
            facts.push((say!(verified), bytes(view.verified)));
            facts.push(("BLAKE3".to_owned(), view.root.clone().unwrap_or_else(|| say!(not_known_yet))));
        }
    }
    facts.push((say!(fact_added), added));
    facts.extend(view.saved_as.iter().map(|path| (say!(fact_saved_as), path.clone())));
    let kept = match (view.in_sandbox, view.state) {
        (true, TransferState::Saved) => Some(say!(kept_on_both)),
        (true, _) => Some(say!(kept_in_browser)),
        (false, TransferState::Saved) => Some(say!(kept_on_disk)),
        // It is incomplete, as the row says already.
        (false, _) => None,
    };
    facts.extend(kept.map(|kept| (say!(fact_kept), kept)));
    facts
}

/// A file of a folder as the list shows it.
pub fn file(file: &FileView) -> FileInfo {
    let (what, more) = file.problem.as_ref().map_or((None, String::new()), |problem| {
        (Some(problem.what.say()), Phrase::from(&problem.what).and(&problem.advice).say())
    });
    FileInfo {
        path: file.path.clone(),
        words: match file.state {
            FileState::Failed => what.unwrap_or_else(|| say!(not_downloaded)),
            FileState::Saved => say!(saved_size, Arg::Bytes(file.size)),
            FileState::Missing | FileState::Complete => bytes(file.size),
        },
        more,
        tone: match file.state {
            FileState::Complete | FileState::Saved => Tone::Good,
            FileState::Missing => Tone::Neutral,
            FileState::Failed => Tone::Bad,
        },
    }
}

/// A source as the details show it.
pub fn source(source: &SourceView) -> SourceInfo {
    SourceInfo {
        id: source.id,
        name: source.label.clone(),
        path: source.path.clone(),
        words: standing(source),
        facts: source_facts(source),
        tone: match source.standing {
            SourceStanding::Used => Tone::Good,
            SourceStanding::Idle => Tone::Neutral,
            SourceStanding::Waiting { .. } | SourceStanding::Benched => Tone::Warn,
            SourceStanding::GivenUp => Tone::Bad,
        },
        is_removable: source.id != 0,
    }
}

pub(super) fn standing(source: &SourceView) -> String {
    let reason = source.problem.as_ref().map(|problem| &problem.what);
    match (source.standing, reason) {
        (SourceStanding::Idle, _) => say!(source_idle),
        (SourceStanding::Used, _) => say!(source_in_use),
        (SourceStanding::Waiting { retry_seconds }, reason) => {
            let when = Arg::Seconds(retry_seconds.max(1.0));
            reason.map_or_else(|| say!(source_retrying, when), |reason| say!(source_retrying_because, when, reason))
        }
        (SourceStanding::Benched, Some(reason)) => say!(source_paused_because, reason),
        (SourceStanding::Benched, None) => say!(source_paused),
        (SourceStanding::GivenUp, Some(reason)) => say!(source_unused_because, reason),
        (SourceStanding::GivenUp, None) => say!(source_unused),
    }
}

fn source_facts(source: &SourceView) -> String {
    if source.standing == SourceStanding::Idle {
        return String::new();
    }
    let connections = phrase!(connections, Arg::Count(source.connections.into()));
    let facts = phrase!(source_facts, Arg::Bytes(source.verified), &connections, Arg::Rate(source.rate));
    match source.round_trip_ms {
        Some(milliseconds) => say!(source_facts_trip, &facts, milliseconds.round() as u64),
        None => facts.say(),
    }
}
