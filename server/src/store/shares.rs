//! The shares of a server, as one store. Either one share is the root, or each share is a folder of its own name.
//!
//! Here a caller's rights are checked, for every way of asking: nothing outside of them is listed, opened or even looked
//! up. A share that a caller may not see looks like one that is not there. A share is opened beneath the place that the caller may
//! read, so no link leads from it to another place or another share. A caller that comes by a share link names paths
//! beneath the folder around what the link opens ([`Caller::place`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use async_trait::async_trait;
use wstp_protocol::{Entry, EntryKind, ErrorCode, SharePath};
use wstp_provider::{Bundle, Page, Refusal};

use super::{Folder, Found, Store, fill_one_by_one};
use crate::access::{Caller, Place, Reach};

/// Stores of single places that are kept. Beyond that they are made again when they are needed.
const MAX_KEPT_PLACES: usize = 1024;

/// Shares, each a store.
pub struct Shares(RwLock<Arc<Table>>);

/// The layout of shares.
pub enum Layout {
    /// One share, whose paths are those of the protocol.
    Root(Arc<dyn Store>),
    /// Shares by name. A path begins with the name.
    Named(BTreeMap<String, Arc<dyn Store>>),
}

struct Table {
    layout: Layout,
    /// The stores of places, by the steps to them.
    places: Mutex<HashMap<Vec<SharePath>, Arc<dyn Store>>>,
}

/// The way to an entry.
enum Way {
    /// It is in a share.
    Share(Spot),
    /// It is a folder of nothing but these names.
    Names(Vec<String>),
}

/// An entry as one of the stores knows it.
struct Spot {
    store: Arc<dyn Store>,
    path: SharePath,
    /// If the entry is a whole place of the caller: the store of that place, should it be a folder.
    own: Option<Arc<dyn Store>>,
}

impl Shares {
    /// Shares in this layout.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self(RwLock::new(Arc::new(Table::new(layout))))
    }

    /// Replaces all shares. Open files stay open until their sessions end.
    pub fn replace(&self, layout: Layout) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Table::new(layout));
    }

    fn table(&self) -> Arc<Table> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn find(&self, caller: &Caller, path: &SharePath) -> Result<Way, Refusal> {
        let table = self.table();
        match caller.rights().reach(path) {
            Reach::Within(place) => table.find(place, path),
            Reach::Above(names) => Ok(Way::Names(names.into_iter().map(str::to_owned).collect())),
            Reach::Nowhere => Err(ErrorCode::NotFound.into()),
        }
    }

    /// The facts about the entries of a folder that is in no share, those that are there.
    async fn entries(&self, caller: &Caller, folder: &SharePath, names: Vec<String>) -> Vec<Entry> {
        let mut entries = Vec::new();
        for name in names {
            let Ok(path) = folder.join(&name) else { continue };
            match self.stat_at(caller, &path).await {
                Ok(entry) => entries.push(entry),
                // A share whose disk is away is still a share.
                Err(refusal) if refusal.code() == ErrorCode::ShareGone => entries.push(directory(name)),
                Err(_) => {}
            }
        }
        entries.sort_by(|one, two| order(one).cmp(&order(two)));
        entries
    }

    /// The facts about the entry at a place.
    async fn stat_at(&self, caller: &Caller, place: &SharePath) -> Result<Entry, Refusal> {
        let name = place.name().unwrap_or_default().to_owned();
        match self.find(caller, place)? {
            Way::Names(_) => Ok(directory(name)),
            Way::Share(spot) => Ok(Entry { name, ..spot.store.stat(caller, &spot.path).await? }),
        }
    }
}

#[async_trait]
impl Store for Shares {
    async fn open(&self, caller: &Caller, path: &SharePath) -> Result<Found, Refusal> {
        let place = caller.place(path)?;
        let Spot { store, path, own } = match self.find(caller, &place)? {
            Way::Names(names) => return Ok(Found::Folder(Box::new(Names(self.entries(caller, &place, names).await)))),
            Way::Share(spot) => spot,
        };
        match (store.open(caller, &path).await?, own) {
            (Found::Folder(_), Some(own)) => own.open(caller, &SharePath::root()).await,
            (found, _) => Ok(found),
        }
    }

