//! A transfer in words: what its row says, and what can be done with it. Pure.

use wstp_messages::{
    BlockRange, FileState, FileView, FolderView, MAX_MISSING, RoomView, SourceStanding, SourceView, TransferState,
    TransferView,
};
use wstp_ui::file_list::FileInfo;
use wstp_ui::format::{bytes, count, duration, grouped, rate};
use wstp_ui::notice::Tone;
use wstp_ui::progress::Progress;
use wstp_ui::ranges::BlockRanges;
use wstp_ui::source_list::SourceInfo;
use wstp_ui::transfer_row::{Action, TransferInfo, Trouble};

/// A transfer as its row shows it; `added` is when it was added, in words.
pub fn info(view: &TransferView, added: String) -> TransferInfo {
    TransferInfo {
        id: view.id.0.clone(),
        name: view.name.clone(),
        is_folder: view.folder.is_some(),
        origin: view.server_label.clone(),
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
        TransferState::Queued | TransferState::Starting => "waiting".to_owned(),
        TransferState::Checking { percent } => format!("checked {percent} %"),
        TransferState::Downloading | TransferState::Verifying => {
            format!("{} %", wstp_ui::format::percent(here(view), view.size).min(99))
        }
        TransferState::Waiting { .. } => "retrying".to_owned(),
        TransferState::Paused => "paused".to_owned(),
        TransferState::Complete => "complete".to_owned(),
        TransferState::Saving => "saving".to_owned(),
        TransferState::Saved if is_gone(view) => "moved away".to_owned(),
        TransferState::Saved => "saved".to_owned(),
        TransferState::Cancelled => "cancelled".to_owned(),
        TransferState::Failed => "failed".to_owned(),
    }
}

fn trouble(view: &TransferView) -> Option<Trouble> {
    let told = view.problem.as_ref();
    let told = told.map(|problem| Trouble { what: problem.what.clone(), advice: problem.advice.clone() });
    let lacking = view.folder.map_or(0, |folder| folder.problems);
    let missing = || (view.missing > 0).then(|| moved_away(view));
    let beside = || (view.beside > 0 && is_complete(view)).then(|| beside(view));
    told.or_else(missing)
        .or_else(beside)
        .or_else(|| view.lacks.as_ref().filter(|lacks| lacks.needed > 0).map(room))
        .or_else(|| {
            (lacking > 0).then(|| Trouble {
                what: format!("{} could not be fetched.", count(lacking, "file or folder", "files or folders")),
                advice: "Open this row to see which and why, and try again when they can be read.".to_owned(),
            })
        })
}

/// Says that files of a folder have a second copy.
fn beside(view: &TransferView) -> Trouble {
    let again = if view.in_sandbox { " Saved again, all of it gets a folder of its own." } else { "" };
    Trouble {
        what: format!("{} in that folder also under a second name, such as a (1).txt.", are(view.beside)),
        advice: format!(
            "A file of the first name was there: cut off when the browser ended, or yours. It was left as it is. \
             The file of the second name is complete.{again}"
        ),
    }
}

fn are(files: u64) -> String {
    if files == 1 { "One file is".to_owned() } else { format!("{} files are", grouped(files)) }
}

/// Says that a saved file is no longer in its place.
fn moved_away(view: &TransferView) -> Trouble {
    let place = view.saved_as.as_deref().unwrap_or_default();
    let what = match view.folder {
        None => format!("This was saved as {place} and is no longer there."),
        Some(_) if is_gone(view) => format!("This was saved in {place}, and its files are no longer there."),
        Some(_) if view.missing == 1 => format!("One of the files saved in {place} is no longer there."),
        Some(_) => format!("{} of the files saved in {place} are no longer there.", missing_count(view)),
    };
    let again = match (view.in_sandbox, view.folder.is_some()) {
        (true, false) => "The browser still has a copy: save it again if you need it.",
        (true, true) => "The browser still has a copy: saved again, all of it gets a folder of its own.",
        (false, _) if view.server.is_empty() => "The browser's copy was freed when it was saved.",
        (false, _) => "The browser's copy was freed when it was saved: download it again if you need it.",
    };
    Trouble { what, advice: format!("You or another program moved, renamed or deleted it. {again}") }
}

