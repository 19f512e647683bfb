//! Search: the entries beneath a folder whose names contain all words.
//!
//! A search takes the folders in a fixed order: all entries of a folder, and then each of its folders in turn. A request
//! looks for a bounded time and for a bounded number of hits. Its cursor names the last entry that it looked at, so the
//! server keeps nothing between two requests. Each folder is opened as the caller, so nobody finds what they can't list.

use std::time::Duration;

use tokio::time::Instant;
use wstp_protocol::limits::{MAX_LIST_ENTRIES, MAX_NAME, MAX_PATH};
use wstp_protocol::{Entry, EntryKind, ErrorCode, SearchRequest, SharePath};
use wstp_provider::{Hits, Page, Refusal};

use crate::access::Caller;
use crate::store::{Folder, Found, Store};

/// How long one request looks. It ends with the page of a folder during which the time is up.
pub const SLICE: Duration = Duration::from_millis(200);
/// Folders around an entry, at most. It is the depth of the transfer of a folder.
const MOST_DEPTH: usize = 64;

const NO_CURSOR: Refusal =
    Refusal::new(ErrorCode::InvalidPath, "This is no cursor of a search. Search from the beginning.");
const NO_WORDS: Refusal = Refusal::new(ErrorCode::InvalidPath, "This search has no words.");

/// Looks for entries until the time of a request is up.
///
/// # Errors
/// When the folder can't be listed, the request is none, or nothing can be read for now.
pub async fn search(store: &dyn Store, caller: &Caller, request: &SearchRequest) -> Result<Hits, Refusal> {
    let words = wstp_text::order::words(&request.words);
    if words.is_empty() {
        return Err(NO_WORDS);
    }
    let cursor = request.cursor.as_deref().map(Position::parse).transpose()?;
    let until = Instant::now() + SLICE;
    let walk = Walk { store, caller, root: &request.path, words };
    let mut hits = Hits::new(request.limit);
    let mut position = cursor.unwrap_or_default();
    // The folder itself has to be there, and its errors are told. Those beneath it may come and go.
    let mut folder = Some(walk.open(&SharePath::root()).await??);
    if !position.folder.is_root() {
        folder = walk.open(&position.folder).await?.ok();
    }
    loop {
        if let Some(folder) = folder
            && !walk.look(&*folder, &mut position, &mut hits, until).await?
        {
            return Ok(hits.continued(position.cursor()));
        }
        let Some(next) = walk.folder_after(&position.folder).await? else { return Ok(hits) };
        position = Position { folder: next, behind: None };
        if Instant::now() >= until {
            return Ok(hits.continued(position.cursor()));
        }
        folder = walk.open(&position.folder).await?.ok();
    }
}

/// How far a search has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Position {
    /// The folder that it looks through, seen from the folder that is searched.
    folder: SharePath,
    /// The last entry that it looked at there: whether that is a folder, and its name.
    behind: Option<(bool, String)>,
}

impl Position {
    fn parse(cursor: &str) -> Result<Self, Refusal> {
        let (kind, path) = cursor.split_at_checked(1).ok_or(NO_CURSOR)?;
        let path = SharePath::parse(path).map_err(|_| NO_CURSOR)?;
        if kind == "b" {
            return Ok(Self { folder: path, behind: None });
        }
        let is_folder = match kind {
            "d" => true,
            "f" => false,
            _ => return Err(NO_CURSOR),
        };
        let name = path.name().ok_or(NO_CURSOR)?.to_owned();
        Ok(Self { folder: path.parent().ok_or(NO_CURSOR)?, behind: Some((is_folder, name)) })
    }

    /// `b` and a folder that was not looked into yet, or `d` or `f` and the path of the last entry.
    fn cursor(&self) -> String {
        match &self.behind {
            None => format!("b{}", self.folder.as_str()),
            Some((is_folder, name)) => {
                let slash = if self.folder.is_root() { "" } else { "/" };
                format!("{}{}{slash}{name}", if *is_folder { 'd' } else { 'f' }, self.folder.as_str())
            }
        }
    }
}

struct Walk<'a> {
    store: &'a dyn Store,
    caller: &'a Caller,
    root: &'a SharePath,
    words: Vec<String>,
}

