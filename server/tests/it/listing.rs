//! Listings: order, pages, and hidden entries.

use crate::support::{Folder, Options, Server};
use wstp_protocol::{Entry, EntryKind, ErrorCode};

fn names(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.name.as_str()).collect()
}

#[tokio::test]
async fn folders_come_first_and_then_names_in_byte_order() {
    let folder = Folder::new();
    for name in ["b", "a", "B", "ä", "<img onerror>", "10", "9"] {
        folder.file(name, b"x");
    }
    folder.file("z/inner", b"12345");
    folder.file("A/inner", b"");
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    let entries = client.list("").await.unwrap();
    assert_eq!(names(&entries), ["A", "z", "10", "9", "<img onerror>", "B", "a", "b", "ä"]);
    assert!(entries[..2].iter().all(|entry| entry.kind == EntryKind::Directory && entry.size == 0));
    assert!(entries[2..].iter().all(|entry| entry.kind == EntryKind::File && entry.size == 1));
    let inner = client.list("z").await.unwrap();
    assert_eq!((names(&inner), inner[0].size), (vec!["inner"], 5));
    let modified = folder.path().join("b").metadata().unwrap().modified().unwrap();
    let since_1970 = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert_eq!(entries[7].modified_ms, Some(since_1970 as i64));
}

#[tokio::test]
async fn pages_join_to_the_whole_folder() {
    let folder = Folder::new();
    let mut expected: Vec<String> = (0..2500).map(|number| format!("file {number}")).collect();
    expected.sort();
    for name in &expected {
        folder.file(name, b"");
    }
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    for limit in [1000, 7] {
        let (mut all, mut cursor, mut pages) = (Vec::new(), None, 0_usize);
        loop {
            let page = client.list_page("", cursor, limit).await.unwrap();
            assert!(page.entries.len() <= limit as usize);
            all.extend(page.entries);
            pages += 1;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(names(&all), expected);
        assert_eq!(pages, 2500_usize.div_ceil(limit as usize));
    }
}

#[tokio::test]
async fn a_cursor_holds_while_the_folder_changes_and_on_another_connection() {
    let folder = Folder::new();
    for name in ["a", "b", "c", "d"] {
        folder.file(name, b"");
    }
    let server = Server::start(folder.path()).await;
    let first = server.connect().await.list_page("", None, 2).await.unwrap();
    assert_eq!(names(&first.entries), ["a", "b"]);
    std::fs::remove_file(folder.path().join("b")).unwrap();
    std::fs::remove_file(folder.path().join("c")).unwrap();
    let rest = server.connect().await.list_page("", first.next, 2).await.unwrap();
    assert_eq!((names(&rest.entries), rest.next), (vec!["d"], None));
    assert_eq!(names(&server.connect().await.list("").await.unwrap()), ["a", "d"]);
}

#[tokio::test]
async fn a_page_of_the_longest_names_fits_a_frame() {
    let folder = Folder::new();
    for number in 0..1200 {
        folder.file(&format!("{number:0255}"), b"");
    }
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    assert_eq!(client.list("").await.unwrap().len(), 1200);
}

#[tokio::test]
async fn what_is_no_folder_is_not_listed() {
    let folder = Folder::new();
    folder.file("file", b"");
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    assert_eq!(client.list("file").await.unwrap_err().code, ErrorCode::NotADirectory);
    assert_eq!(client.list("file/below").await.unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(client.list("nothing").await.unwrap_err().code, ErrorCode::NotFound);
    let wrong = client.list_page("", Some("not a cursor".to_owned()), 10).await.unwrap_err();
    assert_eq!(wrong.code, ErrorCode::InvalidPath);
}

#[tokio::test]
async fn an_empty_folder_has_one_empty_page() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let page = server.connect().await.list_page("", None, 10).await.unwrap();
    assert_eq!((page.entries, page.next), (vec![], None));
}

#[tokio::test]
async fn hidden_names_are_shown_only_on_demand() {
    let folder = Folder::new();
    folder.file(".secret", b"s");
    folder.file(".git/config", b"c");
    folder.file("open", b"o");
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    assert_eq!(names(&client.list("").await.unwrap()), ["open"]);
    for path in [".secret", ".git/config"] {
        assert_eq!(client.open_file(path).await.unwrap_err().code, ErrorCode::NotFound, "{path}");
        assert_eq!(client.stat(path).await.unwrap_err().code, ErrorCode::NotFound, "{path}");
    }
    assert_eq!(client.list(".git").await.unwrap_err().code, ErrorCode::NotFound);

    let server = Server::start_with(folder.path(), Options { args: &["--hidden"], ..Options::default() }).await;
    let mut client = server.connect().await;
    assert_eq!(names(&client.list("").await.unwrap()), [".git", ".secret", "open"]);
    assert_eq!(client.fetch(".git/config").await, b"c");
}

#[tokio::test]
async fn stat_tells_about_one_entry() {
    let folder = Folder::new();
    folder.file("folder/file", b"123");
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    let file = client.stat("folder/file").await.unwrap();
    assert_eq!((file.name.as_str(), file.kind, file.size), ("file", EntryKind::File, 3));
    assert_eq!(client.stat("folder").await.unwrap().kind, EntryKind::Directory);
    let share = client.stat("").await.unwrap();
    assert_eq!((share.name.as_str(), share.kind), ("", EntryKind::Directory));
    assert_eq!(client.stat("none").await.unwrap_err().code, ErrorCode::NotFound);
}