    async fn stat(&self, caller: &Caller, path: &SharePath) -> Result<Entry, Refusal> {
        let entry = self.stat_at(caller, &*caller.place(path)?).await?;
        Ok(Entry { name: path.name().unwrap_or_default().to_owned(), ..entry })
    }

    async fn fill(&self, caller: &Caller, bundle: Bundle) -> Result<Bundle, Refusal> {
        match self.find(caller, &*caller.place(bundle.path())?)? {
            // Single files may be a caller's, each for itself.
            Way::Names(_) => fill_one_by_one(self, caller, bundle).await,
            Way::Share(Spot { own: Some(own), .. }) => own.fill(caller, bundle.at(SharePath::root())).await,
            Way::Share(Spot { store, path, .. }) => store.fill(caller, bundle.at(path)).await,
        }
    }

    fn beneath(&self, folder: &SharePath) -> Result<Arc<dyn Store>, Refusal> {
        let table = self.table();
        let (store, base) = table.share(folder)?;
        match folder.beneath(&base) {
            Some(rest) if !rest.is_root() => store.beneath(&rest),
            _ => Ok(store.clone()),
        }
    }

    fn tidy(&self) {
        let table = self.table();
        match &table.layout {
            Layout::Root(store) => store.tidy(),
            Layout::Named(shares) => shares.values().for_each(|store| store.tidy()),
        }
        table.places().values().for_each(|store| store.tidy());
    }
}

impl Table {
    fn new(layout: Layout) -> Self {
        Self { layout, places: Mutex::default() }
    }

    /// The way to `path`, which lies within `place`.
    fn find(&self, place: &Place, path: &SharePath) -> Result<Way, Refusal> {
        if let Layout::Named(shares) = &self.layout
            && path.is_root()
        {
            return Ok(Way::Names(shares.keys().cloned().collect()));
        }
        let (share, base) = self.share(path)?;
        let steps: Vec<_> = place.steps().iter().filter(|step| **step != base && !step.is_root()).cloned().collect();
        let own = (!steps.is_empty()).then(|| self.store(share, &base, &steps)).transpose()?;
        // A whole place may be a file. It is looked up in the step before.
        let (store, base) = match (own.clone(), steps.split_last()) {
            (Some(own), Some((last, _))) if path != last => (own, last),
            (_, Some((_, []))) => (share.clone(), &base),
            (_, Some((_, earlier @ [.., last]))) => (self.store(share, &base, earlier)?, last),
            (_, None) => (share.clone(), &base),
        };
        let rest = path.beneath(base).ok_or(ErrorCode::NotFound)?;
        let own = own.filter(|_| steps.last() == Some(path));
        Ok(Way::Share(Spot { store, path: rest, own }))
    }

    /// The share that a path lies in, and the share's own path.
    fn share(&self, path: &SharePath) -> Result<(&Arc<dyn Store>, SharePath), Refusal> {
        match &self.layout {
            Layout::Root(store) => Ok((store, SharePath::root())),
            Layout::Named(shares) => {
                let name = path.names().next().ok_or(ErrorCode::NotFound)?;
                let store = shares.get(name).ok_or(ErrorCode::NotFound)?;
                Ok((store, SharePath::root().join(name).map_err(|_| ErrorCode::NotFound)?))
            }
        }
    }

