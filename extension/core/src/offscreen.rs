//! The offscreen document: the supervisor. It starts the workers and replaces those that die or fall silent. It makes
//! object URLs of finished files, and passes requests for chrome.* on to the service worker. File data never passes
//! through it, and it decides nothing about transfers.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use gloo_timers::callback::Interval;
use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Blob, Event, File, Url, Worker, WorkerOptions, WorkerType};
use wstp_bus::Bus;
use wstp_client::words::reason;
use wstp_engine::Instant;
use wstp_messages::{
    ContextName, Inner, Knock, Message, Problem, SaveOutcome, SavePlace, SaveTask, TransferId, WorkerReport,
    WorkerTask, encode,
};
use wstp_words::phrase;

use crate::folder_layout::PACK;
use crate::network::Online;
use crate::words::problem;
use crate::{chrome, clock, opfs};

/// A worker that says nothing for so long is replaced.
const SILENCE: Duration = Duration::from_secs(5);
/// A new worker compiles and opens its files first.
const START: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_secs(1);
/// With nothing to do for so long the document may be closed.
const IDLE: Duration = Duration::from_secs(30);
/// The catalogue is started again after so long when it died.
const CATALOGUE_PAUSE: Duration = Duration::from_secs(1);

/// Every blob has this type. Chrome guesses the type of a blob that has none, and then changes the extension of its
/// name.
const TYPE: &str = "application/octet-stream";

const TOPICS: &[&str] = &[
    "Alive",
    "Start",
    "Report",
    "Save",
    "TryFolder",
    "Ask",
    "StopSaving",
    "Saving",
    "Active",
    "Notify",
    "KeepCopy",
    "AskCopy",
    "KeepLogins",
    "AskLogins",
];

/// Starts the catalogue and supervises from here on.
///
/// # Errors
///
/// When the browser has no workers or no channel.
pub fn run() -> Result<(), JsValue> {
    let supervisor = Rc::new(Supervisor {
        state: RefCell::new(State { last_tick: clock::now(), idle_since: Some(clock::now()), ..State::default() }),
        bus: OnceCell::new(),
        tick: OnceCell::new(),
        online: OnceCell::new(),
    });
    let bus = Bus::open(TOPICS, {
        let supervisor = supervisor.clone();
        move |message| supervisor.handle(message)
    })?;
    let tick = Interval::new(TICK.as_millis() as u32, {
        let supervisor = supervisor.clone();
        move || supervisor.handle_tick()
    });
    let online = Online::listen({
        let supervisor = supervisor.clone();
        move || supervisor.say(Inner::Online)
    });
    // These hold the supervisor and it holds them, so that it lives as long as the document.
    let _ = supervisor.online.set(online);
    let _ = supervisor.bus.set(bus);
    let _ = supervisor.tick.set(tick);
    supervisor.start(ContextName::Catalogue, None)
}

struct Supervisor {
    state: RefCell<State>,
    bus: OnceCell<Bus>,
    tick: OnceCell<Interval>,
    online: OnceCell<Online>,
}

#[derive(Default)]
struct State {
    workers: HashMap<ContextName, Watched>,
    /// The object URLs of files that Chrome copies, by transfer and number.
    urls: HashMap<(TransferId, u32), String>,
    /// The pack that was looked up last. It is looked up again at each tick, since it may be changed.
    pack: Option<(TransferId, File)>,
    last_tick: Instant,
    catalogue_due: Option<Instant>,
    idle_since: Option<Instant>,
    badge: String,
}

/// A worker; it ends when this is dropped.
struct Watched {
    worker: Worker,
    silent_since: Instant,
    has_spoken: bool,
    _on_error: Closure<dyn FnMut(Event)>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

impl Watched {
    fn is_lost(&self, now: Instant) -> bool {
        now - self.silent_since > if self.has_spoken { SILENCE } else { START }
    }
}

impl Supervisor {
    fn handle(self: &Rc<Self>, message: Message) {
        let Message::Inner(inner) = message else { return };
        match inner {
            Inner::Alive(name) => self.heard(&name),
            Inner::Start(task) => self.start_transfer(task),
            Inner::Report { transfer, report } => {
                let name = ContextName::Transfer(transfer);
                match report {
                    WorkerReport::Progress(_) | WorkerReport::Mirrors(_) => self.heard(&name),
                    _ => drop(self.state.borrow_mut().workers.remove(&name)),
                }
            }
            Inner::Save(task) => spawn_local(self.clone().save(task)),
            Inner::TryFolder { transfer, folder } => spawn_local(self.clone().try_folder(transfer, folder)),
            Inner::Ask(transfer) => spawn_local(self.clone().ask(transfer)),
            Inner::StopSaving(transfer) => pass_on(Knock::StopSaving { transfer }),
            Inner::Saving { transfer, file, outcome } => self.saving(transfer, file, &outcome),
            Inner::Active { transfers, percent } => self.active(transfers, percent),
            Inner::Notify { transfer, title, text } => pass_on(Knock::Notify { transfer, title, text }),
            Inner::KeepCopy(copy) => pass_on(Knock::KeepCopy { copy }),
            Inner::AskCopy => spawn_local(self.clone().ask_copy()),
            Inner::KeepLogins(logins) => pass_on(Knock::KeepLogins { logins }),
            // The catalogue asks again.
            Inner::AskLogins => pass_on(Knock::AskLogins),
            _ => {}
        }
    }

