//! The shared folders.

use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use wstp_admin_messages::{Action, PutShare, ShareState};
use wstp_ui::button::{Button, Weight};
use wstp_ui::dialog::Confirm;
use wstp_ui::field::{Switch, TextField};
use wstp_ui::format::bytes;

use crate::parts::{LimitChoice, part};
use crate::server::Server;

/// The view.
#[component]
pub fn Shares(server: Server) -> impl IntoView {
    let shares = part(server, |state| state.shares.clone());
    let file = part(server, |state| state.server.config_file.clone());
    let can_change = Signal::derive(move || file.with(Option::is_some));
    let removed = RwSignal::new(String::new());
    let asks = RwSignal::new(false);
    let remove = move |()| {
        let name = removed.get_untracked();
        server
            .act(Action::RemoveShare { name: name.clone() }, format!("{name} is not shared any more. Its files stay."));
    };
    view! {
        <table class="table" data-testid="shares-table">
            <thead>
                <tr>
                    <th>"Share"</th>
                    <th>"Folder"</th>
                    <th>"Who may read"</th>
                    <th class="number">"Free"</th>
                    <th>"Limit"</th>
                    <th>
                        <span class="spoken">"Actions"</span>
                    </th>
                </tr>
            </thead>
            <tbody>
                <For each=move || shares.get() key=key let(share)>
                    <Share server=server share=share shares=shares can_change=can_change on_remove=move |name| {
                        removed.set(name);
                        asks.set(true);
                    } />
                </For>
            </tbody>
        </table>
        {move || match file.get() {
            Some(file) => view! { <Add server=server file=file /> }.into_any(),
            None => {
                view! {
                    <p class="note">
                        "This server shares the folder on its command line. To change shares here, write a file with wstp-server config init and start the server with --config FILE."
                    </p>
                }
                    .into_any()
            }
        }}
        <Confirm
            open=asks
            title=Signal::derive(move || format!("Stop sharing {} for good?", removed.get()))
            text="Downloads from it end. The files stay on the server's disk.".to_owned()
            verb="Remove the share"
            on_confirm=remove
        />
    }
}

/// A row is made anew when this changes. Free space alone does not take the focus from a row's buttons.
fn key(share: &ShareState) -> (String, String, bool, bool) {
    (share.name.clone(), share.path.clone(), share.public, share.on)
}

#[component]
fn Share(
    server: Server,
    share: ShareState,
    shares: Memo<Vec<ShareState>>,
    #[prop(into)] can_change: Signal<bool>,
    #[prop(into)] on_remove: Callback<String>,
) -> impl IntoView {
    let name = share.name.clone();
    let free = move || {
        let disk = shares.with(|shares| shares.iter().find(|share| share.name == name)?.disk);
        disk.map_or_else(|| "not there".to_owned(), |(free, all)| format!("{} of {}", bytes(free), bytes(all)))
    };
    let shown = if share.name.is_empty() { "/".to_owned() } else { share.name.clone() };
    let may_read = match (share.on, share.public) {
        (false, _) => "Nobody: stopped",
        (true, true) => "Everybody",
        (true, false) => "Users",
    };
    let is_named = !share.name.is_empty();
    let (limited, named) = (share.name.clone(), share.name.clone());
    let limit = Signal::derive(move || {
        shares.with(|shares| shares.iter().find(|share| share.name == limited).and_then(|share| share.limit))
    });
    let limited = share.name.clone();
    let set_limit = move |rate| {
        server.act(Action::LimitShare { name: limited.clone(), rate }, "The limit holds from now on.");
    };
    let (switched, removed, is_on) = (share.name.clone(), share.name.clone(), share.on);
    let words = if is_on { "Stop" } else { "Share again" };
    view! {
        <tr data-testid="share" data-name=share.name.clone()>
            <td data-label="Share">
                <bdi>{shown}</bdi>
            </td>
            <td data-label="Folder">
                <bdi>{share.path}</bdi>
            </td>
            <td data-label="Who may read" class:off=!is_on>
                {may_read}
            </td>
            <td data-label="Free" class="number">{free}</td>
            <td data-label="Limit">
                {is_named
                    .then(|| {
                        view! {
                            <LimitChoice value=limit spoken=format!("Limit of {named}") testid="share-limit" on_change=set_limit />
                        }
                    })}
            </td>
            <td class="acts">
                <Button
                    testid="switch-share"
                    disabled=Signal::derive(move || !can_change.get() || !is_named)
                    spoken=format!("{words}: {switched}")
                    on_press=move || {
                        let words = if is_on { "Sharing stops. Downloads from it end." } else { "It is shared again." };
                        server.act(Action::SwitchShare { name: switched.clone(), on: !is_on }, words);
                    }
                >
                    {words}
                </Button>
                " "
                <Button
                    weight=Weight::Danger
                    testid="remove-share"
                    disabled=Signal::derive(move || !can_change.get() || !is_named)
                    spoken=format!("Remove: {removed}")
                    on_press=move || on_remove.run(removed.clone())
                >
                    "Remove"
                </Button>
            </td>
        </tr>
    }
}

/// A form for a new share, or for an existing one of the same name.
#[component]
fn Add(server: Server, file: String) -> impl IntoView {
    let (name, path, is_public) = (RwSignal::new(String::new()), RwSignal::new(String::new()), RwSignal::new(false));
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let share = PutShare {
            name: name.get_untracked().trim().to_owned(),
            path: path.get_untracked().trim().to_owned(),
            public: is_public.get_untracked(),
        };
        let words = format!("{} is shared.", share.name);
        server.ask(Action::PutShare(share), move |_| {
            server.toasts.show(words, None);
            name.set(String::new());
            path.set(String::new());
        });
    };
    view! {
        <form class="form" on:submit=submit>
            <h2>"Share a folder, or change a share of this name"</h2>
            <TextField label="Name".to_owned() value=name placeholder="films" testid="share-name" />
            <TextField label="Folder on the server".to_owned() value=path placeholder="/srv/films" testid="share-path" />
            <Switch label="Everybody may read it" on=is_public testid="share-public" on_change=move |on| is_public.set(on) />
            <Button weight=Weight::Primary submit=true testid="share-add">"Share"</Button>
            <p>"This is written to " <bdi>{file}</bdi> "."</p>
        </form>
    }
}
