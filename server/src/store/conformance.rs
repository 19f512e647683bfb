//! The behaviour of every store, as one suite over all of them.

use std::sync::Arc;

use tempfile::TempDir;
use wstp_protocol::limits::MAX_LIST_ENTRIES;
use wstp_protocol::{BundleRequest, Bundled, EntryKind, ErrorCode, SharePath};
use wstp_provider::{Bundle, Page, Read};

use super::*;

/// A store and the ways to change its content.
trait Subject {
    fn store(&self) -> &dyn Store;
    fn put(&self, path: &str, data: &[u8]);
    fn remove(&self, path: &str);
    fn touch(&self, path: &str);
}

struct Local {
    folder: TempDir,
    store: LocalStore,
}

impl Local {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::new(folder.path(), false).unwrap();
        Self { folder, store }
    }
}

impl Subject for Local {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn put(&self, path: &str, data: &[u8]) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, data).unwrap();
    }

    fn remove(&self, path: &str) {
        let path = self.folder.path().join(path);
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }

    fn touch(&self, path: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.folder.path().join(path);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode ^ 0o001)).unwrap();
    }
}

impl Subject for MemoryStore {
    fn store(&self) -> &dyn Store {
        self
    }

    fn put(&self, path: &str, data: &[u8]) {
        MemoryStore::put(self, &at(path), data.to_vec());
    }

    fn remove(&self, path: &str) {
        MemoryStore::remove(self, &at(path));
    }

    fn touch(&self, path: &str) {
        MemoryStore::touch(self, &at(path));
    }
}

fn at(path: &str) -> SharePath {
    SharePath::parse(path).unwrap()
}

async fn version(subject: &dyn Subject, path: &str) -> Arc<dyn Version> {
    match subject.store().open(&Caller::default(), &at(path)).await.unwrap() {
        Found::File(version) => {
            tokio::time::sleep(version.settles_in()).await;
            version
        }
        Found::Folder(_) => panic!("{path} is a folder"),
    }
}

async fn folder(subject: &dyn Subject, path: &str) -> Box<dyn Folder> {
    match subject.store().open(&Caller::default(), &at(path)).await.unwrap() {
        Found::Folder(folder) => folder,
        Found::File(_) => panic!("{path} is a file"),
    }
}

async fn refusal(subject: &dyn Subject, path: &str) -> ErrorCode {
    subject.store().open(&Caller::default(), &at(path)).await.err().unwrap().code()
}

fn names(page: &Page) -> Vec<&str> {
    page.entries().iter().map(|entry| &*entry.name).collect()
}

/// All of a folder, in pages of `limit`, and how many pages there were.
async fn walk(folder: &dyn Folder, limit: u32) -> (Vec<String>, usize) {
    let (mut all, mut pages, mut cursor) = (Vec::new(), 0, None::<String>);
    loop {
        let page = folder.page(cursor.as_deref(), limit).await.unwrap();
        all.extend(names(&page).into_iter().map(str::to_owned));
        pages += 1;
        match page.next() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return (all, pages),
        }
    }
}

async fn lists_by_page(subject: &dyn Subject) {
    for path in ["z.txt", "a.txt", "sub/one", "other/deep/two", "späß"] {
        subject.put(path, b"12345");
    }
    let root = folder(subject, "").await;
    let page = root.page(None, 10).await.unwrap();
    assert_eq!(names(&page), ["other", "sub", "a.txt", "späß", "z.txt"]);
    assert_eq!(page.entries()[0].kind, EntryKind::Directory);
    assert_eq!((page.entries()[2].kind, page.entries()[2].size), (EntryKind::File, 5));
    for limit in 1..=6 {
        let (all, pages) = walk(&*root, limit).await;
        assert_eq!(all, names(&page), "{limit}");
        assert_eq!(pages, all.len().div_ceil(limit as usize), "{limit}");
    }
    assert_eq!(root.page(Some("?"), 10).await.unwrap_err().code(), ErrorCode::InvalidPath);
}

