//! The last events.

use leptos::prelude::*;
use wstp_text::strangers::marked;
use wstp_ui::dates::DateWriter;
use wstp_ui::field::TextField;

use crate::parts::{moment, part};
use crate::server::Server;

/// The view.
#[component]
pub fn Events(server: Server) -> impl IntoView {
    let events = part(server, |state| state.events.clone());
    let searched = RwSignal::new(String::new());
    let writer = StoredValue::new_local(DateWriter::new());
    let shown = move || {
        let wanted = searched.get().to_lowercase();
        let mut shown = events.get();
        shown.retain(|event| event.text.to_lowercase().contains(&wanted));
        shown.reverse();
        shown
    };
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
        <p class="note">"The newest 200 events since the server's start. The server's log has them all."</p>
    }
}
