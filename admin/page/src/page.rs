//! The whole page.

use leptos::prelude::*;
use wstp_admin_messages::Visit;
use wstp_ui::button::{Button, Weight};
use wstp_ui::toast::ToastShelf;

use crate::clients::Clients;
use crate::enter::{First, LogIn};
use crate::events::Events;
use crate::files::Files;
use crate::links::Links;
use crate::overview::Overview;
use crate::people::People;
use crate::server::Server;
use crate::shares::Shares;

/// One view of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tab {
    Overview,
    Clients,
    Shares,
    Files,
    People,
    Links,
    Events,
}

const TABS: [(Tab, &str, &str); 7] = [
    (Tab::Overview, "Overview", "tab-overview"),
    (Tab::Clients, "Clients", "tab-clients"),
    (Tab::Shares, "Shares", "tab-shares"),
    (Tab::Files, "Files", "tab-files"),
    (Tab::People, "Users and tokens", "tab-people"),
    (Tab::Links, "Links", "tab-links"),
    (Tab::Events, "Events", "tab-events"),
];

/// First visit, login, or the views.
#[component]
pub fn Page() -> impl IntoView {
    let server = Server::open();
    let shown = Memo::new(move |_| server.visit.get());
    move || match shown.get() {
        None => view! { <p class="waiting">"Asking the server…"</p> }.into_any(),
        Some(Visit::First) => view! { <First server=server /> }.into_any(),
        Some(Visit::Login) => view! { <LogIn server=server /> }.into_any(),
        Some(Visit::In { user }) => view! { <Views server=server user=user /> }.into_any(),
    }
}

#[component]
fn Views(server: Server, user: String) -> impl IntoView {
    let tab = RwSignal::new(Tab::Overview);
    let step = move |event: leptos::ev::KeyboardEvent| {
        let at = TABS.iter().position(|(name, ..)| *name == tab.get_untracked()).unwrap_or_default();
        let next = match event.key().as_str() {
            "ArrowRight" => (at + 1) % TABS.len(),
            "ArrowLeft" => (at + TABS.len() - 1) % TABS.len(),
            _ => return,
        };
        event.prevent_default();
        tab.set(TABS[next].0);
        let selector = format!("[data-testid={}]", TABS[next].2);
        if let Ok(Some(element)) = document().query_selector(&selector)
            && let Ok(element) = wasm_bindgen::JsCast::dyn_into::<web_sys::HtmlElement>(element)
        {
            let _is_there = element.focus();
        }
    };
    view! {
        <main class="admin">
            <header class="admin-head">
                <h1>"WSTP server"</h1>
                <span class="live" role="status" data-testid="live" data-tone=move || if server.is_live.get() { "good" } else { "bad" }>
                    {move || if server.is_live.get() { "Live" } else { "The server does not answer. Trying again…" }}
                </span>
                <span class="live">{user}</span>
                <Button weight=Weight::Quiet testid="log-out" on_press=move || server.log_out()>"Log out"</Button>
            </header>
            <div class="tabs" role="tablist" aria-label="Views" on:keydown=step>
                {TABS
                    .into_iter()
                    .map(|(name, words, testid)| {
                        view! {
                            <button
                                class="tab"
                                type="button"
                                role="tab"
                                data-testid=testid
                                aria-selected=move || (tab.get() == name).to_string()
                                tabindex=move || if tab.get() == name { "0" } else { "-1" }
                                on:click=move |_| tab.set(name)
                            >
                                <span class="tab-word" data-word=words>
                                    {words}
                                </span>
                            </button>
                        }
                    })
                    .collect_view()}
            </div>
            <div role="tabpanel" aria-label=move || TABS.iter().find(|(name, ..)| *name == tab.get()).map(|(_, words, _)| *words)>
                {move || match tab.get() {
                    Tab::Overview => view! { <Overview server=server /> }.into_any(),
                    Tab::Clients => view! { <Clients server=server /> }.into_any(),
                    Tab::Shares => view! { <Shares server=server /> }.into_any(),
                    Tab::Files => view! { <Files server=server /> }.into_any(),
                    Tab::People => view! { <People server=server /> }.into_any(),
                    Tab::Links => view! { <Links server=server /> }.into_any(),
                    Tab::Events => view! { <Events server=server /> }.into_any(),
                }}
            </div>
            <ToastShelf toasts=server.toasts />
        </main>
    }
}