    fn heard(&self, name: &ContextName) {
        if let Some(watched) = self.state.borrow_mut().workers.get_mut(name) {
            watched.silent_since = clock::now();
            watched.has_spoken = true;
        }
    }

    /// A worker that runs is left alone: the catalogue that asks was replaced and does not know of it.
    fn start_transfer(self: &Rc<Self>, task: WorkerTask) {
        let name = ContextName::Transfer(task.transfer.clone());
        if self.state.borrow().workers.contains_key(&name) {
            return;
        }
        self.state.borrow_mut().pack = None;
        if let Err(error) = self.start(name.clone(), Some(&task)) {
            web_sys::console::error_1(&error);
            self.lose(&name);
        }
    }

    fn start(self: &Rc<Self>, name: ContextName, task: Option<&WorkerTask>) -> Result<(), JsValue> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let kind = if task.is_some() { "transfer" } else { "catalogue" };
        options.set_name(kind);
        let worker = Worker::new_with_options("worker.js", &options)?;
        let on_error = Closure::<dyn FnMut(Event)>::new({
            let (supervisor, name) = (self.clone(), name.clone());
            move |_| {
                // The worker holds this closure, which must return before it is dropped.
                let (supervisor, name) = (supervisor.clone(), name.clone());
                spawn_local(async move { supervisor.lose(&name) });
            }
        });
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        let task = task.map_or(JsValue::NULL, |task| Uint8Array::from(encode(task).as_slice()).into());
        let first = Object::new();
        Reflect::set(&first, &"module".into(), &wasm_bindgen::module())?;
        Reflect::set(&first, &"kind".into(), &kind.into())?;
        Reflect::set(&first, &"task".into(), &task)?;
        worker.post_message(&first)?;
        let watched = Watched { worker, silent_since: clock::now(), has_spoken: false, _on_error: on_error };
        self.state.borrow_mut().workers.insert(name, watched);
        Ok(())
    }

    /// Ends a worker that died or fell silent.
    fn lose(&self, name: &ContextName) {
        drop(self.state.borrow_mut().workers.remove(name));
        match name {
            ContextName::Catalogue => self.state.borrow_mut().catalogue_due = Some(clock::now() + CATALOGUE_PAUSE),
            ContextName::Transfer(id) => self.say(Inner::Lost(id.clone())),
        }
    }

    fn handle_tick(self: &Rc<Self>) {
        let now = clock::now();
        let lost: Vec<_> = {
            let mut state = self.state.borrow_mut();
            state.pack = None;
            let asleep = now - std::mem::replace(&mut state.last_tick, now) > SILENCE / 2;
            if asleep {
                // The computer slept, or this document was starved: nobody had a chance to speak.
                state.workers.values_mut().for_each(|watched| watched.silent_since = now);
            }
            state.workers.iter().filter(|(_, watched)| watched.is_lost(now)).map(|(name, _)| name.clone()).collect()
        };
        for name in lost {
            web_sys::console::warn_1(&format!("replacing a silent worker: {name:?}").into());
            self.lose(&name);
        }
        if self.state.borrow().catalogue_due.is_some_and(|due| due <= now) {
            self.state.borrow_mut().catalogue_due = None;
            if let Err(error) = self.start(ContextName::Catalogue, None) {
                web_sys::console::error_1(&error);
                self.lose(&ContextName::Catalogue);
            }
        }
        let mut state = self.state.borrow_mut();
        if state.idle_since.is_some_and(|since| now - since > IDLE) {
            state.idle_since = Some(now);
            pass_on(Knock::Idle);
        }
    }

    fn active(&self, transfers: u32, percent: u8) {
        let text = if transfers == 0 { String::new() } else { format!("{percent}%") };
        let mut state = self.state.borrow_mut();
        state.idle_since = if transfers == 0 { state.idle_since.or_else(|| Some(clock::now())) } else { None };
        if state.badge != text {
            state.badge.clone_from(&text);
            pass_on(Knock::Badge { text });
        }
    }

    async fn save(self: Rc<Self>, task: SaveTask) {
        let outcome = match self.bytes(&task).await {
            Some(bytes) => match self.try_save(&task, &bytes).await {
                Ok(()) => return,
                Err(error) => SaveOutcome::Failed { problem: unsaved(&error) },
            },
            None => SaveOutcome::Stale,
        };
        self.saving(task.transfer.clone(), task.file, &outcome);
        self.say(Inner::Saving { transfer: task.transfer, file: task.file, outcome });
    }

