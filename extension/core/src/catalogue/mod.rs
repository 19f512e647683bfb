//! The catalogue worker: the list of transfers, the remembered servers, the settings, and the connections used for
//! browsing.
//!
//! [`Queue`] decides; this module gives it what happened and does what it says, in order. It fetches no file and opens
//! none of theirs.

mod about;
mod address;
mod answers;
mod browse;
mod change;
mod contents;
mod copy;
mod diagnosis;
mod item;
mod journal;
mod kept_settings;
mod login;
mod logins;
mod mirror;
mod model;
mod queue;
mod rebuild;
pub(crate) mod record;
mod recover;
mod storage;
mod typed;
mod view;

pub use change::{Change, Record};
pub use item::{Fetch, Goal, Item, Kept, Save};
pub use model::Model;
pub use queue::{Effect, Queue};
pub use recover::{Recovered, Unreadable, Wholeness, recover};
pub use view::label;
pub use wstp_client::address::Address;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use gloo_timers::callback::Interval;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use wstp_bus::Bus;
use wstp_engine::{Instant, StoreError};
use wstp_messages::{CommandId, ContextName, Inner, Message, Reply, TransferId, WorkerTask};

use crate::alarm::Alarm;
use crate::opfs::{Folder, is_in_use};
use crate::words::store_problem;
use crate::{carrier, clock, panic};
use browse::Browser;
use contents::Library;
use journal::Journal;
use storage::Opened;

const TOPICS: &[&str] = &[
    "Command",
    "Report",
    "Lost",
    "Saving",
    "FolderTried",
    "Asked",
    "Forgotten",
    "Missing",
    "Copy",
    "Logins",
    "Hail",
    "OverHttp",
];
/// Views are told how far transfers are at most so often.
const TELL: Duration = Duration::from_millis(250);
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Opens the journal and goes on where it ends.
pub fn run() {
    spawn_local(async {
        if let Err(error) = open().await {
            panic::give_up(&error);
        }
    });
}

struct Catalogue {
    queue: RefCell<Queue>,
    /// None where the browser gives no storage: then nothing is promised but to look at servers.
    journal: RefCell<Option<Journal>>,
    browser: Browser,
    library: Library,
    /// Commands that wait for a server or for the sandbox.
    browsing: RefCell<HashSet<CommandId>>,
    bus: OnceCell<Bus>,
    heartbeat: OnceCell<Interval>,
    told: Cell<Instant>,
    alarm: Alarm,
    broken: Cell<Option<StoreError>>,
    /// Whether it is being looked whether the files are still there.
    looks: Cell<bool>,
    /// Whether the copy of the list does not say the same as the list.
    is_uncopied: Cell<bool>,
    /// When the list was copied last.
    copied: Cell<Instant>,
    /// Whether an older copy is asked for, which must not be replaced before it is here.
    asks_copy: Cell<bool>,
    /// Whether the logins that were kept are asked for. They must not be replaced before they are here.
    asks_logins: Cell<bool>,
}

