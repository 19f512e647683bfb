//! Logging in to a server, and who one is there.

use std::net::SocketAddr;

use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use wstp_messages::{Command, Credential, LoginView, Problem, ServerView, is_link};
use wstp_ui::button::{Button, ToolButton, Weight};
use wstp_ui::dialog::Dialog;
use wstp_ui::field::{Switch, TextField};
use wstp_ui::icon::{Glyph, Icon};
use wstp_ui::notice::{Banner, Tone};
use wstp_words::{Phrase, phrase, say, shown};

use crate::browse::Browse;
use crate::catalogue::Catalogue;
use crate::store::Store;

/// Places that are named in the line about a login.
const NAMED: usize = 3;

/// Asks for name and password, for a token, or for the password of a share link.
#[component]
pub fn LoginForm(
    server: ServerView,
    catalogue: Catalogue,
    /// Called once the user is logged in.
    #[prop(into)]
    on_done: Callback<()>,
) -> impl IntoView {
    let (user, secret) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let (has_token, is_busy) = (RwSignal::new(false), RwSignal::new(false));
    let problem = RwSignal::new(None::<Problem>);
    let (is_exposed, is_link) = (is_exposed(&server.address), is_link(&server.address));
    let address = StoredValue::new(server.address);
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        if is_busy.get_untracked() || secret.with_untracked(String::is_empty) {
            return;
        }
        is_busy.set(true);
        problem.set(None);
        let user = (!has_token.get_untracked()).then(|| user.get_untracked().trim().to_owned());
        let secret = Credential(secret.try_update(std::mem::take).unwrap_or_default());
        catalogue.send(Command::LogIn { address: address.get_value(), user, secret }, move |result| {
            // The form may be gone.
            let _ = is_busy.try_set(false);
            match result {
                Ok(_) => drop(on_done.try_run(())),
                Err(reason) => drop(problem.try_set(Some(reason))),
            }
        });
    };
    let label = move || if has_token.get() { say!(token) } else { say!(password) };
    let verb = move || match (is_link, is_busy.get()) {
        (true, _) => say!(open),
        (false, true) => say!(logging_in),
        (false, false) => say!(log_in),
    };
    view! {
        <form class="login" data-testid="login" autocomplete="off" on:submit=submit>
            {move || problem.get().map(|Problem { what, advice }| view! { <Banner tone=Tone::Bad what=what.say() advice=advice.say() /> })}
            {is_exposed
                .then(|| {
                    view! {
                        <Banner
                            calm=true
                            tone=Tone::Warn
                            what=say!(not_encrypted)
                            advice=say!(not_encrypted_advice)
                        />
                    }
                })}
            <Show when=move || !is_link && !has_token.get()>
                <TextField label=say!(user_name) value=user testid="login-user" />
            </Show>
            <TextField
                label=Signal::derive(label)
                value=secret
                is_secret=true
                testid="login-secret"
            />
            <Show when=move || !is_link>
                <Switch
                    label=say!(have_token)
                    on=has_token
                    testid="login-has-token"
                    on_change=move |on| has_token.set(on)
                />
            </Show>
            <div class="dialog-actions">
                <Button weight=Weight::Primary submit=true testid="login-submit" disabled=is_busy>{verb}</Button>
            </div>
        </form>
    }
}

/// The form in a window over the page, for the server that is set.
#[component]
pub fn LoginDialog(
    server: RwSignal<Option<ServerView>>,
    catalogue: Catalogue,
    /// Called once the user is logged in.
    #[prop(into)]
    on_done: Callback<()>,
) -> impl IntoView {
    let open = RwSignal::new(false);
    Effect::new(move |_| {
        if server.with(Option::is_some) {
            open.set(true);
        }
    });
    Effect::new(move |_| {
        if !open.get() {
            server.set(None);
        }
    });
    let title = move || {
        let server = server.get()?;
        Some(if is_link(&server.address) { say!(link_has_password) } else { say!(log_in_to, &server.label) })
    };
    let done = move |()| {
        open.set(false);
        on_done.run(());
    };
    view! {
        <Dialog open=open title=Signal::derive(move || title().unwrap_or_default())>
            {move || server.get().map(|server| view! { <LoginForm server=server catalogue=catalogue on_done=done /> })}
        </Dialog>
    }
}

