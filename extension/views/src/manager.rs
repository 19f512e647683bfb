//! The manager page: the content of the popup in a full tab, all at once.

use leptos::ev::resize;
use leptos::prelude::*;
use wstp_messages::{Command, ServerView};
use wstp_text::strangers::marked;
use wstp_ui::button::IconButton;
use wstp_ui::icon::{Glyph, Icon};
use wstp_ui::menu::MenuLayer;
use wstp_ui::server_picker::ServerPicker;
use wstp_ui::toast::{ToastShelf, Toasts, act};
use wstp_words::say;

use crate::browse::{Browse, Look, Place};
use crate::browse_pane::BrowsePane;
use crate::catalogue::Catalogue;
use crate::history::HistorySheet;
use crate::page::{News, Page};
use crate::picked::Picked;
use crate::presence::Presence;
use crate::settings::SettingsSheet;
use crate::sheet::{Sheet, SheetButtons, SheetFrame, open_sheet};
use crate::store::Store;
use crate::transfers_pane::TransfersPane;

/// The widest page without a list of servers, in pixels.
const NARROW: f64 = 900.0;

/// The whole page.
#[component]
pub fn Manager() -> impl IntoView {
    let Page { catalogue, store, browse, toasts, menu } = Page::open();
    let sheet = open_sheet();
    let picked = Picked::new(store, catalogue, toasts);
    Page::begin_anew(move || picked.going.with(Option::is_none));
    document().set_title(&say!(manager_title));
    if let Some(address) = asked_address() {
        browse.connect(address);
    }
    let (options, is_narrow) = (Page::options(store), is_narrow());
    let on_existing = move |words: String| toasts.show(words, None);
    view! {
        <main class="manager">
            <aside class="sidebar">
                <h1>
                    <svg class="mark" viewBox="0 0 16 16" aria-hidden="true">
                        <path d="M2 1h5v4H2zM9 1h5v4H9zM2 6.5h5v4H2zM9 6.5h5v2H9zM2 12h5v3H2z" />
                    </svg>
                    "WSTP"
                </h1>
                <ServerPicker
                    value=browse.typed
                    options=Signal::derive(move || if is_narrow.get() { options.get() } else { Vec::new() })
                    busy=Signal::derive(move || browse.look.get() == Look::Connecting)
                    settled=Signal::derive(move || browse.is_settled())
                    on_connect=move |address| browse.connect(address)
                />
                <Starred browse=browse />
                <Servers browse=browse store=store catalogue=catalogue toasts=toasts />
                <SheetButtons />
            </aside>
            {move || {
                sheet
                    .get()
                    .map(|sheet| {
                        view! {
                            <SheetFrame sheet=sheet>
                                {match sheet {
                                    Sheet::History => view! { <HistorySheet store=store catalogue=catalogue toasts=toasts /> }.into_any(),
                                    Sheet::Settings => view! { <SettingsSheet store=store catalogue=catalogue toasts=toasts /> }.into_any(),
                                }}
                            </SheetFrame>
                        }
                    })
            }}
            <div class="column" hidden=move || sheet.get().is_some()>
                <h2 class="bar">{say!(files_title)}</h2>
                <News store=store catalogue=catalogue />
                <BrowsePane browse=browse store=store catalogue=catalogue menu=menu on_existing=on_existing />
            </div>
            <div class="column" hidden=move || sheet.get().is_some()>
                <h2 class="bar">{say!(transfers)}</h2>
                <TransfersPane store=store catalogue=catalogue toasts=toasts menu=menu picked=picked />
            </div>
            <ToastShelf toasts=toasts />
            <MenuLayer menu=menu />
        </main>
    }
}

/// Prefix of the URL fragment that opens a page at an address; the address follows, percent-encoded.
const OPEN: &str = "#open=";

