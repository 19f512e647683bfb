//! What stands in for the catalogue while its list can't be read: it answers every command with the reason, and touches nothing.

use std::cell::OnceCell;
use std::rc::Rc;

use gloo_timers::callback::Interval;
use wasm_bindgen::prelude::*;
use wstp_bus::Bus;
use wstp_messages::{ContextName, Inner, Message};

use super::HEARTBEAT;
use super::recover::Unreadable;

const TOPICS: &[&str] = &["Command", "Hail"];

/// Stands in from here on, for as long as the worker lives.
///
/// # Errors
///
/// When the browser has no channel.
pub fn stand_in(reason: Unreadable) -> Result<(), JsValue> {
    let bus = Rc::new(OnceCell::<Bus>::new());
    let say = {
        let bus = bus.clone();
        move |message: Message| bus.get().iter().for_each(|bus| bus.send(&message))
    };
    let alive = Message::Inner(Inner::Alive(ContextName::Catalogue));
    let opened = Bus::open(TOPICS, {
        let (say, alive) = (say.clone(), alive.clone());
        move |message| match message {
            Message::Command { id, .. } => say(Message::Reply { id, result: Err(reason.words()) }),
            _ => say(alive.clone()),
        }
    })?;
    let _ = bus.set(opened);
    say(alive.clone());
    Interval::new(HEARTBEAT.as_millis() as u32, move || say(alive.clone())).forget();
    Ok(())
}