async fn open() -> Result<(), JsValue> {
    let opened = match storage::open().await {
        Ok(opened) => opened,
        // The catalogue that has it ends, and then there is another try.
        Err(error) if is_in_use(&error) => return Err(error),
        Err(error) => {
            web_sys::console::error_1(&error);
            Opened::without_storage()
        }
    };
    let mut queue = Queue::new(opened.model, opened.done);
    if let Some(folders) = &opened.folders {
        queue.handle_folders(folders);
    }
    let catalogue = Rc::new(Catalogue {
        queue: RefCell::new(queue),
        journal: RefCell::new(opened.journal),
        browser: Browser::default(),
        library: Library::default(),
        browsing: RefCell::default(),
        bus: OnceCell::new(),
        heartbeat: OnceCell::new(),
        told: Cell::default(),
        alarm: Alarm::default(),
        broken: Cell::default(),
        looks: Cell::default(),
        is_uncopied: Cell::new(true),
        copied: Cell::default(),
        asks_copy: Cell::new(opened.is_empty),
        asks_logins: Cell::new(true),
    });
    let bus = Bus::open(TOPICS, {
        let catalogue = catalogue.clone();
        move |message| catalogue.handle(message)
    })?;
    let heartbeat = Interval::new(HEARTBEAT.as_millis() as u32, {
        let catalogue = catalogue.clone();
        move || {
            catalogue.alive();
            catalogue.ask_for_logins();
            catalogue.browser.close_idle();
            catalogue.queue.borrow_mut().handle_clock(clock::wall_ms());
            catalogue.queue.borrow_mut().write_saved();
            catalogue.perform();
            catalogue.look_after_storage();
            catalogue.copy_list();
            if catalogue.queue.borrow().watches_room() {
                catalogue.measure_room();
            }
        }
    });
    // These hold the catalogue and it holds them, so that it lives as long as the worker.
    let _ = catalogue.bus.set(bus);
    let _ = catalogue.heartbeat.set(heartbeat);
    carrier::on_finding({
        let catalogue = catalogue.clone();
        move |url| catalogue.say(Message::Inner(Inner::OverHttp(url.to_owned())))
    });
    catalogue.alive();
    catalogue.say(Message::Inner(Inner::AskLogins));
    if opened.is_empty {
        catalogue.say(Message::Inner(Inner::AskCopy));
    }
    catalogue.perform();
    opened.strays.into_iter().for_each(delete);
    storage::describe_all(opened.undescribed).await;
    Ok(())
}

impl Catalogue {
    fn handle(self: &Rc<Self>, message: Message) {
        if let Message::Inner(Inner::Copy(copy)) = &message {
            self.handle_copy(copy.as_deref());
        } else {
            let mut queue = self.queue.borrow_mut();
            match message {
                Message::Command { id, command } => queue.handle_command(id, command, clock::wall_ms()),
                Message::Inner(Inner::Report { transfer, report }) => queue.handle_report(&transfer, report),
                Message::Inner(Inner::Lost(transfer)) => queue.handle_lost(&transfer),
                Message::Inner(Inner::Saving { transfer, file, outcome }) => {
                    queue.handle_clock(clock::wall_ms());
                    if let Some(outcome) = queue.judge(&transfer, file, outcome) {
                        let into = queue.model().saved_into(&transfer).unwrap_or_default();
                        let outcome = self.library.of_whole(&transfer, file, outcome, into);
                        queue.handle_saving(&transfer, file, outcome);
                    }
                }
                Message::Inner(Inner::FolderTried { transfer, folder }) => {
                    queue.handle_folder_tried(&transfer, folder);
                }
                Message::Inner(Inner::Asked(transfer)) => queue.handle_asked(&transfer),
                Message::Inner(Inner::Forgotten(download)) => queue.handle_forgotten(download),
                Message::Inner(Inner::Missing(files)) => queue.handle_missing(&files),
                // A second answer says nothing new, and would undo what happened since the first.
                Message::Inner(Inner::Logins(logins)) if self.asks_logins.replace(false) => {
                    queue.handle_kept_logins(logins);
                }
                Message::Inner(Inner::Hail) => self.alive(),
                Message::Inner(Inner::OverHttp(url)) => carrier::remember(url),
                _ => {}
            }
        }
        self.perform();
    }

    /// Does what the queue says, in order.
    fn perform(self: &Rc<Self>) {
        let mut has_written = false;
        while let Some(effect) = self.next_effect() {
            match effect {
                Effect::Write(record) => {
                    self.write(&record);
                    self.is_uncopied.set(true);
                    has_written = true;
                }
                Effect::Say(Message::Inner(Inner::Start(task))) => {
                    let task = WorkerTask { over_http: carrier::remembered(), ..task };
                    self.say(Message::Inner(Inner::Start(task)));
                }
                Effect::Say(message) => self.say(message),
                // An effect that is not on record has not happened: nothing is done for it.
                _ if self.broken.get().is_some() => {}
                Effect::Browse(id, command) => self.browse(id, command),
                Effect::ReadContents(transfer) => self.read_contents(transfer),
                Effect::Save(transfer, file) => self.save(transfer, file),
                Effect::Delete(transfer) => delete(transfer.0),
                Effect::Describe(item) => storage::describe_later(*item),
                Effect::UseLogins(logins) => self.browser.use_logins(logins),
                Effect::MeasureRoom => self.measure_room(),
                Effect::OpenStorage => panic::give_up(&JsError::new("the storage is to be opened again").into()),
            }
        }
        if let Some(error) = self.broken.get() {
            return panic::give_up(&JsError::new(&format!("the journal can't be written: {error:?}")).into());
        }
        if has_written {
            // Records in files that somebody removed are lost: look at once, and not only at the next heartbeat.
            self.look_after_storage();
        }
        self.tell_in_time();
    }

