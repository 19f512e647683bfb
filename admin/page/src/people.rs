//! Users and tokens.

use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use wstp_admin_messages::{Action, AddToken, AddUser, TokenState, UserState};
use wstp_ui::button::{Button, Weight};
use wstp_ui::dates::DateWriter;
use wstp_ui::dialog::{Confirm, Dialog};
use wstp_ui::field::{Switch, TextField};
use wstp_ui::format::{bytes, rate};
use wstp_ui::icon::Icon;
use wstp_ui::notice::EmptyState;

use crate::parts::{Choice, moment, number, part, split_places};
use crate::server::Server;

const ROLES: &[(&str, &str)] = &[
    ("normal", "normal: reads every share"),
    ("limited", "limited: reads the places that are named"),
    ("upload", "upload: as normal, and uploads once that is there"),
    ("admin", "admin: everything, and this page"),
];

/// The view.
#[component]
pub fn People(server: Server) -> impl IntoView {
    let users = part(server, |state| state.users.clone());
    let removed = RwSignal::new(String::new());
    let (asks, changes) = (RwSignal::new(false), RwSignal::new(false));
    let changed = RwSignal::new(String::new());
    let remove = move |()| {
        let name = removed.get_untracked();
        server.act(Action::RemoveUser { name: name.clone() }, format!("{name} is removed, with all tokens and links."));
    };
    view! {
        <h2>"Users"</h2>
        <table class="table" data-testid="users-table">
            <thead>
                <tr>
                    <th>"Name"</th>
                    <th>"Role"</th>
                    <th>"Reads"</th>
                    <th class="number">"Limit"</th>
                    <th>"Makes links"</th>
                    <th>
                        <span class="spoken">"Actions"</span>
                    </th>
                </tr>
            </thead>
            <tbody>
                <For each=move || users.get() key=|user| (user.name.clone(), user.role.clone(), user.only.clone(), user.rate, user.volume, user.links) let(user)>
                    <User
                        server=server
                        user=user
                        on_password=move |name| {
                            changed.set(name);
                            changes.set(true);
                        }
                        on_remove=move |name| {
                            removed.set(name);
                            asks.set(true);
                        }
                    />
                </For>
            </tbody>
        </table>
        <NewUser server=server />
        <h2>"Tokens"</h2>
        <Tokens server=server />
        <Confirm
            open=asks
            title=Signal::derive(move || format!("Remove {}?", removed.get()))
            text="The user's downloads end, its tokens are revoked, and its links are removed.".to_owned()
            verb="Remove the user"
            on_confirm=remove
        />
        <NewPassword server=server open=changes name=changed />
    }
}

#[component]
fn User(
    server: Server,
    user: UserState,
    #[prop(into)] on_password: Callback<String>,
    #[prop(into)] on_remove: Callback<String>,
) -> impl IntoView {
    let reads = match (&user.role[..], &user.only[..]) {
        ("limited", []) => "nothing".to_owned(),
        (_, []) => "every share".to_owned(),
        (_, places) => places.join(", "),
    };
    let limits =
        [user.rate.map(|limit| rate(limit as f64)), user.volume.map(|volume| format!("{} a day", bytes(volume)))];
    let limits: Vec<_> = limits.into_iter().flatten().collect();
    let limit = if limits.is_empty() { "—".to_owned() } else { limits.join(", ") };
    let links = match &user.role[..] {
        // An administrator always may.
        "admin" => "Yes".into_any(),
        _ => view! { <MayLink server=server name=user.name.clone() may=user.links /> }.into_any(),
    };
    let (changed, removed, shown, name) = (user.name.clone(), user.name.clone(), user.name.clone(), user.name.clone());
    view! {
        <tr data-testid="user" data-name=name>
            <td data-label="Name">
                <bdi>{user.name}</bdi>
            </td>
            <td data-label="Role">{user.role}</td>
            <td data-label="Reads">
                <bdi>{reads}</bdi>
            </td>
            <td data-label="Limit" class="number">{limit}</td>
            <td data-label="Makes links">{links}</td>
            <td class="acts">
                <Button testid="set-password" spoken=format!("Change the password of {shown}") on_press=move || on_password.run(changed.clone())>
                    "Password"
                </Button>
                " "
                <Button weight=Weight::Danger testid="remove-user" spoken=format!("Remove {shown}") on_press=move || on_remove.run(removed.clone())>
                    "Remove"
                </Button>
            </td>
        </tr>
    }
}