    async fn try_save(&self, task: &SaveTask, bytes: &Blob) -> Result<(), JsValue> {
        let url = Url::create_object_url_with_blob(bytes)?;
        let key = (task.transfer.clone(), task.file);
        if let Some(old) = self.state.borrow_mut().urls.insert(key, url.clone()) {
            Url::revoke_object_url(&old)?;
        }
        let SaveTask { transfer, file, filename, .. } = task.clone();
        chrome::knock(&Knock::Save { transfer, file, url, filename }).await
    }

    async fn try_folder(self: Rc<Self>, transfer: TransferId, folder: String) {
        if let Err(error) = Self::knock_for_folder(&transfer, folder).await {
            web_sys::console::error_1(&error);
            let what = phrase!(chrome_folder_not_saved, &reason(&chrome::error_text(&error)));
            let folder = Err(problem(what, phrase!(still_here)));
            self.say(Inner::FolderTried { transfer, folder });
        }
    }

    async fn knock_for_folder(transfer: &TransferId, folder: String) -> Result<(), JsValue> {
        let empty = Blob::new()?.slice_with_f64_and_f64_and_content_type(0.0, 0.0, TYPE)?;
        let url = Url::create_object_url_with_blob(&empty)?;
        let tried = chrome::knock(&Knock::TryFolder { transfer: transfer.clone(), url: url.clone(), folder }).await;
        Url::revoke_object_url(&url)?;
        tried
    }

    /// A complete file of a transfer, if what is stored of it is as it was when it was verified.
    async fn bytes(&self, task: &SaveTask) -> Option<Blob> {
        let stored = self.stored(task).await.inspect_err(web_sys::console::warn_1).ok()?;
        if opfs::stamp(&stored) != task.stamp {
            return None;
        }
        let (start, end) = match task.place {
            SavePlace::Own(_) => (0.0, stored.size()),
            SavePlace::Packed { offset, size } => (offset as f64, (offset + size) as f64),
        };
        stored.slice_with_f64_and_f64_and_content_type(start, end, TYPE).ok()
    }

    /// The stored file that has a complete file of a transfer. After a change to it nothing more can be read from this.
    async fn stored(&self, task: &SaveTask) -> Result<File, JsValue> {
        let SavePlace::Own(names) = &task.place else { return self.pack(&task.transfer).await };
        let (name, folders) = names.split_last().ok_or("a file has a name")?;
        let way = ["transfers", &task.transfer.0].into_iter().chain(folders.iter().map(String::as_str));
        opfs::Folder::find(&way.collect::<Vec<_>>()).await?.snapshot(name).await
    }

    async fn pack(&self, transfer: &TransferId) -> Result<File, JsValue> {
        let known = self.state.borrow().pack.clone().filter(|(id, _)| id == transfer);
        if let Some((_, pack)) = known {
            return Ok(pack);
        }
        let pack = opfs::Folder::find(&["transfers", &transfer.0]).await?.snapshot(PACK).await?;
        self.state.borrow_mut().pack = Some((transfer.clone(), pack.clone()));
        Ok(pack)
    }

    /// If Chrome can't be asked, it knows nothing.
    async fn ask(self: Rc<Self>, transfer: TransferId) {
        if let Err(error) = chrome::knock(&Knock::Ask { transfer: transfer.clone() }).await {
            web_sys::console::warn_1(&error);
            self.say(Inner::Asked(transfer));
        }
    }

    async fn ask_copy(self: Rc<Self>) {
        if let Err(error) = chrome::knock(&Knock::AskCopy).await {
            web_sys::console::warn_1(&error);
            self.say(Inner::Copy(None));
        }
    }

    /// An object URL is needed until Chrome is done with it.
    fn saving(&self, transfer: TransferId, file: u32, outcome: &SaveOutcome) {
        if !matches!(outcome, SaveOutcome::Begun { .. } | SaveOutcome::Waits { .. })
            && let Some(url) = self.state.borrow_mut().urls.remove(&(transfer, file))
        {
            let _ = Url::revoke_object_url(&url);
        }
    }

    fn say(&self, inner: Inner) {
        if let Some(bus) = self.bus.get() {
            bus.send_inner(inner);
        }
    }
}

/// Chrome did not take a file.
fn unsaved(error: &JsValue) -> Problem {
    web_sys::console::error_1(error);
    let what = phrase!(chrome_file_not_saved, &reason(&chrome::error_text(error)));
    problem(what, phrase!(still_here))
}

/// Passes something on to the service worker that nobody waits for.
fn pass_on(knock: Knock) {
    spawn_local(async move {
        if let Err(error) = chrome::knock(&knock).await {
            web_sys::console::warn_1(&error);
        }
    });
}