async fn goes_on_behind_any_entry(subject: &dyn Subject) {
    for path in ["sub/one", "t/x", "a", "sü\u{df}", "z.txt"] {
        subject.put(path, b"x");
    }
    let folder = folder(subject, "").await;
    let all = folder.page(None, 100).await.unwrap();
    for (at, entry) in all.entries().iter().enumerate() {
        let cursor = folder.cursor_behind(entry.kind == EntryKind::Directory, &entry.name);
        assert_eq!(names(&folder.page(Some(&cursor), 100).await.unwrap()), names(&all)[at + 1..], "{entry:?}");
    }
    // One that is not there has its place all the same.
    for (is_folder, name, first) in [(true, "s", "sub"), (true, "zz", "a"), (false, "b", "s\u{fc}\u{df}")] {
        let page = folder.page(Some(&folder.cursor_behind(is_folder, name)), 1).await.unwrap();
        assert_eq!(names(&page), [first], "{name}");
    }
}

async fn keeps_its_place_while_a_folder_changes(subject: &dyn Subject) {
    for number in 0..20 {
        subject.put(&format!("f/{number:02}"), b"");
    }
    let listed = folder(subject, "f").await;
    let first = listed.page(None, 10).await.unwrap();
    subject.remove("f/03");
    subject.remove("f/12");
    subject.put("f/001", b"");
    let rest = listed.page(first.next(), MAX_LIST_ENTRIES).await.unwrap();
    let numbers: Vec<_> = (10..20).filter(|number| *number != 12).map(|number| number.to_string()).collect();
    assert_eq!(names(&rest), numbers);
    // A new listing shows the current entries.
    let (all, _) = walk(&*folder(subject, "f").await, 7).await;
    assert!(all.contains(&"001".to_owned()) && !all.contains(&"03".to_owned()), "{all:?}");
}

async fn a_folder_that_is_gone_is_not_empty(subject: &dyn Subject) {
    subject.put("g/a", b"");
    subject.put("g/b", b"");
    let listed = folder(subject, "g").await;
    let first = listed.page(None, 1).await.unwrap();
    subject.remove("g");
    assert_eq!(listed.page(first.next(), 1).await.unwrap_err().code(), ErrorCode::NotFound);
    assert_eq!(refusal(subject, "g").await, ErrorCode::NotFound);
}

async fn tells_what_a_path_names(subject: &dyn Subject) {
    subject.put("h/file", b"abc");
    let stat = async |path: &str| subject.store().stat(&Caller::default(), &at(path)).await;
    let file = stat("h/file").await.unwrap();
    assert_eq!((&*file.name, file.kind, file.size), ("file", EntryKind::File, 3));
    let folder = stat("h").await.unwrap();
    assert_eq!((&*folder.name, folder.kind, folder.size), ("h", EntryKind::Directory, 0));
    assert_eq!(stat("").await.unwrap().name, "");
    for path in ["nothing", "h/nothing", "h/file/beneath"] {
        assert_eq!(stat(path).await.unwrap_err().code(), ErrorCode::NotFound, "{path}");
        assert_eq!(refusal(subject, path).await, ErrorCode::NotFound, "{path}");
    }
}

async fn reads_ranges_of_one_version(subject: &dyn Subject) {
    let data: Vec<u8> = (0..300_000u32).map(|byte| (byte % 251) as u8).collect();
    subject.put("data", &data);
    let first = version(subject, "data").await;
    assert_eq!(first.size(), data.len() as u64);
    for (offset, length) in [(0, 1), (0, 300_000), (299_999, 1), (8191, 8194), (300_000, 0)] {
        let bytes = first.read(&Read::bytes(offset as u64, length)).await.unwrap();
        assert_eq!(bytes, data[offset..offset + length], "{offset}");
    }
    let run = wstp_protocol::BlockRun { first: 36, count: 1 };
    let frame = first.read(&Read::frame(7, run, first.size()).unwrap()).await.unwrap();
    assert_eq!(frame[20..], data[36 * 8192..]);
    assert_eq!(frame[..20], wstp_protocol::BlocksHeader { id: 7, run }.encode());
    let again = version(subject, "data").await;
    assert_eq!((first.id(), first.key()), (again.id(), again.key()));
    first.rest();
    first.rest();
    let (whole, length) = (first.clone(), data.len());
    let read = tokio::task::spawn_blocking(move || {
        let mut buffer = vec![0; length];
        whole.read_into(&mut buffer, 0).map(|()| buffer)
    });
    assert_eq!(read.await.unwrap().unwrap(), data);
}