/// Whether a user may make share links, to be changed.
#[component]
fn MayLink(server: Server, name: String, may: bool) -> impl IntoView {
    let shown = if may { "Yes" } else { "No" };
    let done = if may { "makes no links any more. Those that there are end." } else { "may make links now." };
    // A spoken label begins with the words that are seen.
    let (spoken, words) = (format!("{shown}: links by {name}"), format!("{name} {done}"));
    let change = move || server.act(Action::AllowLinks { name: name.clone(), may: !may }, words.clone());
    view! {
        <Button testid="may-link" spoken=spoken on_press=change>
            {shown}
        </Button>
    }
}

#[component]
fn NewUser(server: Server) -> impl IntoView {
    let (name, password, places) =
        (RwSignal::new(String::new()), RwSignal::new(String::new()), RwSignal::new(String::new()));
    let role = RwSignal::new("normal".to_owned());
    let (speed, volume) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let links = RwSignal::new(false);
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let (Some(rate), Some(volume)) = (number(&speed.get_untracked()), number(&volume.get_untracked())) else {
            return server.toasts.show("Type numbers as limits, or nothing.".to_owned(), None);
        };
        let user = AddUser {
            name: name.get_untracked().trim().to_owned(),
            password: password.get_untracked(),
            role: role.get_untracked(),
            only: split_places(&places.get_untracked()),
            rate: rate.map(|rate| rate.saturating_mul(1024)),
            volume: volume.map(|volume| volume.saturating_mul(1 << 20)),
            links: links.get_untracked(),
        };
        let words = format!("{} may log in now.", user.name);
        server.ask(Action::AddUser(user), move |_| {
            server.toasts.show(words, None);
            [name, password, places].iter().for_each(|field| field.set(String::new()));
            links.set(false);
        });
    };
    view! {
        <form class="form" on:submit=submit>
            <h2>"Add a user"</h2>
            <TextField label="Name".to_owned() value=name testid="user-name" />
            <TextField label="Password, 8 characters or more".to_owned() value=password is_secret=true testid="user-password" />
            <Choice label="Role" options=ROLES value=role testid="user-role" />
            <TextField label="Only these places".to_owned() value=places placeholder="films, music/new" testid="user-only" />
            <TextField label="KiB a second at most".to_owned() value=speed placeholder="no limit" testid="user-rate" />
            <TextField label="MiB a day at most".to_owned() value=volume placeholder="no limit" testid="user-volume" />
            // An administrator always may.
            <Show when=move || role.with(|role| role != "admin")>
                <Switch label="Makes share links" on=links testid="user-links" on_change=move |on| links.set(on) />
            </Show>
            <Button weight=Weight::Primary submit=true testid="user-add">"Add"</Button>
        </form>
    }
}

#[component]
fn NewPassword(server: Server, open: RwSignal<bool>, name: RwSignal<String>) -> impl IntoView {
    let password = RwSignal::new(String::new());
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let (name, typed) = (name.get_untracked(), password.get_untracked());
        let words = format!("{name} has another password, and is logged out everywhere.");
        server.ask(Action::SetPassword { name, password: typed }, move |_| {
            server.toasts.show(words, None);
            open.set(false);
        });
        password.set(String::new());
    };
    view! {
        <Dialog open=open title=Signal::derive(move || format!("A new password for {}", name.get()))>
            <form on:submit=submit>
                <TextField label="Password, 8 characters or more".to_owned() value=password is_secret=true testid="new-password" />
                <div class="dialog-actions">
                    <Button on_press=move || open.set(false)>"Cancel"</Button>
                    <Button weight=Weight::Primary submit=true testid="new-password-set">"Change it"</Button>
                </div>
            </form>
        </Dialog>
    }
}

