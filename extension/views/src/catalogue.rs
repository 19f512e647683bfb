//! Commands to the catalogue, and its replies and events.
//!
//! A command is sent again every second under its id until the reply comes. So it survives a catalogue that is still
//! starting or is started again. While the catalogue is silent, the service worker is asked to ensure that there is
//! one.

use std::collections::HashMap;

use gloo_timers::callback::Interval;
use leptos::prelude::*;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use wstp_bus::Bus;
use wstp_messages::{Command, CommandId, Event, Knock, Message, Problem, Reply, Snapshot};
use wstp_words::phrase;

use crate::chrome;

/// Seconds of silence after which the service worker is asked again.
const SILENCE: u32 = 4;
/// The topics that a page listens to, as [`Message::topic`] names them.
const TOPICS: &[&str] = &["Reply", "Event"];
/// Commands that may wait for a reply at once.
const MOST: usize = 64;

/// News from the catalogue.
#[derive(Debug)]
pub enum News {
    /// The whole state.
    Snapshot(Snapshot),
    /// A change.
    Event(Event),
}

type Answer = Box<dyn FnOnce(Result<Reply, Problem>)>;

/// A page's line to the catalogue; cheap to copy.
#[derive(Clone, Copy)]
pub struct Catalogue {
    line: StoredValue<Option<Line>, LocalStorage>,
    trouble: RwSignal<Option<Problem>>,
    news: Callback<News>,
}

struct Line {
    bus: Bus,
    waiting: HashMap<CommandId, (Command, Answer)>,
    silent: u32,
    waking: bool,
    _tick: Interval,
}

impl Catalogue {
    /// Opens the line, requests the whole state, and hands the catalogue's news to `news`.
    pub fn open(news: Callback<News>) -> Self {
        let catalogue = Self { line: StoredValue::new_local(None), trouble: RwSignal::new(None), news };
        match Bus::open(TOPICS, move |message| catalogue.handle_message(message)) {
            Ok(bus) => {
                let tick = Interval::new(1000, move || catalogue.tick());
                let line = Line { bus, waiting: HashMap::new(), silent: 0, waking: false, _tick: tick };
                catalogue.line.set_value(Some(line));
                catalogue.wake();
            }
            Err(_) => catalogue
                .trouble
                .set(Some(Problem { what: phrase!(cant_reach_extension), advice: phrase!(close_and_open) })),
        }
        catalogue
    }

    /// Why the catalogue can't be reached, if it can't.
    pub fn trouble(self) -> Signal<Option<Problem>> {
        self.trouble.into()
    }

    /// Sends a command. Calls `answer` with the result.
    pub fn send(self, command: Command, answer: impl FnOnce(Result<Reply, Problem>) + 'static) {
        let Some(id) = new_id() else { return };
        let is_sent = self.line.try_update_value(|line| {
            let line = line.as_mut().filter(|line| line.waiting.len() < MOST)?;
            line.say(&id, &command);
            line.waiting.insert(id, (command, Box::new(answer)));
            Some(())
        });
        if is_sent.flatten().is_none() {
            self.trouble.set(Some(Problem { what: phrase!(extension_silent), advice: phrase!(close_page_and_open) }));
        }
    }

    /// Asks the service worker to ensure that there is a catalogue, then requests the whole state.
    fn wake(self) {
        let may = self
            .line
            .try_update_value(|line| line.as_mut().is_some_and(|line| !std::mem::replace(&mut line.waking, true)));
        if may != Some(true) {
            return;
        }
        spawn_local(async move {
            let result = chrome::knock(&Knock::Wake).await;
            let _ = self.line.try_update_value(|line| {
                line.iter_mut().for_each(|line| (line.waking, line.silent) = (false, 0));
            });
            match result {
                Ok(()) => self.watch(),
                Err(reason) => {
                    let _ = self.trouble.try_set(Some(Problem {
                        what: phrase!(engine_not_started, &reason),
                        advice: phrase!(retrying_restart),
                    }));
                }
            }
        });
    }

    fn watch(self) {
        let news = self.news;
        self.send(Command::Watch, move |result| match result {
            Ok(Reply::Snapshot(snapshot)) => news.run(News::Snapshot(snapshot)),
            Ok(_) => {}
            Err(problem) => drop(self.trouble.try_set(Some(problem))),
        });
    }

    fn handle_message(self, message: Message) {
        let _ = self.trouble.try_set(None);
        let _ = self.line.try_update_value(|line| line.iter_mut().for_each(|line| line.silent = 0));
        match message {
            Message::Event(event) => self.news.run(News::Event(event)),
            Message::Reply { id, result } => {
                let waited = self.line.try_update_value(|line| line.as_mut()?.waiting.remove(&id)).flatten();
                if let Some((_, answer)) = waited {
                    answer(result);
                }
            }
            Message::Command { .. } | Message::Inner(_) => {}
        }
    }

    /// Once a second: repeats unanswered commands.
    fn tick(self) {
        let is_silent = self.line.try_update_value(|line| {
            let Some(line) = line else { return false };
            line.silent += 1;
            for (id, (command, _)) in &line.waiting {
                line.say(id, command);
            }
            line.silent >= SILENCE
        });
        if is_silent == Some(true) {
            self.wake();
        }
    }
}

impl Line {
    fn say(&self, id: &CommandId, command: &Command) {
        let message = Message::Command { id: id.clone(), command: command.clone() };
        self.bus.send(&message);
    }
}

/// 16 random bytes in hexadecimal.
fn new_id() -> Option<CommandId> {
    let mut bytes = [0_u8; 16];
    let crypto = web_sys::window()?.crypto().ok()?;
    crypto.get_random_values_with_u8_array(&mut bytes).map_err(|error: JsValue| error).ok()?;
    Some(CommandId(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}