async fn never_mixes_versions(subject: &dyn Subject) {
    for change in [b"B".repeat(20_000), b"B".repeat(19_999), Vec::new()] {
        subject.put("mixed", &b"A".repeat(20_000));
        let before = version(subject, "mixed").await;
        before.read(&Read::bytes(0, 100)).await.unwrap();
        subject.put("mixed", &change);
        // A read of no bytes finds it out too.
        for length in [100, 0] {
            let refused = before.read(&Read::bytes(0, length)).await.unwrap_err();
            assert_eq!(refused.code(), ErrorCode::Changed);
        }
        let after = version(subject, "mixed").await;
        assert!(after.id() != before.id() && after.lasting_id() != before.lasting_id() && after.key() != before.key());
    }
    subject.put("removed", b"A");
    let removed = version(subject, "removed").await;
    subject.remove("removed");
    removed.rest();
    removed.rest();
    assert_eq!(removed.read(&Read::bytes(0, 1)).await.unwrap_err().code(), ErrorCode::Changed);
}

async fn knows_a_touch_from_a_change(subject: &dyn Subject) {
    subject.put("touched", b"same bytes");
    let before = version(subject, "touched").await;
    let told = before.lasting_id();
    subject.touch("touched");
    assert_eq!(before.read(&Read::bytes(0, 4)).await.unwrap_err().code(), ErrorCode::Changed);
    let after = before.touched().await.unwrap();
    assert_eq!(&after.read(&Read::bytes(0, 4)).await.unwrap()[..], b"same");
    assert_eq!(version(subject, "touched").await.lasting_id(), told);
    subject.put("touched", b"other length");
    assert_eq!(after.read(&Read::bytes(0, 4)).await.unwrap_err().code(), ErrorCode::Changed);
    assert_eq!(after.touched().await.err().unwrap().code(), ErrorCode::Changed);
}

async fn fills_bundles(subject: &dyn Subject) {
    subject.put("s/one", b"1");
    subject.put("s/sub/two", b"22");
    subject.put("s/large", &vec![0; 128 * 1024 + 1]);
    let names = ["one", "sub", "nothing", "large", "../s/one", "one"].map(str::to_owned).to_vec();
    let bundle = Bundle::new(BundleRequest { id: 3, path: at("s"), names });
    let files = subject.store().fill(&Caller::default(), bundle).await.unwrap().reply().files;
    let codes = [ErrorCode::NotAFile, ErrorCode::NotFound, ErrorCode::TooLarge, ErrorCode::InvalidPath];
    assert_eq!(files[1..5], codes.map(Bundled::Refused));
    let Bundled::File(one) = &files[0] else { panic!("{:?}", files[0]) };
    assert_eq!((&one.data[..], one.root), (&b"1"[..], *blake3::hash(b"1").as_bytes()));
    assert_eq!(one.version, version(subject, "s/one").await.id());
    assert_eq!(files[5], files[0]);
}

async fn conforms(make: impl Fn() -> Box<dyn Subject>) {
    lists_by_page(&*make()).await;
    goes_on_behind_any_entry(&*make()).await;
    keeps_its_place_while_a_folder_changes(&*make()).await;
    a_folder_that_is_gone_is_not_empty(&*make()).await;
    tells_what_a_path_names(&*make()).await;
    reads_ranges_of_one_version(&*make()).await;
    never_mixes_versions(&*make()).await;
    knows_a_touch_from_a_change(&*make()).await;
    fills_bundles(&*make()).await;
}

#[tokio::test]
async fn the_local_store_conforms() {
    conforms(|| Box::new(Local::new())).await;
}

#[tokio::test]
async fn the_store_in_memory_conforms() {
    conforms(|| Box::new(MemoryStore::default())).await;
}
