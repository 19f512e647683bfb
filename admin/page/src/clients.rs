//! Who is connected, and what they fetch.

use leptos::prelude::*;
use wstp_admin_messages::{Action, ClientState};
use wstp_text::strangers::marked;
use wstp_ui::button::{Button, Weight};
use wstp_ui::dates::DateWriter;
use wstp_ui::format::{bytes, rate};
use wstp_ui::icon::Icon;
use wstp_ui::notice::EmptyState;

use crate::long_table::LongTable;
use crate::parts::{LimitChoice, moment, part};
use crate::server::Server;
use crate::strip::SentStrip;

/// The view.
#[component]
pub fn Clients(server: Server) -> impl IntoView {
    let clients = part(server, |state| state.clients.clone());
    let table = LongTable::new(Signal::derive(move || clients.with(Vec::len)));
    let ids = move || {
        let range = table.range.get();
        clients.with(|clients| {
            clients.iter().skip(range.start).take(range.len()).map(|client| client.connection).collect::<Vec<_>>()
        })
    };
    let is_empty = Memo::new(move |_| clients.with(Vec::is_empty));
    view! {
        {move || {
            is_empty
                .get()
                .then(|| view! { <EmptyState icon=Icon::Transfers title="Nobody is connected".to_owned() hint="Clients appear here as they come.".to_owned() /> })
        }}
        <table
            class="table clients"
            hidden=is_empty
            data-testid="clients-table"
            aria-rowcount=move || (clients.with(Vec::len) + 1).to_string()
        >
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
            <tbody node_ref=table.body>
                <tr class="gap" aria-hidden="true" style:height=move || table.above()></tr>
                <For each=ids key=|id| *id let(id)>
                    <Client server=server clients=clients id=id />
                </For>
                <tr class="gap" aria-hidden="true" style:height=move || table.below()></tr>
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
    let number = move || clients.with(|clients| clients.iter().position(|client| client.connection == id));
    let file =
        move || client.with(|client| client.transfers.first().map_or("—".to_owned(), |first| first.path.clone()));
    let others = move || {
        let others = client.with(|client| client.transfers.len().saturating_sub(1) + client.others);
        (others > 0).then(|| format!(" and {others} more"))
    };
    let levels = Memo::new(move |_| client.with(|client| client.transfers.first().map(|first| first.sent.clone())));
    let limited = move |rate| {
        server.act(Action::Limit { connection: id, rate }, "The limit holds from now on.");
    };
    view! {
        <tr data-testid="client" aria-rowindex=move || number().map(|index| (index + 2).to_string())>
            <td data-label="Who">
                <span>
                    <bdi>{move || client.with(|client| client.caller.clone())}</bdi>
                    <br />
                    <span class="note">{move || client.with(|client| client.address.clone())}</span>
                </span>
            </td>
            <td data-label="Reads">
                <span class="reads">
                    <span class="reads-path" title=file>
                        <bdi data-testid="client-path">{move || marked(&file()).into_owned()}</bdi>
                        {others}
                    </span>
                    {move || {
                        levels
                            .get()
                            .map(|_| view! { <SentStrip levels=Signal::derive(move || levels.get().unwrap_or_default()) /> })
                    }}
                </span>
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
