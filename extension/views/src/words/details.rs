//! The details of a transfer: its facts, the files of a folder, and its sources.

use wstp_messages::{FileState, FileView, SourceStanding, SourceView, TransferState, TransferView};
use wstp_ui::file_list::FileInfo;
use wstp_ui::format::{bytes, count, duration, grouped, rate};
use wstp_ui::notice::Tone;
use wstp_ui::source_list::SourceInfo;

pub(super) fn facts(view: &TransferView, added: String) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        (
            "From",
            if view.server.is_empty() {
                view.server_label.clone()
            } else {
                format!("{} / {}", view.server_label, view.path)
            },
        ),
        ("Size", format!("{} ({})", bytes(view.size), count(view.size, "byte", "bytes"))),
    ];
    match view.folder {
        Some(folder) => {
            facts.push(("Files", format!("{} of {}", grouped(folder.done), grouped(folder.files))));
            facts.push(("Verified", bytes(view.verified)));
        }
        None => {
            facts.push(("Blocks", count(view.blocks, "block of 8 KiB", "blocks of 8 KiB")));
            facts.push(("Verified", bytes(view.verified)));
            facts.push(("BLAKE3", view.root.clone().unwrap_or_else(|| "not known yet".to_owned())));
        }
    }
    facts.push(("Added", added));
    facts.extend(view.saved_as.iter().map(|path| ("Saved as", path.clone())));
    let kept = match (view.in_sandbox, view.state) {
        (true, TransferState::Saved) => Some("on your disk and in the browser"),
        (true, _) => Some("in the browser, not on your disk"),
        (false, TransferState::Saved) => Some("on your disk"),
        // It is incomplete, as the row says already.
        (false, _) => None,
    };
    facts.extend(kept.map(|kept| ("Kept", kept.to_owned())));
    facts
}

/// A file of a folder as the list shows it.
pub fn file(file: &FileView) -> FileInfo {
    let (what, more) = file.problem.as_ref().map_or((None, String::new()), |problem| {
        (Some(problem.what.clone()), format!("{} {}", problem.what, problem.advice).trim().to_owned())
    });
    FileInfo {
        path: file.path.clone(),
        words: match file.state {
            FileState::Failed => what.unwrap_or_else(|| "could not be downloaded".to_owned()),
            FileState::Saved => format!("saved, {}", bytes(file.size)),
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
    let reason = source.problem.as_ref().map(|problem| problem.what.as_str());
    match (source.standing, reason) {
        (SourceStanding::Idle, _) => "idle".to_owned(),
        (SourceStanding::Used, _) => "in use".to_owned(),
        (SourceStanding::Waiting { retry_seconds }, reason) => {
            let when = format!("retrying in {}", duration(retry_seconds.max(1.0)));
            reason.map_or(when.clone(), |reason| format!("{when}: {reason}"))
        }
        (SourceStanding::Benched, Some(reason)) => format!("paused: {reason}"),
        (SourceStanding::Benched, None) => "paused for a while".to_owned(),
        (SourceStanding::GivenUp, Some(reason)) => format!("no longer used: {reason}"),
        (SourceStanding::GivenUp, None) => "no longer used".to_owned(),
    }
}

fn source_facts(source: &SourceView) -> String {
    if source.standing == SourceStanding::Idle {
        return String::new();
    }
    let connections = count(u64::from(source.connections), "connection", "connections");
    let mut words = format!("{} verified, {connections}, {}", bytes(source.verified), rate(source.rate));
    if let Some(milliseconds) = source.round_trip_ms {
        words.push_str(&format!(", round trip {milliseconds:.0} ms"));
    }
    words
}