fn missing_count(view: &TransferView) -> String {
    let least = if view.missing >= u64::from(MAX_MISSING) { "At least " } else { "" };
    format!("{least}{}", grouped(view.missing))
}

/// Whether nothing of what was saved is where it was saved.
const fn is_gone(view: &TransferView) -> bool {
    match view.folder {
        None => view.missing > 0,
        Some(folder) => view.missing > 0 && view.missing >= folder.saved,
    }
}

/// There is no room for a transfer to begin.
fn room(lacks: &RoomView) -> Trouble {
    let RoomView { needed, to_save, is_least, free, promised } = *lacks;
    let least = if is_least { "at least " } else { "" };
    let again = if needed == to_save { "as much".to_owned() } else { bytes(to_save) };
    let others = match promised {
        0 => String::new(),
        promised => format!(", and other downloads still need {} of that", bytes(promised)),
    };
    Trouble {
        what: format!("This needs {least}{} in the browser, and {again} again while it is saved.", bytes(needed)),
        advice: format!(
            "{} are free on the browser's disk{others}. It begins by itself when there is room, or when you say so.",
            bytes(free)
        ),
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
        TransferState::Queued if waits_for_room(view) => "Waits for room".to_owned(),
        TransferState::Queued => turn(view.place),
        TransferState::Starting => "Starting".to_owned(),
        TransferState::Downloading => "Downloading".to_owned(),
        TransferState::Checking { percent } => format!("Checking what is here, {percent} %"),
        TransferState::Verifying => "Verifying".to_owned(),
        TransferState::Waiting { retry_seconds } if retry_seconds >= 0.5 => {
            format!("Retry in {}", duration(retry_seconds))
        }
        TransferState::Waiting { .. } => "Retrying".to_owned(),
        TransferState::Paused => "Paused".to_owned(),
        TransferState::Complete => "Complete, not saved yet".to_owned(),
        TransferState::Saving => "Saving".to_owned(),
        TransferState::Saved if is_gone(view) => "No longer where it was saved".to_owned(),
        TransferState::Saved if view.missing > 0 => "No longer all where it was saved".to_owned(),
        TransferState::Saved => saved(view),
        TransferState::Cancelled => "Cancelled".to_owned(),
        TransferState::Failed if view.is_outdated => "Changed on the server".to_owned(),
        TransferState::Failed => "Failed".to_owned(),
    }
}

/// The words for a folder in a state in which its files matter.
fn folder_words(state: TransferState, folder: FolderView) -> Option<String> {
    let FolderView { files, done, saved, is_walking, .. } = folder;
    let of_all = |number| format!("{} of {}", grouped(number), count(files, "file", "files"));
    let so_far = if is_walking { format!("{} of {}+ files", grouped(done), grouped(files)) } else { of_all(done) };
    match state {
        TransferState::Downloading => Some(so_far),
        TransferState::Paused => Some(format!("Paused, {so_far}")),
        TransferState::Complete if saved > 0 => Some(format!("Saved {}", of_all(saved))),
        TransferState::Saving => Some(format!("Saving {}", of_all(saved))),
        _ => None,
    }
}

fn waits_for_room(view: &TransferView) -> bool {
    view.lacks.is_some_and(|lacks| lacks.needed > 0)
}

/// Says under which name it was saved, where that is not its own, or in which folder that the user picked.
fn saved(view: &TransferView) -> String {
    let Some(path) = view.saved_as.as_deref() else { return "Saved".to_owned() };
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    match path.strip_suffix(name).map(|folder| folder.trim_end_matches('/')) {
        Some(folder) if !is_whole(path) && name == view.name => format!("Saved in {folder}"),
        _ if !is_whole(path) => format!("Saved as {path}"),
        _ if name == view.name => "Saved".to_owned(),
        _ => format!("Saved as {name}"),
    }
}