    fn next_effect(&self) -> Option<Effect> {
        self.queue.borrow_mut().poll_effect()
    }

    fn write(&self, record: &Record) {
        let mut journal = self.journal.borrow_mut();
        let Some(journal) = journal.as_mut().filter(|_| self.broken.get().is_none()) else { return };
        if let Err(error) = journal.append(record) {
            self.broken.set(Some(error));
        } else if journal.is_long()
            && let Err(error) = journal.compact(self.queue.borrow().model())
        {
            // The record is durable all the same; the next one tries again.
            let words = format!("the list of downloads can't be written anew: {error:?}");
            web_sys::console::warn_1(&words.into());
        }
    }

    /// Once the journal is broken nothing is promised any more: the next catalogue goes on from what is durable.
    fn say(&self, message: Message) {
        let Some(bus) = self.bus.get() else { return };
        match (self.broken.get(), message) {
            (None, message) => bus.send(&message),
            // To look at servers nothing has to be written.
            (Some(_), message @ Message::Reply { result: Ok(Reply::Connected { .. } | Reply::Listing { .. }), .. }) => {
                bus.send(&message);
            }
            (Some(error), Message::Reply { id, .. }) => {
                bus.send(&Message::Reply { id, result: Err(store_problem(error)) })
            }
            (Some(_), _) => {}
        }
    }

    fn alive(&self) {
        self.say(Message::Inner(Inner::Alive(ContextName::Catalogue)));
    }

    fn read_contents(self: &Rc<Self>, transfer: TransferId) {
        let catalogue = self.clone();
        spawn_local(async move {
            let item = catalogue.queue.borrow().model().item(&transfer).cloned();
            let Some(item) = item else { return };
            let complete = catalogue.library.contents(&item).await.map(|contents| contents.complete());
            catalogue.queue.borrow_mut().handle_contents(&transfer, complete);
            catalogue.perform();
        });
    }

    fn save(self: &Rc<Self>, transfer: TransferId, file: u32) {
        let catalogue = self.clone();
        spawn_local(async move {
            let found = {
                let queue = catalogue.queue.borrow();
                let into = queue.model().saved_into(&transfer).unwrap_or_default().to_owned();
                queue.model().item(&transfer).cloned().map(|item| (item, into))
            };
            let Some((item, into)) = found else { return };
            if storage::is_gone(&item).await {
                catalogue.queue.borrow_mut().handle_gone(&transfer);
                return catalogue.perform();
            }
            match catalogue.library.task(&item, file, &into).await {
                Ok(task) => catalogue.say(Message::Inner(Inner::Save(task))),
                Err(outcome) => {
                    catalogue.queue.borrow_mut().handle_saving(&transfer, file, outcome);
                    catalogue.perform();
                }
            }
        });
    }

    /// Tells the views what changed: what they wait for at once, how far transfers are not too often.
    fn tell_in_time(self: &Rc<Self>) {
        if !self.queue.borrow().has_events() {
            return;
        }
        if self.queue.borrow().is_urgent() {
            self.alarm.stop();
            return self.tell();
        }
        let catalogue = self.clone();
        self.alarm.set(Some(self.told.get() + TELL), move || {
            catalogue.alarm.rang();
            catalogue.tell();
        });
    }

    fn tell(&self) {
        self.told.set(clock::now());
        let events = self.queue.borrow_mut().take_events();
        events.into_iter().for_each(|event| self.say(Message::Event(event)));
    }
}

fn delete(name: String) {
    spawn_local(async move {
        let removed = async { Folder::open(&["transfers"]).await?.remove(&name).await }.await;
        if let Err(error) = removed {
            // It is a stray now and goes when the catalogue starts next.
            web_sys::console::warn_1(&error);
        }
    });
}