impl Walk<'_> {
    /// Opens a folder beneath the searched one. The inner error is that of this folder alone, which may be passed over.
    async fn open(&self, folder: &SharePath) -> Result<Result<Box<dyn Folder>, Refusal>, Refusal> {
        let path = self.root.append(folder).map_err(|_| NO_CURSOR)?;
        match self.store.open(self.caller, &path).await {
            Ok(Found::Folder(folder)) => Ok(Ok(folder)),
            Ok(Found::File(_)) => Ok(Err(ErrorCode::NotADirectory.into())),
            Err(refusal) => passing(refusal).map(Err),
        }
    }

    /// Looks at the rest of a folder. `false` if the search ends before the folder does.
    async fn look(
        &self,
        folder: &dyn Folder,
        position: &mut Position,
        hits: &mut Hits,
        until: Instant,
    ) -> Result<bool, Refusal> {
        let mut cursor = position.behind.as_ref().map(|(is_folder, name)| folder.cursor_behind(*is_folder, name));
        loop {
            let page = match folder.page(cursor.as_deref(), MAX_LIST_ENTRIES).await {
                Ok(page) => page,
                // It went away meanwhile.
                Err(refusal) => return passing(refusal).map(|_| true),
            };
            if !self.take(&page, position, hits) {
                return Ok(false);
            }
            match page.next() {
                None => return Ok(true),
                Some(_) if Instant::now() >= until => return Ok(false),
                Some(next) => cursor = Some(next.to_owned()),
            }
        }
    }

    /// Keeps the hits of a page. `false` if there is no room for one.
    fn take(&self, page: &Page, position: &mut Position, hits: &mut Hits) -> bool {
        for entry in page.entries() {
            let is_hit = wstp_text::order::contains(&entry.name, &self.words);
            if is_hit && !hits.push(&position.folder, entry) {
                return false;
            }
            position.behind = Some((is_directory(entry), entry.name.clone()));
        }
        true
    }

    /// The folder that comes after one and all its entries.
    async fn folder_after(&self, folder: &SharePath) -> Result<Option<SharePath>, Refusal> {
        if folder.names().count() < MOST_DEPTH
            && let Some(first) = self.folder_behind(folder, None).await?
        {
            return Ok(Some(first));
        }
        let mut done = folder.clone();
        while let (Some(around), Some(name)) = (done.parent(), done.name()) {
            if let Some(next) = self.folder_behind(&around, Some(name)).await? {
                return Ok(Some(next));
            }
            done = around;
        }
        Ok(None)
    }

    /// The first folder in one, or the first behind the folder of this name. It passes over folders whose entries can't
    /// all have paths.
    async fn folder_behind(&self, around: &SharePath, name: Option<&str>) -> Result<Option<SharePath>, Refusal> {
        let Ok(folder) = self.open(around).await? else { return Ok(None) };
        let mut cursor = name.map(|name| folder.cursor_behind(true, name));
        loop {
            let page = match folder.page(cursor.as_deref(), 1).await {
                Ok(page) => page,
                Err(refusal) => return passing(refusal).map(|_| None),
            };
            let Some(first) = page.entries().first().filter(|entry| is_directory(entry)) else { return Ok(None) };
            let length = [self.root, around].map(|path| path.as_str().len() + 1).iter().sum::<usize>();
            if length + first.name.len() + 1 + MAX_NAME <= MAX_PATH {
                return Ok(around.join(&first.name).ok());
            }
            cursor = Some(folder.cursor_behind(true, &first.name));
        }
    }
}

/// An error of one folder, which a search passes over; `Err` for one that ends the search.
fn passing(refusal: Refusal) -> Result<Refusal, Refusal> {
    match refusal.code() {
        ErrorCode::ShareGone | ErrorCode::Busy | ErrorCode::InvalidPath => Err(refusal),
        _ => Ok(refusal),
    }
}