/// Says who the user is at the shown server, and lets the user log in or out.
#[component]
pub fn Account(browse: Browse, store: Store, catalogue: Catalogue) -> impl IntoView {
    let wanted = RwSignal::new(None::<ServerView>);
    let server = move || {
        let place = browse.place.get()?;
        Some(ServerView { address: place.address, label: place.label, agent: String::new() })
    };
    let login = Memo::new(move |_| {
        let address = browse.place.with(|place| place.as_ref().map(|place| place.address.clone()))?;
        store.logins.with(|logins| logins.iter().find(|login| login.address == address).cloned())
    });
    let log_out = move || {
        let Some(place) = browse.place.get_untracked() else { return };
        catalogue.send(Command::LogOut { address: place.address }, move |result| {
            browse.retry();
            browse.notice.set(result.err());
        });
    };
    let line = move || match (login.get(), browse.hides_more.get() && browse.place.with(Option::is_some)) {
        (Some(login), _) => {
            let words = shown(&who(&login));
            Some(
                view! {
                    <span class="account-words" data-testid="account" title=words.clone()>{words.clone()}</span>
                    <ToolButton icon=Icon::Close label=say!(log_out) testid="log-out" on_press=log_out />
                }
                .into_any(),
            )
        }
        (None, true) => Some(
            view! {
                <span class="account-words" data-testid="account">{say!(only_public)}</span>
                <ToolButton icon=Icon::Lock label=say!(log_in) testid="log-in" on_press=move || wanted.set(server()) />
            }
            .into_any(),
        ),
        (None, false) => None,
    };
    view! {
        {move || line().map(|line| view! { <div class="account"><Glyph icon=Icon::Lock />{line}</div> })}
        <LoginDialog server=wanted catalogue=catalogue on_done=move |()| browse.retry() />
    }
}

/// Whether others on the way to a server can read along: it is on another machine, and its address says no encryption.
fn is_exposed(address: &str) -> bool {
    let Some(rest) = address.strip_prefix("ws://") else { return false };
    let place = rest.split('/').next().unwrap_or_default();
    let host = place.rsplit_once(':').map_or(place, |(host, _)| host);
    let is_here = match place.parse::<SocketAddr>() {
        Ok(place) => place.ip().to_canonical().is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    };
    !is_here
}

/// A role as people call it. A newer server may have others.
fn role_words(role: &str) -> Phrase {
    match role {
        "normal" => phrase!(role_normal),
        "admin" => phrase!(role_admin),
        "limited" => phrase!(role_limited),
        other => phrase!(text, other),
    }
}

/// Who the user is, and what the user may do.
fn who(LoginView { user, role, only, address }: &LoginView) -> String {
    if is_link(address) {
        return say!(opened_by_password);
    }
    let who = match (user, only) {
        (Some(user), Some(_)) if role == "limited" => phrase!(logged_in_as, user),
        (Some(user), _) => phrase!(logged_in_role, user, &role_words(role)),
        (None, _) => phrase!(using_token),
    };
    let Some(only) = only else { return who.say() };
    let named = only.iter().take(NAMED).map(|place| phrase!(text, place));
    let named = named.reduce(|named, next| phrase!(listed, &named, &next));
    match (named, only.len().saturating_sub(NAMED)) {
        (None, _) => say!(opens_nothing, &who),
        (Some(named), 0) => say!(limited_to, &who, &named),
        (Some(named), rest) => say!(limited_to_more, &who, &named, rest as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_others_can_read_is_known() {
        for address in ["ws://nas:3000/ws", "ws://192.168.1.5:3000/ws", "ws://[fe80::1]:80/ws", "ws://localhost.a:1/ws"]
        {
            assert!(is_exposed(address), "{address}");
        }
        for address in ["wss://nas:443/ws", "ws://localhost:3000/ws", "ws://127.0.0.1:3000/ws", "ws://[::1]:3000/ws"] {
            assert!(!is_exposed(address), "{address}");
        }
    }

    #[test]
    fn the_line_says_who_one_is_and_what_one_may_do() {
        for (user, role, only, expected) in [
            (Some("anna"), "normal", None, "Logged in as anna (normal)"),
            (Some("root"), "admin", None, "Logged in as root (admin)"),
            (Some("kid"), "limited", Some(&["films"][..]), "Logged in as kid, limited to films"),
            (Some("anna"), "normal", Some(&["a", "b"]), "Logged in as anna (normal), limited to a, b"),
            (None, "", Some(&["a", "b", "c", "d", "e"]), "Using a token, limited to a, b, c and 2 more"),
            (None, "", Some(&[]), "Using a token, which opens nothing"),
        ] {
            let only = only.map(|only| only.iter().map(|place| (*place).to_owned()).collect());
            let login =
                LoginView { address: String::new(), user: user.map(str::to_owned), role: role.to_owned(), only };
            assert_eq!(who(&login), expected);
        }
        let address = "wss://nas:443/s/CODE/ws".to_owned();
        let opened = LoginView { address, user: None, role: String::new(), only: None };
        assert_eq!(who(&opened), "Opened by its password");
    }
}
