use super::testing::{MemoryFile, Power, cases};
use super::*;
use wstp_engine::journal::End;

/// Four empty files: data, hashes, journals.
fn files(power: &Power) -> [MemoryFile; 4] {
    [(); 4].map(|()| MemoryFile::on(power))
}

fn open(files: &[MemoryFile; 4]) -> Result<FileStore<MemoryFile>, Unreadable<std::io::Error>> {
    let [data, hashes, first, second] = files.clone();
    FileStore::open(data, hashes, [first, second]).map(|(store, _)| store)
}

#[test]
fn a_store_in_memory_behaves_as_every_store() {
    for (name, check) in cases() {
        println!("{name}");
        check(open(&files(&Power::default())).unwrap());
    }
}

#[test]
fn zeros_take_the_place_of_the_bytes_of_an_earlier_run() {
    let files = files(&Power::default());
    files[0].write_at(0, &[7; 3000]).unwrap();
    let mut store = open(&files).unwrap();
    assert_eq!(store.perform(StoreRequest::WriteZeros { offset: 0, length: 2000 }).reply, StoreReply::Done);
    let mut bytes = [1; 3000];
    files[0].read_at(0, &mut bytes).unwrap();
    assert_eq!((&bytes[..2000], &bytes[2000..]), (&[0; 2000][..], &[7; 1000][..]));
}

/// Writes the numbers 1 to 5 to data and hashes, each followed by a record of 100 bytes.
fn requests() -> Vec<StoreRequest> {
    let steps = (1_u8..6).flat_map(|number| {
        let record = vec![number; 100];
        [
            StoreRequest::Write { offset: 0, data: vec![number; 8192].into() },
            StoreRequest::WriteHashes { first: 0, hashes: vec![[number; 32]] },
            if number == 3 { StoreRequest::Compact { journal: record } } else { StoreRequest::Commit { record } },
        ]
    });
    [StoreRequest::SetLength { size: 8192 }].into_iter().chain(steps).collect()
}

/// The highest number of a whole record.
fn last_record(journals: &[MemoryFile], unflushed_stay: bool) -> u8 {
    let last = |file: &MemoryFile| {
        let bytes = file.after_crash(unflushed_stay);
        bytes.as_chunks::<100>().0.last().map_or(0, |record| record[0])
    };
    journals.iter().map(last).max().unwrap_or(0)
}

/// Runs the requests until the power goes, after each number of calls once. `check` sees the files, and how many
/// records were answered by then.
fn with_each_loss_of_power(check: impl Fn(&[MemoryFile; 4], u8)) {
    for calls in 1.. {
        let files = files(&Power::for_calls(calls));
        let mut store = open(&files).unwrap();
        let mut answered = 0;
        let is_done = requests().into_iter().all(|request| {
            let is_record = matches!(request, StoreRequest::Commit { .. } | StoreRequest::Compact { .. });
            let is_done = store.perform(request).error.is_none();
            answered += u8::from(is_done && is_record);
            is_done
        });
        check(&files, answered);
        if is_done {
            assert_eq!(answered, 5);
            return;
        }
    }
}

/// The worst case: the journal keeps what was not flushed, and data and hashes lose it.
#[test]
fn a_record_never_speaks_of_data_that_is_not_durable() {
    with_each_loss_of_power(|files, _| {
        let record = last_record(&files[2..], true);
        for file in &files[..2] {
            assert!(file.after_crash(false).first().copied().unwrap_or(0) >= record, "record {record}");
        }
    });
}

#[test]
fn an_answered_record_is_durable() {
    with_each_loss_of_power(|files, answered| {
        assert!(last_record(&files[2..], false) >= answered, "{answered} were answered");
        if answered == 5 {
            assert_eq!([files[0].unflushed(), files[1].unflushed()], [0, 0]);
        }
    });
}

/// The next record then stands in the place of the failed one.
#[test]
fn a_failed_record_does_not_count() {
    // One call opens the store, and four make a record durable.
    for calls in 5..9 {
        let files = files(&Power::for_calls(calls));
        let mut store = open(&files).unwrap();
        let record = |number| StoreRequest::Commit { record: vec![number; 3] };
        assert_eq!(store.perform(record(1)).reply, StoreReply::Done);
        assert_eq!(store.perform(record(2)).reply, StoreReply::Failed(StoreError::Io));
        assert_eq!(store.journals().end(), End { file: 0, length: 3 }, "after {calls} calls");
    }
}

#[test]
fn a_torn_record_is_cut_off_when_the_journal_is_opened() {
    let files = files(&Power::default());
    files[2].write_at(0, b"half a record").unwrap();
    let store = open(&files).unwrap();
    assert_eq!((files[2].after_crash(true), store.journals().end()), (vec![], End::default()));
}

#[test]
fn a_journal_of_a_later_version_is_left_alone() {
    let files = files(&Power::default());
    let later = b"WSTPJRNL\xff\0\0\0 and what only that version knows";
    files[3].write_at(0, later).unwrap();
    assert!(matches!(open(&files), Err(Unreadable::OtherVersion)));
    assert_eq!(files[3].after_crash(true), later);
}