fn is_directory(entry: &Entry) -> bool {
    entry.kind == EntryKind::Directory
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::access::Rights;
    use crate::store::{Layout, LocalStore, MemoryStore, Shares};

    fn at(path: &str) -> SharePath {
        SharePath::parse(path).unwrap()
    }

    fn request(path: &str, words: &str, limit: u32) -> SearchRequest {
        SearchRequest { id: 1, path: at(path), words: words.to_owned(), cursor: None, limit }
    }

    fn holding(paths: &[&str]) -> MemoryStore {
        let store = MemoryStore::default();
        paths.iter().for_each(|path| store.put(&at(path), "x"));
        store
    }

    /// The paths of all hits, in order, and how many requests that took.
    async fn found(store: &dyn Store, caller: &Caller, mut request: SearchRequest) -> (Vec<String>, usize) {
        let (mut paths, mut requests) = (Vec::new(), 0);
        loop {
            requests += 1;
            let reply = search(store, caller, &request).await.unwrap().reply(1, 0);
            assert!(reply.hits.len() <= request.limit as usize);
            paths.extend(reply.hits.iter().map(|hit| hit.folder.join(&hit.entry.name).unwrap().as_str().to_owned()));
            let Some(next) = reply.next else { return (paths, requests) };
            assert_ne!(request.cursor.as_ref(), Some(&next), "the search does not go on");
            request.cursor = Some(next);
        }
    }

    const TREE: [&str; 8] =
        ["b/Über uns.txt", "b/deep/er/uber.txt", "b/other", "a/uber/x", "a/uber/y uber", "uber.md", "c/UBER 2", "d/no"];

    #[tokio::test]
    async fn all_words_are_found_in_any_case_and_in_every_folder_whatever_a_request_holds() {
        let store = holding(&TREE);
        let all = ["uber.md", "a/uber", "a/uber/y uber", "b/Über uns.txt", "b/deep/er/uber.txt", "c/UBER 2"];
        for limit in [1, 2, 5, 1000] {
            let (paths, requests) = found(&store, &Caller::default(), request("", "ÜBER", limit)).await;
            assert_eq!(paths, all, "{limit}");
            assert!(requests <= all.len() / limit as usize + 1, "{requests} with {limit}");
        }
        for (path, words, paths) in [
            ("", "txt uber", vec!["b/Über uns.txt", "b/deep/er/uber.txt"]),
            ("b", "uber", vec!["Über uns.txt", "deep/er/uber.txt"]),
            ("b/deep", " ER ", vec!["er", "er/uber.txt"]),
            ("", "nothing", vec![]),
        ] {
            assert_eq!(found(&store, &Caller::default(), request(path, words, 3)).await.0, paths, "{path} {words}");
        }
    }

    #[tokio::test]
    async fn folders_that_come_and_go_neither_end_a_search_nor_repeat_it() {
        let store = holding(&TREE);
        let first = search(&store, &Caller::default(), &request("", "uber", 2)).await.unwrap().reply(1, 0);
        assert_eq!(first.hits.len(), 2);
        store.remove(&at("a"));
        store.put(&at("a a/uber"), "x");
        let rest = SearchRequest { cursor: first.next, ..request("", "uber", 1000) };
        let (paths, _) = found(&store, &Caller::default(), rest).await;
        assert_eq!(paths, ["a a/uber", "b/Über uns.txt", "b/deep/er/uber.txt", "c/UBER 2"]);
    }

    #[tokio::test]
    async fn nobody_finds_what_they_may_not_list() {
        let (a, b) = (holding(&["open/x1", "open/in/x2", "shut/x3", "x4"]), holding(&["x5"]));
        let shares = [("a", Arc::new(a) as Arc<dyn Store>), ("b", Arc::new(b))];
        let layout = Layout::Named(BTreeMap::from(shares.map(|(name, store)| (name.to_owned(), store))));
        let shares = Shares::new(layout);
        let caller = |places: &[&str]| Caller::default().with_rights(Rights::of(places.iter().map(|place| at(place))));
        for (places, path, paths) in [
            (&[""][..], "", vec!["a/x4", "a/open/x1", "a/open/in/x2", "a/shut/x3", "b/x5"]),
            (&["a/open"], "", vec!["a/open/x1", "a/open/in/x2"]),
            (&["a/open/in", "b"], "", vec!["a/open/in/x2", "b/x5"]),
            (&["a/x4"], "a", vec!["x4"]),
        ] {
            assert_eq!(found(&shares, &caller(places), request(path, "x", 2)).await.0, paths, "{places:?}");
        }
        for (places, path) in [(&["a/open"][..], "a/shut"), (&["a/open"], "b"), (&["a/open"], "a/nothing"), (&[], "")] {
            let refusal = search(&shares, &caller(places), &request(path, "x", 2)).await.unwrap_err();
            assert_eq!(refusal.code(), ErrorCode::NotFound, "{path}");
        }
        // A cursor leads no further than a listing.
        for cursor in ["ba/shut", "da/shut", "fb/x"] {
            let request = SearchRequest { cursor: Some(cursor.to_owned()), ..request("", "x", 9) };
            let (paths, _) = found(&shares, &caller(&["a/open"]), request).await;
            assert!(paths.iter().all(|path| path.starts_with("a/open/")), "{cursor}: {paths:?}");
        }
    }

    #[tokio::test]
    async fn links_lead_neither_out_nor_round() {
        let folder = tempfile::tempdir().unwrap();
        let make = |path: &str| std::fs::create_dir_all(folder.path().join(path)).unwrap();
        let link = |to: &str, path: &str| std::os::unix::fs::symlink(to, folder.path().join(path)).unwrap();
        ["share/a/x", "share/b", "out/x"].into_iter().for_each(make);
        link("../b", "share/a/to b");
        link("../a", "share/b/to a");
        link("../../out", "share/a/out");
        let store = LocalStore::new(&folder.path().join("share"), false).unwrap();
        let (paths, _) = found(&store, &Caller::default(), request("", "x", 9)).await;
        assert_eq!(paths, ["a/x", "b/to a/x"]);
    }

    #[tokio::test]
    async fn a_request_that_is_none_is_refused() {
        let store = holding(&TREE);
        for (words, cursor, path) in [
            (" \u{301} ", None, ""),
            ("x", Some(""), ""),
            ("x", Some("x"), ""),
            ("x", Some("d"), ""),
            ("x", Some("f/"), ""),
        ] {
            let request = SearchRequest { cursor: cursor.map(str::to_owned), ..request(path, words, 1) };
            let refusal = search(&store, &Caller::default(), &request).await.unwrap_err();
            assert_eq!(refusal.code(), ErrorCode::InvalidPath, "{words:?} {cursor:?}");
        }
        let refusal = search(&store, &Caller::default(), &request("uber.md", "x", 1)).await.unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::NotADirectory);
    }

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        for (folder, behind) in
            [("", None), ("a/b", None), ("", Some((true, "d".to_owned()))), ("a", Some((false, "späß".to_owned())))]
        {
            let position = Position { folder: at(folder), behind };
            assert_eq!(Position::parse(&position.cursor()), Ok(position));
        }
    }
}