#[component]
fn Tokens(server: Server) -> impl IntoView {
    let tokens = part(server, |state| state.tokens.clone());
    let is_empty = Memo::new(move |_| tokens.with(Vec::is_empty));
    let made = RwSignal::new(String::new());
    let shows = RwSignal::new(false);
    // Once it is closed, nobody sees the secret again.
    Effect::new(move |_| {
        if !shows.get() {
            made.set(String::new());
        }
    });
    view! {
        {move || {
            is_empty
                .get()
                .then(|| view! { <EmptyState icon=Icon::Lock title="No tokens".to_owned() hint="Programs log in with tokens, and so do links.".to_owned() /> })
        }}
        <table class="table" hidden=is_empty>
            <thead>
                <tr>
                    <th>"Number"</th>
                    <th>"User"</th>
                    <th>"Opens"</th>
                    <th>"Ends"</th>
                    <th>
                        <span class="spoken">"Actions"</span>
                    </th>
                </tr>
            </thead>
            <tbody>
                <For each=move || tokens.get() key=|token| (token.id.clone(), token.downloads) let(token)>
                    <Token server=server token=token />
                </For>
            </tbody>
        </table>
        <NewToken server=server made=made shows=shows />
        <Dialog open=shows title="The new token".to_owned()>
            <p>"It is shown this once. Who has it reads what it opens."</p>
            <code class="secret" data-testid="token-secret">
                {made}
            </code>
            <div class="dialog-actions">
                <Button weight=Weight::Primary testid="token-kept" on_press=move || shows.set(false)>"I have it"</Button>
            </div>
        </Dialog>
    }
}

#[component]
fn Token(server: Server, token: TokenState) -> impl IntoView {
    let writer = DateWriter::new();
    let ends = token.expires.map_or_else(|| "never".to_owned(), |expires| moment(&writer, expires));
    let opens = if token.only.is_empty() { "what the user reads".to_owned() } else { token.only.join(", ") };
    let kind = if token.login { " (login)" } else { "" };
    let ends = token.downloads.map_or_else(|| ends.clone(), |left| format!("{ends}, or after {left} downloads"));
    let (id, shown) = (token.id.clone(), token.id.clone());
    view! {
        <tr data-testid="token">
            <td data-label="Number">{token.id} {kind}</td>
            <td data-label="User">
                <bdi>{token.user.unwrap_or_else(|| "—".to_owned())}</bdi>
            </td>
            <td data-label="Opens">
                <bdi>{opens}</bdi>
            </td>
            <td data-label="Ends">{ends}</td>
            <td class="acts">
                <Button
                    weight=Weight::Danger
                    testid="revoke-token"
                    spoken=format!("Revoke {shown}")
                    on_press=move || server.act(Action::RevokeToken { id: id.clone() }, "The token is revoked. Downloads with it end.")
                >
                    "Revoke"
                </Button>
            </td>
        </tr>
    }
}

#[component]
fn NewToken(server: Server, made: RwSignal<String>, shows: RwSignal<bool>) -> impl IntoView {
    let (user, places) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let (days, downloads) = (RwSignal::new("90".to_owned()), RwSignal::new(String::new()));
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let Ok(days) = days.get_untracked().trim().parse() else {
            return server.toasts.show("Type a number of days.".to_owned(), None);
        };
        let user = Some(user.get_untracked().trim().to_owned()).filter(|name| !name.is_empty());
        let Some(downloads) = number(&downloads.get_untracked()) else {
            return server.toasts.show("Type a number of downloads, or nothing.".to_owned(), None);
        };
        let token = AddToken { user, only: split_places(&places.get_untracked()), days, downloads };
        server.ask(Action::AddToken(token), move |done| {
            made.set(done.token.unwrap_or_default());
            shows.set(true);
        });
    };
    view! {
        <form class="form" on:submit=submit>
            <h2>"Make a token"</h2>
            <TextField label="For the user".to_owned() value=user testid="token-user" />
            <TextField label="Only these places".to_owned() value=places placeholder="films/new" testid="token-only" />
            <TextField label="Days until it ends".to_owned() value=days testid="token-days" />
            <TextField label="Downloads at most".to_owned() value=downloads placeholder="any number" testid="token-downloads" />
            <Button weight=Weight::Primary submit=true testid="token-add">"Make"</Button>
        </form>
    }
}
