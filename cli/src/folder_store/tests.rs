use super::*;
use crate::exit::Code;
use bytes::Bytes;

fn open(output: &Path) -> FolderStore {
    FolderStore::open(output, false).unwrap().0
}

fn keep(store: &mut FolderStore, file: u32, place: &str, data: &[u8]) -> Result<Option<Saved>, Failure> {
    let (file, place, root) = (FileId(file), place.into(), *blake3::hash(data).as_bytes());
    let to_keep = ToKeep { file, place, root, modified_ms: None, data: Bytes::copy_from_slice(data) };
    store.keep(&[to_keep]).remove(0).1
}

#[test]
fn files_appear_in_their_places_with_the_commit_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("new");
    let mut store = open(&output);
    keep(&mut store, 0, "a", b"A").unwrap();
    keep(&mut store, 1, "sub/deep/b", b"").unwrap();
    assert!(!output.join("a").exists());
    let saved = store.commit(b"record").unwrap();
    assert_eq!(saved.iter().map(|saved| saved.size).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(
        (fs::read(output.join("a")).unwrap(), fs::read(output.join("sub/deep/b")).unwrap()),
        (b"A".to_vec(), vec![])
    );
    store.discard_with_output();
    assert!(output.join("a").exists() && !output.join(".wstp").exists());
}

#[test]
fn what_is_there_is_compared_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("same"), "same").unwrap();
    fs::write(dir.path().join("other"), "mine").unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    let mut store = open(dir.path());
    assert!(keep(&mut store, 0, "same", b"same").unwrap().is_some());
    assert_eq!(keep(&mut store, 1, "other", b"them").unwrap_err().code, Code::Differs);
    assert_eq!(keep(&mut store, 2, "folder", b"").unwrap_err().code, Code::Differs);
    assert_eq!(store.commit(b"").unwrap(), []);
    store.update = true;
    assert!(keep(&mut store, 1, "other", b"them").unwrap().is_none());
    store.commit(b"").unwrap();
    assert_eq!(fs::read(dir.path().join("other")).unwrap(), b"them");
}

#[test]
fn of_many_at_once_each_has_its_own_answer() {
    let dir = tempfile::tempdir().unwrap();
    let place = |number: u32| PathBuf::from(format!("new/{number}"));
    let bytes = |number: u32| Bytes::from(vec![number as u8; number as usize]);
    fs::create_dir(dir.path().join("new")).unwrap();
    fs::write(dir.path().join(place(11)), bytes(11)).unwrap();
    fs::write(dir.path().join(place(22)), "mine").unwrap();
    fs::create_dir(dir.path().join(place(33))).unwrap();
    let mut store = FolderStore { threads: MOST_THREADS, ..open(dir.path()) };
    let to_keep = |number| {
        let (file, data) = (FileId(number), bytes(number));
        ToKeep { file, place: place(number), root: *blake3::hash(&data).as_bytes(), modified_ms: None, data }
    };
    let kept = store.keep(&(0..41).map(to_keep).collect::<Vec<_>>());
    assert!(kept.iter().map(|(file, _)| file.0).eq(0..41));
    for (FileId(number), kept) in kept {
        match number {
            11 => assert_eq!(kept.unwrap().unwrap().target, dir.path().join(place(11))),
            22 | 33 => assert!(kept.unwrap_err().what.contains(&format!("new/{number} is already there"))),
            _ => assert!(kept.unwrap().is_none(), "{number}"),
        }
    }
    let saved = store.commit(b"record").unwrap();
    assert_eq!(saved.len(), 38);
    for saved in saved {
        let number = saved.target.file_name().unwrap().to_str().unwrap().parse().unwrap();
        assert_eq!(fs::read(&saved.target).unwrap(), bytes(number));
    }
}

#[test]
fn a_place_that_the_disk_takes_for_another_files_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store.update = true;
    keep(&mut store, 0, "a", b"A").unwrap();
    store.commit(b"").unwrap();
    assert_eq!(keep(&mut store, 1, "a", b"B").unwrap_err().code, Code::Disk);
    keep(&mut store, 2, "b", b"B").unwrap();
    keep(&mut store, 3, "b", b"C").unwrap();
    assert_eq!(store.commit(b"").unwrap_err().code, Code::Disk);
    let read = |name| fs::read(dir.path().join(name)).unwrap();
    assert_eq!((read("a"), read("b")), (b"A".to_vec(), b"B".to_vec()));
}

#[test]
fn what_was_kept_and_never_committed_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("new");
    let mut store = open(&output);
    keep(&mut store, 0, "a", b"A").unwrap();
    drop(store);
    open(&output).discard();
    assert_eq!(fs::read_dir(&output).unwrap().count(), 0);
    open(&output.join("newer")).discard_with_output();
    assert_eq!(fs::read_dir(&output).unwrap().count(), 0);
}

#[test]
fn only_one_can_have_it() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path());
    assert!(FolderStore::open(dir.path(), false).unwrap_err().what.contains("Another wstp"));
}
