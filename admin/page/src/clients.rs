//! Who is connected, and what they fetch.

use leptos::prelude::*;
use wstp_admin_messages::{Action, ClientState};
use wstp_text::strangers::marked;
use wstp_ui::button::{Button, Weight};
use wstp_ui::dates::DateWriter;
use wstp_ui::format::{bytes, rate};
use wstp_ui::icon::Icon;
use wstp_ui::notice::EmptyState;

use crate::parts::{LimitChoice, moment, part};
use crate::server::Server;

/// The view.
#[component]
pub fn Clients(server: Server) -> impl IntoView {
    let clients = part(server, |state| state.clients.clone());
    let ids = move || clients.with(|clients| clients.iter().map(|client| client.connection).collect::<Vec<_>>());
    let is_empty = Memo::new(move |_| clients.with(Vec::is_empty));
    view! {
        {move || {
            is_empty
                .get()
                .then(|| view! { <EmptyState icon=Icon::Transfers title="Nobody is connected".to_owned() hint="Clients appear here as they come.".to_owned() /> })
        }}
        <table class="table" hidden=is_empty data-testid="clients-table">
            <thead>
                <tr>
                    <th>"Who"</th>
                    <th>"Reads"</th>
                    <th class="number">"Speed"</th>
                    <th class="number">"Sent"</th>
                    <th>"Since"</th>
                    <th>"Limit"</th>
                    <th>
                        <span class="spoken">"Actions"</span>
                    </th>
                </tr>
            </thead>
            <tbody>
                <For each=ids key=|id| *id let(id)>
                    <Client server=server clients=clients id=id />
                </For>
            </tbody>
        </table>
    }
}

#[component]
fn Client(server: Server, clients: Memo<Vec<ClientState>>, id: u64) -> impl IntoView {
    let writer = DateWriter::new();
    let client = Memo::new(move |_| {
        clients.with(|clients| clients.iter().find(|client| client.connection == id).cloned().unwrap_or_default())
    });
    let files = move || {
        client.with(|client| match &client.paths[..] {
            [] => "—".to_owned(),
            [path] => path.clone(),
            [path, rest @ ..] => format!("{path} and {} more", rest.len()),
        })
    };
    let limited = move |rate| {
        server.act(Action::Limit { connection: id, rate }, "The limit holds from now on.");
    };
    view! {
        <tr data-testid="client">
            <td data-label="Who">
                <span>
                    <bdi>{move || client.with(|client| client.caller.clone())}</bdi>
                    <br />
                    <span class="note">{move || client.with(|client| client.address.clone())}</span>
                </span>
            </td>
            <td data-label="Reads">
                <bdi data-testid="client-path">{move || marked(&files()).into_owned()}</bdi>
            </td>
            <td data-label="Speed" class="number">{move || client.with(|client| rate(client.rate as f64))}</td>
            <td data-label="Sent" class="number">{move || client.with(|client| bytes(client.sent))}</td>
            <td data-label="Since">{move || client.with(|client| moment(&writer, client.since))}</td>
            <td data-label="Limit">
                <LimitChoice
                    value=Signal::derive(move || client.with(|client| client.limit))
                    spoken="Limit"
                    testid="client-limit"
                    on_change=limited
                />
            </td>
            <td class="acts">
                <Button
                    weight=Weight::Danger
                    testid="disconnect"
                    on_press=move || server.act(Action::Disconnect { connection: id }, "The connection is ended. A client may come back.")
                >
                    "Disconnect"
                </Button>
            </td>
        </tr>
    }
}
