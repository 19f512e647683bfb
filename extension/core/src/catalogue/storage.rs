//! The catalogue's files in the sandbox. It handles files that are damaged, of another version, cleared or unavailable.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use wstp_messages::{CommandId, Inner, Message, Reply, Settings, TransferId, TransferKind};

use super::Catalogue;
use super::about::describe;
use super::change::Change;
use super::copy;
use super::item::Item;
use super::journal::{Found, Journal};
use super::model::Model;
use super::rebuild::{no_storage, notice, ours, rebuild, taken_up_notice};
use super::record::FORMAT;
use super::recover::{Unreadable, Wholeness};
use crate::folder_layout::{DATA, PACK};
use crate::opfs::Folder;
use crate::{clock, opfs};

/// Lists of older versions do not say which transfers began, and the folders of their transfers do not say what they
/// are.
const DESCRIBED: u32 = 3;
/// The list is copied at most so often.
const COPY: Duration = Duration::from_secs(5);

/// The state that the catalogue found when it started.
pub struct Opened {
    /// None where the browser gives no storage.
    pub journal: Option<Journal>,
    /// Everything that is remembered.
    pub model: Model,
    /// The last commands, and what they were answered.
    pub done: Vec<(CommandId, Reply)>,
    /// The folders of transfers, if they can be listed.
    pub folders: Option<HashSet<String>>,
    /// Those that are in no list: their removal was cut off.
    pub strays: Vec<String>,
    /// Transfers whose folders do not say yet what they are.
    pub undescribed: Vec<Item>,
    /// Whether there is nothing at all: the extension is new, or the sandbox was cleared.
    pub is_empty: bool,
}

impl Opened {
    /// The state for a browser that gives no storage.
    pub fn without_storage() -> Self {
        let mut model = Model::default();
        model.apply(Change::Noticed(Some(no_storage())));
        let (done, strays, undescribed) = (Vec::new(), Vec::new(), Vec::new());
        Self { journal: None, model, done, folders: None, strays, undescribed, is_empty: false }
    }
}

/// Opens the list of transfers; where it is damaged or of another version, that is set aside and what can be is built
/// anew.
///
/// # Errors
///
/// When another catalogue has it open and does not end, or the browser gives no storage.
pub async fn open() -> Result<Opened, JsValue> {
    let folders = Folder::open(&["transfers"]).await?.names().await?;
    let mut found = Found::look(!folders.is_empty()).await?;
    let is_read = found.recovered().is_some();
    let (mut model, mut done, mut is_whole) = (Model::default(), Vec::new(), true);
    let (mut is_old, mut is_to_be_rewritten) = (false, false);
    if let Some(recovered) = found.recovered() {
        model = std::mem::take(&mut recovered.model);
        done = std::mem::take(&mut recovered.done);
        is_old = recovered.version < DESCRIBED;
        is_to_be_rewritten = recovered.version < FORMAT.version;
        is_whole = recovered.wholeness == Wholeness::Whole;
    }
    let aside = take_up(&found, &mut model, &folders).await;
    let mut strays = strays(&model, &folders);
    let is_certain = found.reason().is_none() && is_whole;
    let mut news = Vec::new();
    if !is_certain {
        let (items, left_alone) = rebuild(std::mem::take(&mut strays), clock::wall_ms()).await;
        let (count, reason) = (items.len(), found.reason());
        let used = items.iter().filter(|item| item.has_origin()).map(server_of);
        let used: Vec<_> = used.map(Change::Used).collect();
        news.extend(used.into_iter().chain(items.into_iter().map(|item| Change::Added(Box::new(item)))));
        // The user needs no notice if the journal was readable and no download had to be rebuilt.
        if reason.is_some() || count > 0 {
            let reason = reason.unwrap_or(Unreadable::Damaged);
            news.push(Change::Noticed(Some(notice(reason, is_read, count, left_alone))));
        }
    }
    if is_old {
        // Whether there was room was not asked then.
        let unfinished = model.items().filter(|item| !item.is_complete()).map(|item| item.id.clone());
        news.extend(unfinished.map(Change::Begun).collect::<Vec<_>>());
    }
    // The catalogue deletes no folder that another version wrote.
    let strays = ours(strays).await;
    news.iter().for_each(|change| model.apply(change.clone()));
    let has_news = !aside.is_empty() || !news.is_empty();
    let is_anew = found.reason().is_some();
    let is_empty = !is_read && !is_anew && folders.is_empty();
    let mut journal = found.go_on(&model).await?;
    if !is_anew && (is_to_be_rewritten || has_news) {
        journal.compact(&model).map_err(|error| JsValue::from(format!("{error:?}")))?;
    }
    // All that they say is durable here now.
    aside.into_iter().for_each(forget_list);
    let undescribed = if is_old { model.items().filter(|item| item.in_sandbox).cloned().collect() } else { Vec::new() };
    Ok(Opened {
        journal: Some(journal),
        model,
        done,
        folders: Some(folders.into_iter().collect()),
        strays,
        undescribed,
        is_empty,
    })
}

