//! From a journal's bytes back to what the catalogue knew.
//!
//! What can't be read is not taken for nothing: files of transfers that are in no list would be deleted as strays, and with them what was fetched.

use wstp_messages::{CommandId, Reply, Spot};

use super::model::{Change, Model, Record};
use super::record::{Foreign, Reader};

/// Commands whose outcome is kept over a restart.
const MAX_DONE: usize = 256;

/// What a journal says.
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

/// Reads both files of a journal: which of them counts and what it says; `None` where there never was a list. `has_files` says whether there are
/// files of any transfer.
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
    match Reader::open(bytes) {
        Ok(Some(mut reader)) => reader.skip_damage() || !reader.is_cut_off(),
        Ok(None) => bytes.iter().any(|byte| *byte != 0),
        Err(Foreign) => true,
    }
}

/// Reads a journal; `None` if not even its snapshot is whole.
fn read(bytes: &[u8]) -> Result<Option<Recovered>, Foreign> {
    let Some(mut reader) = Reader::open(bytes)? else { return Ok(None) };
    let version = reader.version();
    let Some(first) = reader.next_with(Model::missing_of(version))? else { return Ok(None) };
    let Record::Snapshot { generation, mut model } = first else { return Err(Foreign) };
    model.index();
    let snapshot = reader.position();
    let (mut done, mut wholeness) = (Vec::new(), Wholeness::Whole);
    let valid = loop {
        while let Some(record) = reader.next()? {
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
    use super::super::model::{Item, Model};
    use super::super::record::{begin, encode};
    use super::*;
    use proptest::prelude::*;
    use wstp_messages::{Settings, TransferId};

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
        Record::Snapshot { generation, model }
    }

    fn journal() -> Vec<u8> {
        [begin(10, &snapshot(3, 0)), encode(11, &set(2)), encode(12, &set(3))].concat()
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
        let before_versions = &ours[12..];
        let unknown_change = [&ours[..], &encode(13, &(1_u8, 0_u8, 99_u8))].concat();
        let no_snapshot = begin(1, &set(1));
        for other in [&newer, before_versions, &unknown_change, &no_snapshot] {
            for files in [[other, &[]], [&[], other], [&ours, other], [other, &ours]] {
                assert_eq!(recover(files, false).unwrap_err(), Unreadable::OtherVersion);
            }
        }
    }

    #[test]
    fn a_damaged_record_costs_no_other() {
        let records = [begin(10, &snapshot(3, 0)), encode(11, &added(1)), encode(12, &set(2)), encode(13, &added(2))];
        let mut bytes = records.concat();
        bytes[records[0].len() + records[1].len() + 20] ^= 1;
        let recovered = recovered(&bytes).unwrap();
        assert_eq!(recovered.wholeness, Wholeness::Damaged);
        assert_eq!((recovered.model.transfers(), recovered.model.settings()), (2, Settings::default()));
    }

    #[test]
    fn a_list_beside_one_that_can_not_be_read_is_not_certain() {
        let mut newer = begin(20, &snapshot(4, 2));
        newer[40] ^= 1;
        let (_, recovered) = recover([&journal(), &newer], true).unwrap().unwrap();
        assert_eq!((recovered.generation, recovered.wholeness), (3, Wholeness::Uncertain));
        let (_, recovered) = recover([&journal(), &[]], true).unwrap().unwrap();
        assert_eq!(recovered.wholeness, Wholeness::Whole);
    }

    #[test]
    fn a_list_of_an_older_version_is_read() {
        // A snapshot of the second version: nothing in it but the settings, and no transfer whose blocks come in order.
        let body = |version: usize| {
            let whole = begin(10, &snapshot(3, 0));
            let body = &whole[28..whole.len() - Model::missing_of(version as u32).len()];
            let mut sealed = [vec![0; 16], body.to_vec()].concat();
            crate::catalogue::record::tests::reseal(&mut sealed, 10);
            let mut bytes = [&whole[..12], &sealed].concat();
            bytes[8] = version as u8;
            bytes
        };
        for version in [1, 2] {
            let recovered = recovered(&body(version)).unwrap();
            assert_eq!((recovered.version, recovered.model.notice()), (version as u32, None));
        }
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
            let (old, whole) = (journal(), begin(13, &snapshot(4, transfers)));
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
            let (old, record) = (journal(), encode(13, &set(4)));
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