    /// The store of a place in a share, opened step by step.
    fn store(&self, share: &Arc<dyn Store>, base: &SharePath, steps: &[SharePath]) -> Result<Arc<dyn Store>, Refusal> {
        if let Some(store) = self.places().get(steps) {
            return Ok(store.clone());
        }
        let (mut store, mut base) = (share.clone(), base);
        for step in steps {
            store = store.beneath(&step.beneath(base).ok_or(ErrorCode::NotFound)?)?;
            base = step;
        }
        let mut places = self.places();
        if places.len() >= MAX_KEPT_PLACES {
            places.clear();
        }
        places.insert(steps.to_vec(), store.clone());
        Ok(store)
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Vec<SharePath>, Arc<dyn Store>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A folder that is in no share: its entries, in order.
struct Names(Vec<Entry>);

#[async_trait]
impl Folder for Names {
    fn cursor_behind(&self, is_folder: bool, name: &str) -> String {
        format!("{}{name}", if is_folder { 'd' } else { 'f' })
    }

    async fn page(&self, cursor: Option<&str>, limit: u32) -> Result<Page, Refusal> {
        let after = match cursor.map(|cursor| cursor.split_at_checked(1)) {
            None => None,
            Some(Some(("d", name))) => Some((false, name)),
            Some(Some(("f", name))) => Some((true, name)),
            Some(_) => return Err(ErrorCode::InvalidPath.into()),
        };
        let (mut page, mut last) = (Page::new(limit), None::<&Entry>);
        for entry in self.0.iter().filter(|entry| after.is_none_or(|after| order(entry) > after)) {
            if !page.push(entry.clone()) {
                let Some(last) = last else { break };
                let group = if order(last).0 { 'f' } else { 'd' };
                return Ok(page.continued(format!("{group}{}", last.name)));
            }
            last = Some(entry);
        }
        Ok(page)
    }
}

/// An entry's place in listings: folders come first.
fn order(entry: &Entry) -> (bool, &str) {
    (entry.kind != EntryKind::Directory, &entry.name)
}

fn directory(name: String) -> Entry {
    Entry { name, kind: EntryKind::Directory, size: 0, modified_ms: None }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::access::Rights;
    use crate::store::LocalStore;

    fn at(path: &str) -> SharePath {
        SharePath::parse(path).unwrap()
    }

    fn caller(places: &[&str]) -> Caller {
        Caller::default().with_rights(Rights::of(places.iter().map(|place| at(place))))
    }

    struct Shared {
        _folder: tempfile::TempDir,
        shares: Shares,
    }

    /// Two shares whose names begin alike, with links from one into the other, and out of a folder within one.
    fn shared() -> Shared {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        };
        for path in ["a/open/x", "a/open/in/x", "a/private/x", "a/file", "ab/x"] {
            put(path);
        }
        for (target, link) in [
            ("../ab", "a/other"),
            ("../../ab/x", "a/open/other"),
            ("../private", "a/open/private"),
            ("../private/x", "a/open/x2"),
            ("in", "a/open/fine"),
            ("../open/in/x", "a/open/round"),
            ("open", "a/way"),
            ("file", "a/link"),
        ] {
            symlink(target, folder.path().join(link)).unwrap();
        }
        let store = |name: &str| {
            let store = LocalStore::new(&folder.path().join(name), false).unwrap();
            (name.to_owned(), Arc::new(store) as Arc<dyn Store>)
        };
        let shares = Shares::new(Layout::Named(BTreeMap::from([store("a"), store("ab")])));
        Shared { _folder: folder, shares }
    }

    /// A word for the result of opening: the names in a folder, `file`, or the code of the refusal.
    async fn opened(shares: &Shares, caller: &Caller, path: &str) -> String {
        let stat = shares.stat(caller, &at(path)).await;
        match shares.open(caller, &at(path)).await {
            Ok(Found::File(_)) => {
                assert_eq!(stat.unwrap().kind, EntryKind::File);
                "file".to_owned()
            }
            Ok(Found::Folder(folder)) => {
                assert_eq!(stat.unwrap().kind, EntryKind::Directory);
                let page = folder.page(None, 100).await.unwrap();
                page.entries().iter().map(|entry| entry.name.clone()).collect::<Vec<_>>().join(" ")
            }
            Err(refusal) => format!("{:?}", refusal.code()),
        }
    }

    async fn expect(caller: &Caller, cases: &[(&str, &str)]) {
        let shared = shared();
        for (path, expected) in cases {
            assert_eq!(opened(&shared.shares, caller, path).await, *expected, "{path:?}");
        }
    }

    #[tokio::test]
    async fn shares_are_folders_of_their_names_and_no_link_leads_to_another_one() {
        expect(
            &Caller::default(),
            &[
                ("", "a ab"),
                ("a/open/x", "file"),
                ("a/link", "file"),
                ("a/way/in/x", "file"),
                ("ab", "x"),
                ("a/other", "Forbidden"),
                ("a/other/x", "Forbidden"),
                ("a/open/other", "Forbidden"),
                ("b", "NotFound"),
                ("ab/y", "NotFound"),
            ],
        )
        .await;
    }

    #[tokio::test]
    async fn a_caller_sees_its_places_and_the_way_to_them() {
        expect(
            &caller(&["a/open", "a/file"]),
            &[
                ("", "a"),
                ("a", "open file"),
                ("a/file", "file"),
                ("a/open/x", "file"),
                ("a/open/fine/x", "file"),
                // It goes up and comes back in.
                ("a/open/round", "file"),
                ("a/private", "NotFound"),
                ("a/private/x", "NotFound"),
                ("a/nothing", "NotFound"),
                ("a/link", "NotFound"),
                ("a/way", "NotFound"),
                ("a/openn", "NotFound"),
                ("ab", "NotFound"),
                ("ab/x", "NotFound"),
                ("a/file/x", "NotFound"),
            ],
        )
        .await;
    }

    #[tokio::test]
    async fn no_link_leads_out_of_a_place_within_its_share() {
        let shared = shared();
        for link in ["a/open/private", "a/open/private/x", "a/open/x2", "a/open/other"] {
            assert_eq!(opened(&shared.shares, &caller(&["a/open"]), link).await, "Forbidden", "{link}");
        }
        // It may be followed by someone who may read all of the share.
        assert_eq!(opened(&shared.shares, &caller(&["a"]), "a/open/x2").await, "file");
        // A place that is reached by a link has to lie within what both rights allow.
        let both = |places: &[&str]| {
            let rights = caller(&["a/open"]).rights().and(caller(places).rights());
            Caller::default().with_rights(rights)
        };
        for (place, expected) in [("a/open/fine", "x"), ("a/open/private", "Forbidden"), ("a/open/x2", "Forbidden")] {
            assert_eq!(opened(&shared.shares, &both(&[place]), place).await, expected, "{place}");
        }
    }

    #[tokio::test]
    async fn bundles_are_bound_by_the_same_rights() {
        let shared = shared();
        for (places, folder, expected) in [
            (&["a"][..], "a/open", [true, true]),
            (&["a/open"][..], "a/open", [true, false]),
            (&["a/open/x"][..], "a/open", [true, false]),
        ] {
            let names = ["x", "x2"].map(str::to_owned).to_vec();
            let request = wstp_protocol::BundleRequest { id: 1, path: at(folder), names };
            let bundle = shared.shares.fill(&caller(places), Bundle::new(request)).await.unwrap();
            let files = bundle.reply().files;
            let told: Vec<_> = files.iter().map(|file| matches!(file, wstp_protocol::Bundled::File(_))).collect();
            assert_eq!(told, expected, "{places:?}");
        }
        let request = wstp_protocol::BundleRequest { id: 1, path: at("a/private"), names: vec!["x".to_owned()] };
        let refused = shared.shares.fill(&caller(&["a/open"]), Bundle::new(request)).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::NotFound);
    }

    #[tokio::test]
    async fn one_file_has_one_key_for_all_callers() {
        let shared = shared();
        let key = async |caller: Caller| match shared.shares.open(&caller, &at("a/open/in/x")).await.unwrap() {
            Found::File(version) => (version.id(), version.key()),
            Found::Folder(_) => panic!("it is a file"),
        };
        let all = key(Caller::default()).await;
        assert_eq!(key(caller(&["a/open"])).await, all);
        assert_eq!(key(caller(&["a/open/in/x"])).await, all);
    }
}
