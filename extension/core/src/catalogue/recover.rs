//! From a journal's bytes back to what the catalogue knew.
//!
//! A folder that can't be read is not taken for empty. Else files of transfers in no list would be deleted as strays,
//! and the fetched bytes with them.

use wstp_messages::{CommandId, Reply, Spot};
use wstp_records::Foreign;

use super::change::{Change, Record};
use super::model::Model;
use super::record::FORMAT;

/// Commands whose outcome is kept over a restart.
const MAX_DONE: usize = 256;

/// The content of a journal.
#[derive(Debug)]
pub struct Recovered {
    /// The journal with the highest counts.
    pub generation: u64,
    /// Everything that was durable.
    pub model: Model,
    /// The last commands that took effect, and what they were answered.
    pub done: Vec<(CommandId, Reply)>,
    /// The sequence number of the last record that counts.
    pub sequence: u64,
    /// Bytes up to the end of the last record that counts.
    pub valid: usize,
    /// Bytes of the snapshot at its start.
    pub snapshot: usize,
    /// The version it is written in.
    pub version: u32,
    /// Whether all of it is there.
    pub wholeness: Wholeness,
}

/// Whether all of a list is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wholeness {
    /// As far as can be told.
    Whole,
    /// A newer list may have been damaged, or cut off before it counted.
    Uncertain,
    /// Some of it is damaged; it is as near as can be told.
    Damaged,
}

/// Why there is no list, although there was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Another version of the extension wrote it.
    OtherVersion,
    /// None of it makes sense.
    Damaged,
}

/// Reads both files of a journal: which of them counts and what it says; `None` where there never was a list.
/// `has_files` says whether there are files of any transfer.
///
/// # Errors
///
/// When there is a list and it can't be read.
pub fn recover(files: [&[u8]; 2], has_files: bool) -> Result<Option<(usize, Recovered)>, Unreadable> {
    let (mut found, mut is_any_unread) = (None, false);
    for (index, bytes) in files.into_iter().enumerate() {
        let journal = read(bytes).map_err(|Foreign| Unreadable::OtherVersion)?;
        let is_later = |best: &(usize, Recovered), journal: &Recovered| best.1.generation < journal.generation;
        is_any_unread |= journal.is_none() && !bytes.is_empty();
        if let Some(journal) = journal
            && found.as_ref().is_none_or(|best| is_later(best, &journal))
        {
            found = Some((index, journal));
        }
    }
    match &mut found {
        None if has_files || files.into_iter().any(is_spoilt) => return Err(Unreadable::Damaged),
        Some((_, journal)) if is_any_unread && journal.wholeness == Wholeness::Whole => {
            journal.wholeness = Wholeness::Uncertain;
        }
        _ => {}
    }
    Ok(found)
}

/// Whether a file that can't be read is more than the beginning of a first list that was cut off.
fn is_spoilt(bytes: &[u8]) -> bool {
    match FORMAT.open(bytes) {
        Ok(Some(mut reader)) => reader.skip_damage() || !reader.is_cut_off(),
        Ok(None) => bytes.iter().any(|byte| *byte != 0),
        Err(Foreign) => true,
    }
}

/// Reads a journal; `None` if not even its snapshot is whole.
fn read(bytes: &[u8]) -> Result<Option<Recovered>, Foreign> {
    let Some(mut reader) = FORMAT.open(bytes)? else { return Ok(None) };
    let version = reader.version();
    let Some(first) = reader.next_record()? else { return Ok(None) };
    let Record::Snapshot { generation, mut model } = first else { return Err(Foreign) };
    model.index();
    let snapshot = reader.position();
    let (mut done, mut wholeness) = (Vec::new(), Wholeness::Whole);
    let valid = loop {
        while let Some(record) = reader.next_record()? {
            let Record::Change { command, change } = record else { return Err(Foreign) };
            done.extend(command.map(|command| (command, reply(&change))));
            model.apply(change);
        }
        let end = reader.position();
        if !reader.skip_damage() {
            break end;
        }
        wholeness = Wholeness::Damaged;
    };
    done.drain(..done.len().saturating_sub(MAX_DONE));
    let sequence = reader.sequence().unwrap_or_default();
    Ok(Some(Recovered { generation, model, done, sequence, valid, snapshot, version, wholeness }))
}