/// Adds what the lists say that were set aside before and can be read now; gives the names of their folders.
async fn take_up(found: &Found, model: &mut Model, folders: &[String]) -> Vec<String> {
    let (names, lists): (Vec<_>, Vec<_>) = found.set_aside().await.into_iter().unzip();
    let before = model.transfers();
    for list in lists {
        taken_up(model, &list, folders).into_iter().for_each(|change| model.apply(change));
    }
    let count = model.transfers() - before;
    if count > 0 {
        model.apply(Change::Noticed(Some(taken_up_notice(count))));
    }
    names
}

fn forget_list(name: String) {
    spawn_local(async move {
        let removed = async { Folder::open(&[]).await?.remove(&name).await }.await;
        if let Err(error) = removed {
            // It is taken up once more when the catalogue starts next, and adds nothing.
            web_sys::console::warn_1(&error);
        }
    });
}

/// The changes that add everything in `list` that the current list lacks. A transfer whose files were removed
/// meanwhile is not added.
fn taken_up(current: &Model, list: &Model, folders: &[String]) -> Vec<Change> {
    let is_new = |item: &&Item| current.item(&item.id).is_none() && (!item.in_sandbox || folders.contains(&item.id.0));
    let items = list.items().filter(is_new).cloned().map(|item| Change::Added(Box::new(item)));
    let is_known = |address: &str| current.servers().iter().any(|server| server.address == address);
    let servers = list.servers().iter().rev().filter(|server| !is_known(&server.address)).cloned().map(Change::Used);
    let settings = (current.settings() == Settings::default()).then(|| Change::Set(list.settings()));
    items.chain(servers).chain(settings).collect()
}

fn server_of(item: &Item) -> wstp_messages::ServerView {
    let address = item.server.clone();
    wstp_messages::ServerView { label: super::label(&address), address, agent: String::new() }
}

fn strays(model: &Model, folders: &[String]) -> Vec<String> {
    let is_held = |name: &String| model.item(&TransferId(name.clone())).is_some_and(|item| item.in_sandbox);
    folders.iter().filter(|name| !is_held(name)).cloned().collect()
}

/// Has a transfer's folder say what it is.
pub fn describe_later(item: Item) {
    spawn_local(async move { describe_all(vec![item]).await });
}

/// The same of many. It is of use only where the list is lost: a folder that can't be described is fetched all the
/// same.
pub async fn describe_all(items: Vec<Item>) {
    for item in items {
        if let Err(error) = describe(&item).await {
            web_sys::console::warn_1(&error);
        }
    }
}

/// Whether the complete copy of a transfer is gone.
pub async fn is_gone(item: &Item) -> bool {
    let name = if item.kind == TransferKind::File { DATA } else { PACK };
    // If the lookup fails, the copy does not count as gone.
    matches!(Folder::has_file(&["transfers", &item.id.0], name).await, Ok(false))
}