/// The address that this page was opened for: typed behind the keyword, or a link.
fn asked_address() -> Option<String> {
    let hash = location().hash().ok()?;
    js_sys::decode_uri_component(hash.strip_prefix(OPEN)?).ok().map(String::from)
}

/// Whether the page is so narrow that pages.css leaves out the list of servers. The field then offers them.
fn is_narrow() -> RwSignal<bool> {
    let look = || window().inner_width().ok().and_then(|width| width.as_f64()).is_some_and(|width| width <= NARROW);
    let narrow = RwSignal::new(look());
    let resized = window_event_listener(resize, move |_| narrow.set(look()));
    on_cleanup(move || resized.remove());
    narrow
}

/// The starred folders.
#[component]
fn Starred(browse: Browse) -> impl IntoView {
    let item = move |place: Place| {
        let (here, starred, words) = (place.clone(), place.clone(), place.words());
        let is_here = move || (browse.place.get().as_ref() == Some(&here)).then_some("true");
        let name = place.folders.last().unwrap_or(&place.label).clone();
        view! {
            <li class="server" data-testid="starred" data-name=name.clone()>
                <button type="button" aria-current=is_here on:click=move |_| browse.go_to(place.clone())>
                    <Glyph icon=Icon::Star />
                    <span><bdi>{marked(&words).into_owned()}</bdi></span>
                </button>
                <IconButton
                    icon=Icon::Close
                    label=say!(unstar_folder)
                    testid="unstar"
                    spoken=say!(unstar_named, &name)
                    on_press=move || browse.shortcuts.star(starred.clone())
                />
            </li>
        }
    };
    view! {
        <ul class="servers starred" aria-label=say!(starred) hidden=move || browse.shortcuts.starred.with(Vec::is_empty)>
            {move || browse.shortcuts.starred.get().into_iter().map(item).collect_view()}
        </ul>
    }
}

/// The remembered servers.
#[component]
fn Servers(browse: Browse, store: Store, catalogue: Catalogue, toasts: Toasts) -> impl IntoView {
    let presence = Presence::watch(browse, store);
    let forget = move |server: ServerView| {
        catalogue.send(Command::Forget { address: server.address.clone() }, |_| {});
        let words = say!(forgot, &server.label);
        let undo = act(move || catalogue.send(Command::Remember { server: server.clone() }, |_| {}));
        toasts.show(words, Some((say!(undo), undo)));
    };
    view! {
        <ul class="servers" aria-label=say!(servers)>
            <For each=move || store.servers.get() key=|server| (server.address.clone(), server.agent.clone()) let(server)>
                <Server server=server browse=browse presence=presence on_forget=forget />
            </For>
        </ul>
    }
}

#[component]
fn Server(
    server: ServerView,
    browse: Browse,
    presence: Presence,
    #[prop(into)] on_forget: Callback<ServerView>,
) -> impl IntoView {
    let address = server.address.clone();
    let is_here =
        Memo::new(move |_| browse.place.with(|place| place.as_ref().is_some_and(|place| place.address == address)));
    let probed = server.address.clone();
    let is_down = Memo::new(move |_| presence.is_down(&probed));
    let (opened, forgotten, name) = (server.clone(), server.clone(), server.label.clone());
    view! {
        <li class="server" data-testid="server" data-name=name>
            <button
                type="button"
                aria-current=move || is_here.get().then_some("true")
                on:click=move |_| browse.connect(opened.address.clone())
            >
                <Glyph icon=Icon::Server />
                <span>
                    <bdi>{marked(&server.label).into_owned()}</bdi>
                    <bdi class="server-agent" data-testid="server-agent">
                        {move || if is_down.get() { say!(server_down) } else { marked(&server.agent).into_owned() }}
                    </bdi>
                </span>
            </button>
            <IconButton
                icon=Icon::Close
                label=say!(forget_server)
                testid="forget"
                spoken=say!(forget_server_named, &forgotten.label)
                on_press=move || on_forget.run(forgotten.clone())
            />
        </li>
    }
}
