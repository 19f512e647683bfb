//! The log of events: the newest events as they come, and a search through all that are kept.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wstp_admin_messages::{Event, EventsPage, State};
use wstp_text::strangers::marked;
use wstp_ui::button::Button;
use wstp_ui::dates::DateWriter;
use wstp_ui::field::TextField;

use crate::parts::{moment, part};
use crate::server::{self, Server};

/// How long somebody types before the search begins.
const TYPING: Duration = Duration::from_millis(300);

/// The events that the server found, and whether it has older ones.
#[derive(Clone, Copy)]
struct Found {
    server: Server,
    searched: RwSignal<String>,
    /// The newest first.
    events: RwSignal<Vec<Event>>,
    more: RwSignal<bool>,
    /// Counts searches, so that a late answer to an earlier one is dropped.
    turn: RwSignal<u64>,
    /// The newest event that the page knew when it asked.
    known: RwSignal<u64>,
}

/// The view.
#[component]
pub fn Events(server: Server) -> impl IntoView {
    let live = part(server, |state| state.events.clone());
    let are_kept = part(server, |state| state.events_kept);
    let searched = RwSignal::new(String::new());
    let (events, more) = (RwSignal::new(Vec::new()), RwSignal::new(false));
    let (turn, known) = (RwSignal::new(0), RwSignal::new(u64::MAX - 1));
    let found = Found { server, searched, events, more, turn, known };
    Effect::new(move || {
        searched.track();
        turn.update(|turn| *turn += 1);
        let now = turn.get_untracked();
        let search = move || {
            if turn.try_get_untracked() == Some(now) {
                found.ask(None);
            }
        };
        set_timeout(search, TYPING);
    });
    // The server tells the newest ones alone. More may have come than that since they were asked for.
    Effect::new(move || {
        let oldest = live.with(|events| events.first().map_or(0, |event| event.id));
        if oldest > found.known.get_untracked() + 1 && found.events.with_untracked(Vec::len) <= live.with(Vec::len) {
            found.ask(None);
        }
    });
    let writer = StoredValue::new_local(DateWriter::new());
    let shown = move || shown(&live.get(), &found.events.get(), &searched.get());
    view! {
        <TextField label="Search".to_owned() value=searched testid="events-search" />
        <table class="table">
            <thead>
                <tr>
                    <th>"When"</th>
                    <th>"Event"</th>
                </tr>
            </thead>
            <tbody>
                <For each=shown key=|event| event.id let(event)>
                    <tr data-testid="event">
                        <td data-label="When">{writer.with_value(|writer| moment(writer, event.at))}</td>
                        <td data-label="Event">
                            <bdi>{marked(&event.text).into_owned()}</bdi>
                        </td>
                    </tr>
                </For>
            </tbody>
        </table>
        <Show when=move || more.get()>
            <Button testid="events-older" on_press=move || found.ask_older()>"Older events"</Button>
        </Show>
        <p class="note">
            "Take all events along: " <a href="api/events.csv" download="" data-testid="events-csv">"CSV"</a> ", "
            <a href="api/events.jsonl" download="" data-testid="events-jsonl">"JSON lines"</a> ". "
            {move || {
                if are_kept.get() {
                    "The server keeps the newest 100,000, also over a restart."
                } else {
                    "The server forgets them when it ends: it has no folder to keep them in."
                }
            }}
        </p>
    }
}

impl Found {
    /// Asks for the events before that of a number, or for the newest ones.
    fn ask(self, before: Option<u64>) {
        let turn = self.turn.get_untracked();
        let newest = |state: &Option<State>| Some(state.as_ref()?.events.last()?.id);
        self.known.set(self.server.state.with_untracked(newest).unwrap_or_default());
        let words = String::from(js_sys::encode_uri_component(&self.searched.get_untracked()));
        let before_query = before.map(|before| format!("&before={before}")).unwrap_or_default();
        spawn_local(async move {
            let answer = server::get::<EventsPage>(&format!("api/events?search={words}{before_query}")).await;
            if self.turn.try_get_untracked() != Some(turn) {
                return;
            }
            match answer {
                Ok(page) => {
                    self.more.set(page.more);
                    self.events.update(|events| {
                        if before.is_none() {
                            events.clear();
                        }
                        events.extend(page.events);
                    });
                }
                Err(words) => self.server.toasts.show(words, None),
            }
        });
    }

    fn ask_older(self) {
        if let Some(oldest) = self.events.with_untracked(|events| events.last().map(|event| event.id)) {
            self.ask(Some(oldest));
        }
    }
}

/// The events to show, the newest first: those that came since the search, and those that it found.
fn shown(live: &[Event], found: &[Event], searched: &str) -> Vec<Event> {
    let wanted = searched.to_lowercase();
    let newest = found.first().map_or(0, |event| event.id);
    let since = live.iter().rev().filter(|event| event.id > newest);
    let matching = since.chain(found).filter(|event| event.text.to_lowercase().contains(&wanted));
    matching.cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_is_shown_once_with_the_newest_first() {
        let event = |id: u64| Event { id, at: id, text: format!("Event {id}") };
        let ids = |found: &[Event], searched| {
            let live: Vec<_> = (3..=12).map(event).collect();
            shown(&live, found, searched).iter().map(|event| event.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&[], ""), (3..=12).rev().collect::<Vec<_>>());
        let found: Vec<_> = (1..=10).rev().map(event).collect();
        assert_eq!(ids(&found, ""), (1..=12).rev().collect::<Vec<_>>());
        assert_eq!(ids(&found, "EVENT 1"), [12, 11, 10, 1]);
    }
}