impl Catalogue {
    /// Measures the free room. If the browser does not report it, the room counts as unlimited.
    /// The extension then notices a full disk only when a write fails.
    pub(super) fn measure_room(self: &Rc<Self>) {
        let catalogue = self.clone();
        spawn_local(async move {
            let free = opfs::free().await.unwrap_or(u64::MAX);
            catalogue.queue.borrow_mut().handle_room(free);
            catalogue.perform();
        });
    }

    /// Has the list copied to a place outside of the sandbox, unless nothing changed or the last copy is young.
    pub(super) fn copy_list(&self) {
        let now = clock::now();
        let is_asleep = self.asks_copy.get() || self.journal.borrow().is_none() || self.broken.get().is_some();
        if is_asleep || !self.is_uncopied.get() || now < self.copied.get() + COPY {
            return;
        }
        self.is_uncopied.set(false);
        self.copied.set(now);
        let copy = copy::encode(self.queue.borrow().model());
        self.say(Message::Inner(Inner::KeepCopy(copy)));
    }

    /// The copy of the list, if there is one. It counts only where the sandbox had no list.
    pub(super) fn handle_copy(&self, copy: Option<&str>) {
        if self.asks_copy.replace(false)
            && let Some(copy) = copy
        {
            self.queue.borrow_mut().handle_copy(copy::decode(copy).as_ref());
        }
    }

    /// The user, another extension or a disk's fault may clear the sandbox at any moment; files that are open don't
    /// tell. The list is written again then, and what became of each transfer is said.
    pub(super) fn look_after_storage(self: &Rc<Self>) {
        let folder = self.journal.borrow().as_ref().map(|journal| journal.folder().to_owned());
        let Some(folder) = folder.filter(|_| self.broken.get().is_none() && !self.looks.replace(true)) else { return };
        let catalogue = self.clone();
        spawn_local(async move {
            if let Err(error) = catalogue.look(&folder).await {
                web_sys::console::warn_1(&error);
            }
            catalogue.looks.set(false);
        });
    }

    async fn look(self: &Rc<Self>, folder: &str) -> Result<(), JsValue> {
        if Journal::is_there(folder).await? {
            return Ok(());
        }
        web_sys::console::warn_1(&"the storage was cleared: the list of downloads is written anew".into());
        let next = Journal::next(folder).await?;
        if let Some(journal) = self.journal.borrow_mut().as_mut() {
            let moved = journal.move_to(next, self.queue.borrow().model());
            moved.map_err(|error| JsValue::from(format!("{error:?}")))?;
        }
        let folders = Folder::open(&["transfers"]).await?.names().await?.into_iter().collect();
        self.queue.borrow_mut().handle_cleared(&folders);
        self.perform();
        let held: Vec<_> = self.queue.borrow().model().items().filter(|item| item.in_sandbox).cloned().collect();
        describe_all(held).await;
        Ok(())
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_was_set_aside_adds_what_the_current_one_lacks() {
        let id = |number: u32| TransferId(format!("{number:032x}"));
        let item = |number| Item::new(id(number), "ws://host:3000/ws".into(), format!("{number}"), 1, 0.0);
        let list = |items: &[Item]| {
            let mut model = Model::default();
            items.iter().for_each(|item| model.apply(Change::Added(Box::new(item.clone()))));
            model
        };
        let mut current = list(&[Item { path: "newer".into(), ..item(1) }]);
        let mut older = list(&[item(1), item(2), item(3), Item { in_sandbox: false, ..item(4) }]);
        older.apply(Change::Set(Settings { connections: 3, ..Settings::default() }));
        older.apply(Change::Used(server_of(&item(1))));
        let folders = [1, 2].map(|number| id(number).0);
        taken_up(&current, &older, &folders).into_iter().for_each(|change| current.apply(change));
        let paths: Vec<_> = current.items().map(|item| item.path.as_str()).collect();
        assert_eq!(paths, ["newer", "2", "4"], "the third was removed meanwhile");
        assert_eq!((current.settings().connections, current.servers().len()), (3, 1));
        assert!(taken_up(&current, &older, &folders).is_empty(), "nothing comes twice");
    }
}
