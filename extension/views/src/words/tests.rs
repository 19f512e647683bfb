use wstp_messages::{FolderView, Problem, RoomView, SourceStanding, SourceView, TransferId};
use wstp_ui::transfer_row::Action;
use wstp_words::Phrase;

use super::actions::{actions, more, remedies};
use super::details::standing;
use super::trouble::room;
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
        needs_login: false,
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
fn a_transfer_that_waits_for_a_login_offers_it() {
    let waiting = TransferView { needs_login: true, ..view(TransferState::Queued) };
    let told = info(&waiting, String::new());
    assert_eq!(
        (told.words.as_str(), told.tone, told.remedies),
        ("Waiting for you to log in", Tone::Warn, vec![Action::LogIn])
    );
    assert_eq!(told.actions, [Action::Retry, Action::Pause, Action::Cancel]);
    assert!(told.more.is_empty());
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
fn a_file_that_comes_or_is_here_can_be_previewed_if_a_page_can_show_it() {
    let complete = TransferView { in_sandbox: true, ..view(TransferState::Complete) };
    assert_eq!(more(&view(TransferState::Downloading)), [Action::Preview]);
    assert_eq!(more(&complete), [Action::Preview, Action::SaveInto]);
    for name in ["a.bin", "flac"] {
        assert_eq!(more(&TransferView { name: name.to_owned(), ..complete.clone() }), [Action::SaveInto], "{name}");
    }
    assert!(!more(&TransferView { in_sandbox: false, ..view(TransferState::Saved) }).contains(&Action::Preview));
}

#[test]
fn the_next_in_line_is_not_offered_to_come_earlier() {
    let next = TransferView { place: Some(1), ..view(TransferState::Queued) };
    assert_eq!((words(&next), actions(&next)), ("Next in line".to_owned(), vec![Action::Pause, Action::Cancel]));
    assert_eq!(more(&next), [Action::Later]);
    let third = TransferView { place: Some(3), ..next };
    assert_eq!((words(&third), more(&third)), ("Number 3 in line".to_owned(), vec![Action::Earlier, Action::Later]));
}

#[test]
fn what_does_not_fit_says_what_it_needs_and_may_begin_all_the_same() {
    let lacks = RoomView { needed: 16_500_000_000_000, to_save: 16_500_000_000_000, ..RoomView::default() };
    let huge = TransferView { lacks: Some(RoomView { free: 76_000_000_000, ..lacks }), ..view(TransferState::Queued) };
    let told = info(&huge, String::new());
    let trouble = told.trouble.unwrap();
    assert_eq!(trouble.what, "This needs 16.5 TB in the browser, and as much again while it is saved.");
    assert!(trouble.advice.starts_with("76.0 GB are free on the browser's disk. "), "{}", trouble.advice);
    assert_eq!((told.words.as_str(), told.tone, told.actions[0]), ("Waiting for space", Tone::Warn, Action::Begin));
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
        problem: what.map(|what| Problem { what: what.into(), advice: Phrase::default() }),
    };
    let wrong = Some("It sent wrong blocks.");
    for (given, expected) in [
        (source(SourceStanding::Used, None), "in use"),
        (source(SourceStanding::Idle, wrong), "idle"),
        (source(SourceStanding::Waiting { retry_seconds: 3.2 }, None), "retrying in 4 s"),
        (source(SourceStanding::Benched, wrong), "paused: It sent wrong blocks."),
        (source(SourceStanding::GivenUp, wrong), "no longer used: It sent wrong blocks."),
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
    assert_eq!(told.trouble.unwrap().what, "3 files or folders could not be downloaded.");
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
        assert_eq!((told.words.as_str(), short(&view).as_str()), ("Moved or deleted", "moved"));
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
    assert_eq!(words(&view(TransferState::Checking { percent: 40 })), "Checking, 40 %");
}

#[test]
fn a_save_that_failed_is_a_warning_and_not_a_success() {
    let mut failed = view(TransferState::Complete);
    failed.problem = Some(Problem { what: "The disk is full.".into(), advice: "Make room.".into() });
    assert_eq!((tone(&failed), remedies(&failed)), (Tone::Warn, vec![Action::SaveInto]));
    assert_eq!(info(&failed, String::new()).trouble.unwrap().what, "The disk is full.");
}

#[test]
fn what_chrome_asks_while_it_saves_is_told_and_can_be_answered() {
    let mut held = view(TransferState::Saving);
    held.problem = Some(Problem { what: "Chrome asks.".into(), advice: "Answer.".into() });
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
