//! The behaviour that a store has on every system.

use std::fmt::Debug;

use wstp_engine::journal::End;
use wstp_engine::{StoreError, StoreReply, StoreRequest};
use wstp_protocol::BlockRun;
use wstp_protocol::tree::{Tree, hash_block};

use crate::store::{BlockFile, FileStore, Stored};

/// More than is read back at once, and no whole number of blocks.
const SIZE: u64 = 40 * 8192 + 5;

/// A case: its name, and the check of a store.
pub type Case<F> = (&'static str, fn(FileStore<F>));

/// The cases. Each one needs a new store of four empty files.
pub fn cases<F: BlockFile<Error: Debug>>() -> [Case<F>; 8] {
    [
        ("a gap is filled with zeros", a_gap_is_filled_with_zeros),
        ("a file can be cut and grows with zeros", a_file_can_be_cut_and_grows_with_zeros),
        ("zeros take the place of what was there", zeros_take_the_place_of_what_was_there),
        ("data is read back and hashed", data_is_read_back_and_hashed),
        ("hashes are kept apart from data", hashes_are_kept_apart_from_data),
        ("records follow each other", records_follow_each_other),
        ("a compacted journal takes the former one's place", a_compacted_journal_takes_the_former_ones_place),
        ("a probe for room leaves nothing behind", a_probe_for_room_leaves_nothing_behind),
    ]
}

fn content<F: BlockFile<Error: Debug>>(file: &F) -> Vec<u8> {
    let mut bytes = vec![0; file.size().expect("it has a size") as usize];
    file.read_at(0, &mut bytes).expect("it has that many bytes");
    bytes
}

fn journals<F: BlockFile<Error: Debug>>(store: &FileStore<F>) -> [Vec<u8>; 2] {
    store.journals().files().map(content)
}

/// The outcome of a request. The error has to agree with the reply.
fn reply<F: BlockFile<Error: Debug>>(store: &mut FileStore<F>, request: StoreRequest) -> StoreReply {
    let Stored { reply, error } = store.perform(request);
    if let Some(error) = error {
        assert_eq!(reply, StoreReply::Failed(F::kind(&error)), "{error:?}");
    }
    reply
}

fn done<F: BlockFile<Error: Debug>>(store: &mut FileStore<F>, request: StoreRequest) {
    assert_eq!(reply(store, request), StoreReply::Done);
}

fn write(offset: u64, data: &[u8]) -> StoreRequest {
    StoreRequest::Write { offset, data: data.to_vec().into() }
}

fn a_gap_is_filled_with_zeros<F: BlockFile<Error: Debug>>(mut store: FileStore<F>) {
    done(&mut store, write(100_000, b"end"));
    done(&mut store, write(0, b"begin"));
    let found = content(store.data());
    assert_eq!((&found[..8], &found[99_999..]), (&b"begin\0\0\0"[..], &b"\0end"[..]));
}

fn a_file_can_be_cut_and_grows_with_zeros<F: BlockFile<Error: Debug>>(mut store: FileStore<F>) {
    done(&mut store, write(0, &[7; 1000]));
    done(&mut store, StoreRequest::SetLength { size: 10 });
    let past_the_end = store.data().read_at(5, &mut [0; 6]).expect_err("it ends before");
    assert_eq!(F::kind(&past_the_end), StoreError::Missing);
    done(&mut store, StoreRequest::SetLength { size: 12 });
    assert_eq!(content(store.data()), [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0]);
}

fn zeros_take_the_place_of_what_was_there<F: BlockFile<Error: Debug>>(mut store: FileStore<F>) {
    let zeros = |offset, length| StoreRequest::WriteZeros { offset, length };
    done(&mut store, StoreRequest::SetLength { size: 3 << 20 });
    done(&mut store, write(0, &[7; 2 << 20]));
    done(&mut store, zeros(5000, (2 << 20) - 1000));
    done(&mut store, write(12_000, b"x"));
    let mut expected = vec![0; 3 << 20];
    expected[..5000].fill(7);
    expected[12_000] = b'x';
    assert!(content(store.data()) == expected);
    done(&mut store, zeros(0, 3 << 20));
    assert!(content(store.data()) == vec![0; 3 << 20]);
}

fn data_is_read_back_and_hashed<F: BlockFile<Error: Debug>>(mut store: FileStore<F>) {
    let data: Vec<_> = (0..SIZE).map(|at| (at % 251) as u8).collect();
    done(&mut store, StoreRequest::SetLength { size: SIZE });
    done(&mut store, write(8192, &data[8192..]));
    let hash = |(block, bytes)| hash_block(Tree::of_size(SIZE), block, bytes);
    let hashes: Vec<_> = (0..).zip(data.chunks(8192)).map(hash).collect();
    let rehash = |first, count| StoreRequest::Rehash { run: BlockRun { first, count }, size: SIZE };
    assert_eq!(reply(&mut store, rehash(1, 40)), StoreReply::Hashes(hashes[1..].to_vec()));
    assert_ne!(reply(&mut store, rehash(0, 1)), StoreReply::Hashes(hashes[..1].to_vec()), "it was never written");
    assert_eq!(reply(&mut store, rehash(40, 2)), StoreReply::Failed(StoreError::Missing));
    done(&mut store, StoreRequest::SetLength { size: SIZE - 1 });
    assert_eq!(reply(&mut store, rehash(40, 1)), StoreReply::Failed(StoreError::Missing));
}

fn hashes_are_kept_apart_from_data<F: BlockFile<Error: Debug>>(mut store: FileStore<F>) {
    let hashes = vec![[1; 32], [2; 32], [3; 32]];
    done(&mut store, StoreRequest::WriteHashes { first: 5, hashes: hashes.clone() });
    let read = |first, count| StoreRequest::ReadHashes { run: BlockRun { first, count } };
    assert_eq!(reply(&mut store, read(6, 2)), StoreReply::Hashes(hashes[1..].to_vec()));
    assert_eq!(reply(&mut store, read(7, 2)), StoreReply::Failed(StoreError::Missing));
    assert!(content(store.data()).is_empty());
}

fn records_follow_each_other<F: BlockFile<Error: Debug>>(mut store: FileStore<F>) {
    for record in [vec![1, 2], vec![3]] {
        done(&mut store, StoreRequest::Commit { record });
    }
    assert_eq!((journals(&store), store.journals().end()), ([vec![1, 2, 3], vec![]], End { file: 0, length: 3 }));
}

fn a_compacted_journal_takes_the_former_ones_place<F: BlockFile<Error: Debug>>(mut store: FileStore<F>) {
    done(&mut store, StoreRequest::Commit { record: vec![1; 9] });
    done(&mut store, StoreRequest::Compact { journal: vec![2; 4] });
    done(&mut store, StoreRequest::Commit { record: vec![3] });
    assert_eq!((journals(&store), store.journals().end()), ([vec![], vec![2, 2, 2, 2, 3]], End { file: 1, length: 5 }));
    done(&mut store, StoreRequest::Compact { journal: vec![4] });
    assert_eq!((journals(&store), store.journals().end()), ([vec![4], vec![]], End { file: 0, length: 1 }));
}

fn a_probe_for_room_leaves_nothing_behind<F: BlockFile<Error: Debug>>(mut store: FileStore<F>) {
    done(&mut store, StoreRequest::Commit { record: b"kept".to_vec() });
    assert!(store.journals().has_room(3 << 20));
    assert_eq!(journals(&store), [b"kept".to_vec(), vec![]]);
    done(&mut store, StoreRequest::Commit { record: b"more".to_vec() });
    assert_eq!(journals(&store), [b"keptmore".to_vec(), vec![]]);
}