fn turn(place: Option<u32>) -> String {
    match place {
        Some(1) => "Comes next".to_owned(),
        Some(place) => format!("Waits, number {place} in line"),
        None => "Waits for its turn".to_owned(),
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
        TransferState::Queued if waits_for_room(view) => Tone::Warn,
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

/// Whether a complete folder lacks files that can be tried again.
const fn lacks_files(view: &TransferView) -> bool {
    match view.folder {
        Some(folder) => folder.problems > 0 && view.in_sandbox,
        None => false,
    }
}

/// The ways out of what went wrong, offered in words beside it.
fn remedies(view: &TransferView) -> Vec<Action> {
    match view.state {
        // Chrome could not save it.
        TransferState::Complete if view.problem.is_some() => vec![Action::SaveInto],
        TransferState::Saved if asks_for_another(view) && view.in_sandbox => vec![Action::SaveAgain],
        TransferState::Saved if view.missing > 0 && !view.server.is_empty() => vec![Action::Again],
        _ => vec![],
    }
}

/// Whether the saved copy is not as the user would want it.
const fn asks_for_another(view: &TransferView) -> bool {
    view.missing > 0 || view.beside > 0
}

fn actions(view: &TransferView) -> Vec<Action> {
    match view.state {
        TransferState::Complete if lacks_files(view) => vec![Action::Save, Action::Retry, Action::Remove],
        TransferState::Saved if lacks_files(view) && !can_be_shown(view) => vec![Action::Retry, Action::Remove],
        TransferState::Saved if lacks_files(view) => vec![Action::Retry, Action::Show, Action::Remove],
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

/// Whether a path is one of the disk. Chrome tells of a folder that the user picked only its name.
fn is_whole(path: &str) -> bool {
    path.starts_with(['/', '\\']) || path.as_bytes().get(1) == Some(&b':')
}

/// Whether Chrome saved it and at least a part of it is still there.
fn can_be_shown(view: &TransferView) -> bool {
    !is_gone(view) && view.saved_as.as_deref().is_some_and(is_whole)
}

fn more(view: &TransferView) -> Vec<Action> {
    match (view.state, view.place) {
        (TransferState::Queued, None) if waits_for_room(view) => vec![],
        (TransferState::Queued, Some(1)) => vec![Action::Later],
        (TransferState::Queued, _) => vec![Action::Earlier, Action::Later],
        (TransferState::Saved, _) if view.in_sandbox && asks_for_another(view) => vec![Action::SaveInto],
        (TransferState::Saved, _) if view.in_sandbox => vec![Action::SaveAgain, Action::SaveInto],
        (TransferState::Complete, _) if view.problem.is_none() => vec![Action::SaveInto],
        _ => vec![],
    }
}

fn facts(view: &TransferView, added: String) -> Vec<(&'static str, String)> {
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
        (true, _) => "complete, in the browser",
        (false, TransferState::Saved) => "on the disk only",
        (false, _) => "not complete in the browser",
    };
    facts.push(("Copy", kept.to_owned()));
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
            FileState::Failed => what.unwrap_or_else(|| "could not be fetched".to_owned()),
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

fn standing(source: &SourceView) -> String {
    let reason = source.problem.as_ref().map(|problem| problem.what.as_str());
    match (source.standing, reason) {
        (SourceStanding::Idle, _) => "not asked now".to_owned(),
        (SourceStanding::Used, _) => "used".to_owned(),
        (SourceStanding::Waiting { retry_seconds }, reason) => {
            let when = format!("tried again in {}", duration(retry_seconds.max(1.0)));
            reason.map_or(when.clone(), |reason| format!("{when}: {reason}"))
        }
        (SourceStanding::Benched, Some(reason)) => format!("left alone for a while: {reason}"),
        (SourceStanding::Benched, None) => "left alone for a while".to_owned(),
        (SourceStanding::GivenUp, Some(reason)) => format!("given up: {reason}"),
        (SourceStanding::GivenUp, None) => "given up".to_owned(),
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

#[cfg(test)]
mod tests {
    use wstp_messages::{Problem, TransferId};

    use super::*;

    fn view(state: TransferState) -> TransferView {
        TransferView {
            id: TransferId("00".repeat(16)),
            server: "ws://127.0.0.1:3000/ws".to_owned(),
            server_label: "127.0.0.1:3000".to_owned(),
            path: "music/a.flac".to_owned(),
            name: "a.flac".to_owned(),
            size: 20_000,
            folder: None,
            state,
            place: None,
            lacks: None,
            is_outdated: false,
            problem: None,
            verified: 8192,
            received: 8192,
            rate: 1e6,
            rate_limit: None,
            order: wstp_messages::BlockOrder::default(),
            seconds_left: Some(3.0),
            blocks: 3,
            verified_blocks: vec![BlockRange { first: 0, end: 1 }],
            received_blocks: vec![BlockRange { first: 1, end: 2 }],
            requested_blocks: vec![BlockRange { first: 2, end: 3 }],
            sources: vec![],
            root: None,
            saved_as: None,
            missing: 0,
            beside: 0,
            in_sandbox: false,
            added_ms: 0.0,
        }
    }

    #[test]
    fn speed_and_time_left_are_said_only_while_blocks_arrive() {
        let info = info(&view(TransferState::Downloading), String::new());
        assert_eq!(info.progress.speed(), "1.00 MB/s");
        assert_eq!(info.progress.left(), "3 s left");
        let paused = super::info(&view(TransferState::Paused), String::new());
        assert_eq!(paused.progress.speed(), "");
        assert_eq!(paused.progress.left(), "");
    }

    #[test]
    fn every_state_offers_a_way_on_and_a_way_out() {
        for (state, expected) in [
            (TransferState::Queued, vec![Action::First, Action::Pause, Action::Cancel]),
            (TransferState::Waiting { retry_seconds: 4.0 }, vec![Action::Retry, Action::Pause, Action::Cancel]),
            (TransferState::Paused, vec![Action::Resume, Action::Cancel]),
            (TransferState::Complete, vec![Action::Save, Action::Remove]),
            (TransferState::Saving, vec![Action::Cancel]),
            (TransferState::Cancelled, vec![Action::Resume, Action::Remove]),
            (TransferState::Failed, vec![Action::Retry, Action::Remove]),
        ] {
            assert_eq!(actions(&view(state)), expected, "{state:?}");
        }
    }

    #[test]
    fn the_next_in_line_is_not_offered_to_come_earlier() {
        let next = TransferView { place: Some(1), ..view(TransferState::Queued) };
        assert_eq!((words(&next), actions(&next)), ("Comes next".to_owned(), vec![Action::Pause, Action::Cancel]));
        assert_eq!(more(&next), [Action::Later]);
        let third = TransferView { place: Some(3), ..next };
        assert_eq!(
            (words(&third), more(&third)),
            ("Waits, number 3 in line".to_owned(), vec![Action::Earlier, Action::Later])
        );
    }

    #[test]
    fn what_does_not_fit_says_what_it_needs_and_may_begin_all_the_same() {
        let lacks = RoomView { needed: 16_500_000_000_000, to_save: 16_500_000_000_000, ..RoomView::default() };
        let huge =
            TransferView { lacks: Some(RoomView { free: 76_000_000_000, ..lacks }), ..view(TransferState::Queued) };
        let told = info(&huge, String::new());
        let trouble = told.trouble.unwrap();
        assert_eq!(trouble.what, "This needs 16.5 TB in the browser, and as much again while it is saved.");
        assert!(trouble.advice.starts_with("76.0 GB are free on the browser's disk. "), "{}", trouble.advice);
        assert_eq!((told.words.as_str(), told.tone, told.actions[0]), ("Waits for room", Tone::Warn, Action::Begin));
        let promised = room(&RoomView { promised: 50_000_000_000, is_least: true, ..lacks });
        assert!(promised.what.contains("needs at least 16.5 TB"), "{}", promised.what);
        assert!(promised.advice.contains("and other downloads still need 50.0 GB of that"), "{}", promised.advice);
    }

    #[test]
    fn a_source_says_whether_it_is_used_and_why_not() {
        let source = |standing, what: Option<&str>| SourceView {
            id: 1,
            label: "mirror:3000".to_owned(),
            path: "a".to_owned(),
            standing,
            verified: 8192,
            connections: 2,
            rate: 0.0,
            in_flight: 0,
            round_trip_ms: None,
            problem: what.map(|what| Problem { what: what.to_owned(), advice: String::new() }),
        };
        let wrong = Some("It sent wrong blocks.");
        for (given, expected) in [
            (source(SourceStanding::Used, None), "used"),
            (source(SourceStanding::Idle, wrong), "not asked now"),
            (source(SourceStanding::Waiting { retry_seconds: 3.2 }, None), "tried again in 4 s"),
            (source(SourceStanding::Benched, wrong), "left alone for a while: It sent wrong blocks."),
            (source(SourceStanding::GivenUp, wrong), "given up: It sent wrong blocks."),
        ] {
            assert_eq!(standing(&given), expected);
        }
    }

    fn folder(state: TransferState, folder: FolderView) -> TransferView {
        TransferView { folder: Some(folder), in_sandbox: true, ..view(state) }
    }

    #[test]
    fn a_folder_says_how_many_of_its_files_are_there() {
        let half = FolderView { files: 2000, done: 1204, is_walking: true, ..FolderView::default() };
        assert_eq!(words(&folder(TransferState::Downloading, half)), "1,204 of 2,000+ files");
        let walked = FolderView { is_walking: false, ..half };
        assert_eq!(words(&folder(TransferState::Paused, walked)), "Paused, 1,204 of 2,000 files");
        let saving = FolderView { done: 2000, saved: 12, ..walked };
        assert_eq!(words(&folder(TransferState::Saving, saving)), "Saving 12 of 2,000 files");
        assert_eq!(words(&folder(TransferState::Complete, saving)), "Saved 12 of 2,000 files");
        assert_eq!(actions(&folder(TransferState::Saving, saving)), [Action::Pause]);
    }

    #[test]
    fn a_folder_that_lacks_files_says_so_and_can_be_tried_again() {
        let lacking =
            folder(TransferState::Complete, FolderView { files: 9, done: 6, problems: 3, ..FolderView::default() });
        let told = info(&lacking, String::new());
        assert_eq!(told.trouble.unwrap().what, "3 files or folders could not be fetched.");
        assert_eq!((told.tone, told.actions), (Tone::Warn, vec![Action::Save, Action::Retry, Action::Remove]));
    }

    #[test]
    fn a_file_that_changed_is_offered_as_it_is_now() {
        let outdated = TransferView { is_outdated: true, ..view(TransferState::Failed) };
        assert_eq!(actions(&outdated), [Action::Update, Action::Remove]);
        assert_eq!(words(&outdated), "Changed on the server");
    }

    #[test]
    fn what_was_saved_under_another_name_says_under_which() {
        for (path, expected) in [
            ("/home/me/Downloads/music/a.flac", "Saved"),
            ("/home/me/Downloads/music/a (1).flac", "Saved as a (1).flac"),
            ("C:\\Users\\me\\Downloads\\a (1).flac", "Saved as a (1).flac"),
            ("Pictures/a.flac", "Saved in Pictures"),
            ("Pictures/a (1).flac", "Saved as Pictures/a (1).flac"),
        ] {
            let saved = TransferView { saved_as: Some(path.to_owned()), ..view(TransferState::Saved) };
            assert_eq!(words(&saved), expected);
        }
    }

    #[test]
    fn what_is_no_longer_where_it_was_saved_says_so_and_offers_a_way_to_get_it_back() {
        let place = "/home/me/Downloads/a.flac";
        let saved = TransferView { saved_as: Some(place.to_owned()), ..view(TransferState::Saved) };
        assert_eq!((actions(&saved), remedies(&saved)), (vec![Action::Show, Action::Remove], vec![]));
        let gone = TransferView { missing: 1, ..saved };
        for (view, remedy) in [
            (gone.clone(), vec![Action::Again]),
            (TransferView { in_sandbox: true, ..gone.clone() }, vec![Action::SaveAgain]),
            (TransferView { server: String::new(), ..gone.clone() }, vec![]),
        ] {
            let told = info(&view, String::new());
            assert_eq!((told.remedies, told.actions, told.tone), (remedy, vec![Action::Remove], Tone::Warn));
            assert_eq!((told.words.as_str(), short(&view).as_str()), ("No longer where it was saved", "moved away"));
            assert_eq!(told.trouble.unwrap().what, format!("This was saved as {place} and is no longer there."));
        }
    }

    #[test]
    fn a_folder_counts_its_files_that_are_no_longer_there() {
        let files = FolderView { files: 20_000, done: 20_000, saved: 20_000, ..FolderView::default() };
        let saved = TransferView { saved_as: Some("/d/music".to_owned()), ..folder(TransferState::Saved, files) };
        for (missing, what, can_be_shown) in [
            (1, "One of the files saved in /d/music is no longer there.", true),
            (3000, "3,000 of the files saved in /d/music are no longer there.", true),
            (10_000, "At least 10,000 of the files saved in /d/music are no longer there.", true),
            (20_000, "This was saved in /d/music, and its files are no longer there.", false),
        ] {
            let told = info(&TransferView { missing, ..saved.clone() }, String::new());
            assert_eq!(told.trouble.unwrap().what, what);
            assert_eq!((told.actions.contains(&Action::Show), told.remedies), (can_be_shown, vec![Action::SaveAgain]));
        }
    }

    #[test]
    fn the_next_try_is_announced_in_seconds() {
        assert_eq!(words(&view(TransferState::Waiting { retry_seconds: 3.2 })), "Retry in 4 s");
        assert_eq!(words(&view(TransferState::Waiting { retry_seconds: 0.0 })), "Retrying");
    }

    #[test]
    fn what_is_left_of_checking_is_told_in_percent() {
        assert_eq!(words(&view(TransferState::Checking { percent: 40 })), "Checking what is here, 40 %");
    }

    #[test]
    fn a_save_that_failed_is_a_warning_and_not_a_success() {
        let mut failed = view(TransferState::Complete);
        failed.problem = Some(Problem { what: "The disk is full.".to_owned(), advice: "Make room.".to_owned() });
        assert_eq!((tone(&failed), remedies(&failed)), (Tone::Warn, vec![Action::SaveInto]));
        assert_eq!(info(&failed, String::new()).trouble.unwrap().what, "The disk is full.");
    }

    #[test]
    fn what_chrome_asks_while_it_saves_is_told_and_can_be_answered() {
        let mut held = view(TransferState::Saving);
        held.problem = Some(Problem { what: "Chrome asks.".to_owned(), advice: "Answer.".to_owned() });
        let told = info(&held, String::new());
        assert_eq!((told.tone, told.actions), (Tone::Warn, vec![Action::Answer, Action::Cancel]));
        assert_eq!(told.trouble.unwrap().what, "Chrome asks.");
    }

    #[test]
    fn a_listing_never_says_a_hundred_percent_before_the_end() {
        let mut nearly = view(TransferState::Verifying);
        nearly.received = 20_000 - nearly.verified;
        assert_eq!(short(&nearly), "99 %");
        assert_eq!(short(&view(TransferState::Complete)), "complete");
    }
}
