//! The offscreen document: the supervisor. It starts the workers and replaces those that die or fall silent, makes object URLs of
//! finished files, and passes on to the service worker what only chrome.* can do. File data never passes through it, and it decides nothing about
//! transfers.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use gloo_timers::callback::Interval;
use js_sys::{Object, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Event, Url, Worker, WorkerOptions, WorkerType};
use wstp_engine::Instant;
use wstp_messages::{ContextName, Inner, Knock, Message, SaveOutcome, TransferId, WorkerReport, WorkerTask};

use crate::bus::{Bus, to_js};
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

const TOPICS: &[&str] = &["Alive", "Start", "Report", "Save", "AskSave", "Saving", "Active", "Notify"];

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
    });
    let bus = Bus::open(TOPICS, {
        let supervisor = supervisor.clone();
        move |message| supervisor.handle(message)
    })?;
    let tick = Interval::new(TICK.as_millis() as u32, {
        let supervisor = supervisor.clone();
        move || supervisor.handle_tick()
    });
    // These hold the supervisor and it holds them, so that it lives as long as the document.
    let _ = supervisor.bus.set(bus);
    let _ = supervisor.tick.set(tick);
    supervisor.start(ContextName::Catalogue, None)
}

struct Supervisor {
    state: RefCell<State>,
    bus: OnceCell<Bus>,
    tick: OnceCell<Interval>,
}

#[derive(Default)]
struct State {
    workers: HashMap<ContextName, Watched>,
    urls: HashMap<TransferId, String>,
    saving: HashMap<i32, TransferId>,
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
            Inner::Save { transfer, filename } => spawn_local(self.clone().save(transfer, filename)),
            Inner::AskSave { transfer, download } => spawn_local(self.clone().ask_save(transfer, download)),
            Inner::Saving { transfer, download, outcome } => self.saving(transfer, download, &outcome),
            Inner::Active { transfers, percent } => self.active(transfers, percent),
            Inner::Notify { transfer, title, text } => pass_on(Knock::Notify { transfer, title, text }),
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
        let first = Object::new();
        Reflect::set(&first, &"module".into(), &wasm_bindgen::module())?;
        Reflect::set(&first, &"kind".into(), &kind.into())?;
        Reflect::set(&first, &"task".into(), &task.map_or(Ok(JsValue::NULL), to_js)?)?;
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

    async fn save(self: Rc<Self>, transfer: TransferId, filename: String) {
        if let Err(error) = self.try_save(&transfer, filename).await {
            self.save_failed(transfer, None, &error);
        }
    }

    async fn try_save(&self, transfer: &TransferId, filename: String) -> Result<(), JsValue> {
        let file = opfs::Folder::open(&["transfers", &transfer.0]).await?.snapshot("data").await?;
        // Of a file without a type Chrome guesses one, and then gives the name another extension.
        let bytes = file.slice_with_f64_and_f64_and_content_type(0.0, file.size(), "application/octet-stream")?;
        let url = Url::create_object_url_with_blob(&bytes)?;
        if let Some(old) = self.state.borrow_mut().urls.insert(transfer.clone(), url.clone()) {
            Url::revoke_object_url(&old)?;
        }
        chrome::knock(&Knock::Save { transfer: transfer.clone(), url, filename }).await
    }

    async fn ask_save(self: Rc<Self>, transfer: TransferId, download: i32) {
        if let Err(error) = chrome::knock(&Knock::Ask { transfer: transfer.clone(), download }).await {
            self.save_failed(transfer, Some(download), &error);
        }
    }

    fn save_failed(&self, transfer: TransferId, download: Option<i32>, error: &JsValue) {
        web_sys::console::error_1(error);
        let problem = problem(
            format!("Chrome could not save the file ({}).", chrome::error_text(error)),
            "The file is still here; save it again.",
        );
        let outcome = SaveOutcome::Failed { problem };
        self.saving(Some(transfer.clone()), download, &outcome);
        self.say(Inner::Saving { transfer: Some(transfer), download, outcome });
    }

    /// An object URL is needed until Chrome is done with it.
    fn saving(&self, transfer: Option<TransferId>, download: Option<i32>, outcome: &SaveOutcome) {
        let mut state = self.state.borrow_mut();
        if let (SaveOutcome::Begun, Some(transfer), Some(download)) = (outcome, &transfer, download) {
            state.saving.insert(download, transfer.clone());
            return;
        }
        let known = download.and_then(|download| state.saving.remove(&download));
        if let Some(url) = transfer.or(known).and_then(|transfer| state.urls.remove(&transfer)) {
            let _ = Url::revoke_object_url(&url);
        }
    }

    fn say(&self, inner: Inner) {
        if let Some(bus) = self.bus.get() {
            bus.send_inner(inner);
        }
    }
}

/// Passes something on to the service worker that nobody waits for.
fn pass_on(knock: Knock) {
    spawn_local(async move {
        if let Err(error) = chrome::knock(&knock).await {
            web_sys::console::warn_1(&error);
        }
    });
}