fn reply(change: &Change) -> Reply {
    match change {
        Change::Added(item) => Reply::Transfer { transfer: item.id.clone(), existing: false },
        Change::Used(server) => Reply::Connected { server: server.clone(), spot: Spot::default() },
        _ => Reply::Done,
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use std::collections::BTreeMap;

    use super::super::about::About;
    use super::super::item::{Goal, Item, Kept, Place, Save};
    use super::super::mirror::Mirror;
    use super::super::model::Model;
    use super::*;
    use proptest::prelude::*;
    use wstp_messages::{
        BlockOrder, BlockRange, FolderView, NamedBy, Notice, Notify, Problem, ServerView, Settings, TransferId,
    };
    use wstp_records::Format;

    use crate::folder_layout::{Trouble, read_problems};

    fn set(connections: u8) -> Record {
        Record::Change {
            command: Some(CommandId(format!("{connections:032x}"))),
            change: Change::Set(Settings { connections, ..Settings::default() }),
        }
    }

    fn added(number: u64) -> Record {
        let item = Item::new(TransferId(format!("{number:032x}")), "s".into(), "p".into(), number, 0.0);
        Record::Change { command: None, change: Change::Added(Box::new(item)) }
    }

    fn snapshot(generation: u64, transfers: u64) -> Record {
        let mut model = Model::default();
        for number in 0..transfers {
            let item = Item::new(TransferId(format!("{number:032x}")), "s".into(), "p".into(), number, 0.0);
            model.apply(Change::Added(Box::new(item)));
        }
        Record::Snapshot { generation, model: model.written() }
    }

    fn journal() -> Vec<u8> {
        [FORMAT.begin(10, &snapshot(3, 0)), FORMAT.encode(11, &set(2)), FORMAT.encode(12, &set(3))].concat()
    }

    fn recovered(bytes: &[u8]) -> Option<Recovered> {
        recover([bytes, &[]], false).unwrap().map(|(_, recovered)| recovered)
    }

    #[test]
    fn a_whole_journal_comes_back() {
        let bytes = journal();
        let recovered = recovered(&bytes).unwrap();
        assert_eq!((recovered.generation, recovered.sequence, recovered.valid), (3, 12, bytes.len()));
        assert_eq!(recovered.model.settings().connections, 3);
        assert_eq!(recovered.done[1], (CommandId(format!("{:032x}", 3)), Reply::Done));
    }

    #[test]
    fn a_torn_last_record_does_not_count() {
        let bytes = journal();
        let recovered = recovered(&bytes[..bytes.len() - 1]).unwrap();
        assert_eq!((recovered.sequence, recovered.model.settings().connections), (11, 2));
    }

    #[test]
    fn a_first_start_that_was_cut_off_begins_anew() {
        assert!(recovered(&journal()[..30]).is_none());
        assert!(recovered(&[]).is_none());
    }

    #[test]
    fn no_list_beside_files_of_transfers_is_a_damaged_one() {
        let mut spoilt = journal();
        spoilt[28] ^= 1;
        for files in [[&spoilt[..], &[]], [&[], &journal()[..30]], [&[], &[]], [b"something else", &[0; 4000]]] {
            assert_eq!(recover(files, true).unwrap_err(), Unreadable::Damaged);
        }
    }

    #[test]
    fn a_list_that_was_spoilt_is_no_first_start_even_where_nothing_was_fetched() {
        let mut spoilt = journal();
        spoilt[28] ^= 1;
        for files in [[&spoilt[..], &[]], [b"something else", &[]]] {
            assert_eq!(recover(files, false).unwrap_err(), Unreadable::Damaged);
        }
    }

    #[test]
    fn a_list_of_another_version_is_not_an_empty_one() {
        let ours = journal();
        let mut newer = ours.clone();
        newer[8] += 1;
        let before_versions = &older(1, &snapshot(3, 0))[12..];
        let unknown_change = [&ours[..], &FORMAT.encode(13, &(1_u8, 0_u8, 99_u8))].concat();
        let no_snapshot = FORMAT.begin(1, &set(1));
        for other in [&newer, before_versions, &unknown_change, &no_snapshot] {
            for files in [[other, &[]], [&[], other], [&ours, other], [other, &ours]] {
                assert_eq!(recover(files, false).unwrap_err(), Unreadable::OtherVersion);
            }
        }
    }

    #[test]
    fn a_damaged_record_costs_no_other() {
        let later = (11..).zip([added(1), set(2), added(2)]).map(|(sequence, record)| FORMAT.encode(sequence, &record));
        let records: Vec<_> = std::iter::once(FORMAT.begin(10, &snapshot(3, 0))).chain(later).collect();
        let mut bytes = records.concat();
        bytes[records[0].len() + records[1].len() + 20] ^= 1;
        let recovered = recovered(&bytes).unwrap();
        assert_eq!(recovered.wholeness, Wholeness::Damaged);
        assert_eq!((recovered.model.transfers(), recovered.model.settings()), (2, Settings::default()));
    }

    #[test]
    fn a_list_beside_one_that_can_not_be_read_is_not_certain() {
        let mut newer = FORMAT.begin(20, &snapshot(4, 2));
        newer[40] ^= 1;
        let (_, recovered) = recover([&journal(), &newer], true).unwrap().unwrap();
        assert_eq!((recovered.generation, recovered.wholeness), (3, Wholeness::Uncertain));
        let (_, recovered) = recover([&journal(), &[]], true).unwrap().unwrap();
        assert_eq!(recovered.wholeness, Wholeness::Whole);
    }

    /// A journal of a single record as the first versions wrote it: its length did not count the sequence number.
    fn older(version: u32, record: &impl serde::Serialize) -> Vec<u8> {
        let mut bytes = Format { version, ..FORMAT }.begin(10, record);
        let length = u32::from_le_bytes(*bytes[12..].first_chunk().unwrap()) - 8;
        bytes[12..16].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    #[test]
    fn a_list_that_ends_before_the_newest_fields_is_read() {
        let settings = Settings { connections: 5, ..Settings::default() };
        let written = (settings.active_transfers, settings.connections, settings.rate_limit, false, true);
        let first = (0_u8, 3_u64, BTreeMap::<u64, ()>::new(), Vec::<()>::new(), written);
        let in_order = [TransferId("ab".repeat(16))];
        let second = (&first, &in_order[..]);
        for (version, bytes) in [(1, older(1, &first)), (2, older(2, &second))] {
            let recovered = recovered(&bytes).unwrap();
            assert_eq!((recovered.version, recovered.sequence, recovered.generation), (version, 10, 3));
            assert_eq!((recovered.model.settings(), recovered.model.notice()), (settings, None));
            let is_in_order = recovered.model.order(&in_order[0]) == BlockOrder::InOrder;
            assert_eq!(is_in_order, version == 2);
        }
    }

    #[test]
    fn all_settings_come_back_from_a_snapshot_and_from_a_change_of_before() {
        let settings = Settings { notify: Notify::Problems, connections: 5, ..Settings::default() };
        let mut model = Model::default();
        model.apply(Change::Set(settings));
        let bytes = FORMAT.begin(10, &Record::Snapshot { generation: 1, model: model.written() });
        assert_eq!(recovered(&bytes).unwrap().model.settings(), settings);
        // A change of settings ended there before.
        let before = (1_u8, None::<CommandId>, 10_u8, (2_u8, 7_u8, None::<u64>, true, true));
        let bytes = [bytes, FORMAT.encode(11, &before)].concat();
        let expected =
            Settings { active_transfers: 2, connections: 7, save_when_complete: true, ..Settings::default() };
        assert_eq!(recovered(&bytes).unwrap().model.settings(), expected);
    }

    fn id(number: u8) -> TransferId {
        TransferId(format!("{number:02x}").repeat(16))
    }

    fn mirror(id: u32, named_by: NamedBy, address: &str) -> Mirror {
        Mirror { id, named_by, address: address.into(), path: "p".into() }
    }

    /// A snapshot of a file with two mirrors, and a change that adds a third. A build encoded them in which the numbers
    /// alone told who named them.
    #[test]
    fn older_records_tell_by_the_number_of_a_mirror_who_named_it() {
        let recovered = recovered(include_bytes!("../../fixtures/mirrors-4.journal")).unwrap();
        let item = recovered.model.item(&id(1)).unwrap();
        let expected = [
            mirror(1, NamedBy::User, "ws://user:3000/ws"),
            mirror(1 << 31, NamedBy::Server, "ws://offered:3000/ws"),
            mirror((1 << 31) + 1, NamedBy::Server, "http://offered/a"),
        ];
        assert_eq!(item.mirrors, expected);
    }

    #[test]
    fn a_record_tells_who_named_a_mirror_whatever_its_number() {
        let mirrors = [
            mirror(9, NamedBy::Server, "ws://offered:3000/ws"),
            mirror(1 << 31, NamedBy::User, "ws://user:3000/ws"),
            mirror(10, NamedBy::Server, "http://offered/a"),
        ];
        let mut model = Model::default();
        let item = Item { mirrors: mirrors[..2].to_vec(), ..file_of_before() };
        model.apply(Change::Added(Box::new(item)));
        let snapshot = Record::Snapshot { generation: 1, model: model.written() };
        let change = Change::source_added(id(1), mirrors[2].clone());
        let added = Record::Change { command: None, change };
        let bytes = [FORMAT.begin(1, &snapshot), FORMAT.encode(2, &added)].concat();
        assert_eq!(recovered(&bytes).unwrap().model.item(&id(1)).unwrap().mirrors, mirrors);
    }

    /// The file in the list that the version before wrote.
    fn file_of_before() -> Item {
        Item {
            modified_ms: Some(-7),
            mirrors: vec![mirror(3, NamedBy::User, "http://mirror/a%20b.mkv")],
            declined: vec!["http://other/a".into()],
            rate_limit: Some(9_000),
            kept: Kept {
                size: 70_000,
                folder: None,
                verified: 16_384,
                received: 8_192,
                verified_blocks: vec![BlockRange { first: 0, end: 2 }],
                received_blocks: vec![BlockRange { first: 3, end: 4 }],
                root: Some("ab".repeat(32)),
            },
            ..Item::new(id(1), "ws://nas:3000/ws".into(), "films/a b.mkv".into(), 70_000, 1.5)
        }
    }

    /// The code of commit 9b63afb wrote the files: it encoded these facts with `record::begin` and `record::encode`,
    /// `About::encode` and `encode_problems`.
    #[test]
    fn what_the_version_before_wrote_is_read() {
        let mut folder = Item::folder(id(2), "ws://nas:3000/ws".into(), "photos".into(), 2.5);
        (folder.goal, folder.saved) = (Goal::Pause, vec![0..2]);
        folder.kept.folder = Some(FolderView { files: 5, done: 2, problems: 1, is_walking: false, saved: 2 });
        let problem = Problem { what: "w".into(), advice: "a".into() };
        let server =
            ServerView { address: "ws://nas:3000/ws".into(), label: "nas:3000".into(), agent: "wstp-server 0".into() };
        let mut model = Model::default();
        for change in [
            Change::Used(server),
            Change::Added(Box::new(file_of_before())),
            Change::Added(Box::new(folder)),
            Change::Ordered(id(1), BlockOrder::InOrder),
            Change::Begun(id(1)),
            Change::Noticed(Some(Notice { problem: problem.clone(), is_lasting: true })),
            Change::SavedInto(id(2), Place::Picked("photos".into())),
            // From here on as changes behind the snapshot.
            Change::Set(Settings { connections: 3, ..Settings::default() }),
            Change::Completed { id: id(1), size: 70_000, root: Some("cd".repeat(32)) },
            Change::Save(id(1), Save::Saved("Downloads/a b.mkv".into())),
        ] {
            model.apply(change);
        }
        let bytes = include_bytes!("../../fixtures/list-3.journal");
        let recovered = recovered(bytes).unwrap();
        assert_eq!((recovered.version, recovered.generation, recovered.sequence), (3, 6, 44));
        assert_eq!((recovered.valid, recovered.wholeness), (bytes.len(), Wholeness::Whole));
        assert_eq!(recovered.done, [(CommandId("0f".repeat(16)), Reply::Done)]);
        assert_eq!(recovered.model, model);
        let about = About::read(include_bytes!("../../fixtures/about-3")).unwrap().unwrap();
        assert_eq!(about, About::of(&file_of_before()));
        let trouble = Trouble { path: "photos/b".into(), size: 5, problem, is_left_out: true };
        assert_eq!(read_problems(include_bytes!("../../fixtures/problems-3")), [trouble]);
    }

    proptest! {
        /// The power goes while a snapshot is written into the other file: any part of it may have reached the disk.
        #[test]
        fn a_snapshot_that_was_not_flushed_counts_only_as_a_whole(
            cut in any::<prop::sample::Index>(),
            lost in any::<u64>(),
            transfers in 1u64..40,
            old_is_first: bool,
        ) {
            let (old, whole) = (journal(), FORMAT.begin(13, &snapshot(4, transfers)));
            let mut new = whole[..cut.index(whole.len() + 1)].to_vec();
            for (part, piece) in new.chunks_mut(64).enumerate() {
                if lost >> (part % 64) & 1 == 1 {
                    piece.fill(0);
                }
            }
            let files = if old_is_first { [&old[..], &new[..]] } else { [&new[..], &old[..]] };
            let (index, recovered) = recover(files, true).unwrap().unwrap();
            let expected = if new == whole { (usize::from(old_is_first), 4) } else { (usize::from(!old_is_first), 3) };
            prop_assert_eq!((index, recovered.generation), expected);
        }

        /// The power goes while a record is appended.
        #[test]
        fn a_record_that_was_not_flushed_counts_only_as_a_whole(cut in any::<prop::sample::Index>(), lost in any::<u64>()) {
            let (old, record) = (journal(), FORMAT.encode(13, &set(4)));
            let mut torn = record[..cut.index(record.len() + 1)].to_vec();
            for (part, piece) in torn.chunks_mut(5).enumerate() {
                if lost >> (part % 64) & 1 == 1 {
                    piece.fill(0);
                }
            }
            let (_, recovered) = recover([&[old.clone(), torn.clone()].concat(), &[]], true).unwrap().unwrap();
            let expected = if torn == record { (13, old.len() + record.len(), 4) } else { (12, old.len(), 3) };
            prop_assert_eq!((recovered.sequence, recovered.valid, recovered.model.settings().connections), expected);
        }
    }
}
