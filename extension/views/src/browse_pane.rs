//! The shown folder, with the path to it and messages about it.

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;
use wstp_messages::{Need, Problem};
use wstp_ui::breadcrumbs::Breadcrumbs;
use wstp_ui::button::{Button, IconButton, ToolButton, Weight};
use wstp_ui::entry_list::{Entry, EntryList};
use wstp_ui::format::{bytes, count};
use wstp_ui::icon::Icon;
use wstp_ui::kind::EntryKind;
use wstp_ui::notice::{Banner, EmptyState, Tone};

use crate::browse::{Browse, Look, Place};
use crate::catalogue::Catalogue;
use crate::chrome;
use crate::login::{Account, LoginForm};
use crate::store::Store;
use crate::words::short;

/// A folder of a server.
#[component]
pub fn BrowsePane(
    browse: Browse,
    store: Store,
    catalogue: Catalogue,
    #[prop(into)] on_existing: Callback<String>,
) -> impl IntoView {
    let is_empty = Memo::new(move |_| browse.entries.with(Vec::is_empty));
    let can_be_fetched = Memo::new(move |_| {
        let is_seen = matches!(browse.look.get(), Look::Loading | Look::Shown | Look::Cut);
        is_seen && browse.place.with(Option::is_some)
    });
    let steps = Memo::new(move |_| browse.place.with(|place| place.as_ref().map(steps).unwrap_or_default()));
    let status = move |name: String| {
        let place = browse.place.get()?;
        store.transfer_of(&place.address, &place.path_of(&name)).map(|kept| kept.view.with(short))
    };
    view! {
        <section class="pane" aria-label="Files">
            {move || {
                browse
                    .place
                    .with(Option::is_some)
                    .then(|| view! { <Breadcrumbs steps=steps on_go=move |depth| browse.go_up_to(depth) /> })
            }}
            <Account browse=browse store=store catalogue=catalogue />
            <Notices browse=browse />
            <Bar browse=browse catalogue=catalogue />
            <Offer browse=browse on_existing=on_existing />
            <div class="fill place">
                // It stays in place while a folder is loaded, or the keyboard would lose its place.
                <div class="fill" hidden=move || browse.place.with(Option::is_none)>
                    <EntryList
                        entries=browse.entries
                        status=status
                        on_open=move |entry| browse.open_entry(entry, on_existing)
                        on_fetch=move |entry: Entry| browse.fetch_folder(entry.name, on_existing)
                        on_up=move || browse.go_up()
                    />
                </div>
                {move || is_empty.get().then(|| view! { <NothingHere browse=browse store=store /> })}
            </div>
            <footer class="status">
                <span role="status">{move || summary(browse)}</span>
                <Show when=move || can_be_fetched.get()>
                    <ToolButton
                        icon=Icon::Download
                        label="Download this folder"
                        testid="download-this"
                        on_press=move || browse.fetch_this(on_existing)
                    />
                </Show>
            </footer>
        </section>
    }
}

fn steps(place: &Place) -> Vec<String> {
    [&place.label].into_iter().chain(&place.folders).cloned().collect()
}

/// Shows the results of the last step and the last click.
#[component]
fn Notices(browse: Browse) -> impl IntoView {
    let failed = move || match browse.look.get() {
        Look::Failed(problem) => Some(problem),
        _ => None,
    };
    view! {
        {move || {
            failed()
                .map(|Problem { what, advice }| {
                    view! {
                        <Banner tone=Tone::Bad what=what advice=advice>
                            <Button testid="retry" on_press=move || browse.retry()>"Try again"</Button>
                        </Banner>
                    }
                })
        }}
        {move || {
            browse
                .notice
                .get()
                .map(|Problem { what, advice }| {
                    view! {
                        <Banner tone=Tone::Warn what=what advice=advice>
                            <IconButton icon=Icon::Close label="Dismiss" on_press=move || browse.notice.set(None) />
                        </Banner>
                    }
                })
        }}
    }
}

/// The thing that the user has to do before the server shows anything.
#[component]
fn Bar(browse: Browse, catalogue: Catalogue) -> impl IntoView {
    move || {
        let Look::Barred(server, need, Problem { what, advice }) = browse.look.get() else { return ().into_any() };
        match need {
            Need::Login => view! {
                <Banner calm=true tone=Tone::Neutral what=what advice=advice />
                <LoginForm server=server catalogue=catalogue on_done=move |()| browse.retry() />
            }
            .into_any(),
            Need::Trust(page) => {
                // A tab that can't be opened is seen not to open.
                let open = move || {
                    let page = page.clone();
                    spawn_local(async move { drop(chrome::open_tab(&page).await) });
                };
                view! {
                    <Banner tone=Tone::Bad what=what advice=advice>
                        <Button weight=Weight::Primary testid="open-page" on_press=open>"Open its page"</Button>
                        <Button testid="retry" on_press=move || browse.retry()>"Try again"</Button>
                    </Banner>
                }
                .into_any()
            }
        }
    }
}

/// The file that the address names, and whether it can be fetched.
#[component]
fn Offer(browse: Browse, on_existing: Callback<String>) -> impl IntoView {
    move || {
        browse.offer.get().map(|file| {
            let is_file = file.kind == EntryKind::File;
            let what = if is_file { format!("{}, {}", file.name, bytes(file.size)) } else { file.name };
            let advice = match is_file {
                true => "The address points to this file.",
                false => "The address points to this, and the server can't read it.",
            };
            view! {
                <Banner tone=Tone::Neutral what=what advice=advice.to_owned()>
                    <Show when=move || is_file>
                        <Button weight=Weight::Primary testid="take-offer" on_press=move || browse.take_offer(on_existing)>
                            "Download"
                        </Button>
                    </Show>
                    <IconButton icon=Icon::Close label="Dismiss" on_press=move || browse.offer.set(None) />
                </Banner>
            }
        })
    }
}

/// Why the list is empty, and the remedy.
#[component]
fn NothingHere(browse: Browse, store: Store) -> impl IntoView {
    let words = move || match browse.look.get() {
        Look::Failed(_) | Look::Barred(..) => ().into_any(),
        Look::Connecting | Look::Loading => view! { <p class="waiting">"Loading…"</p> }.into_any(),
        Look::Shown | Look::Cut => {
            let is_share = browse.place.with(|place| place.as_ref().is_some_and(|place| place.folders.is_empty()));
            let hint = if is_share { "Nothing is shared here yet." } else { "Use the arrow above to go back." };
            view! { <EmptyState icon=Icon::Folder title="This folder is empty" hint=hint.to_owned() /> }.into_any()
        }
        Look::Nothing => {
            let hint = move || {
                if store.servers.with(Vec::is_empty) {
                    "Type a server's address above, such as 127.0.0.1:3000."
                } else {
                    "Choose a server above, or type an address."
                }
            };
            view! { <EmptyState icon=Icon::Server title="No server connected" hint=Signal::derive(move || hint().to_owned()) /> }
                .into_any()
        }
    };
    view! { <div class="fill over">{words}</div> }
}

fn summary(browse: Browse) -> String {
    let (folders, files) = browse.entries.with(|entries| {
        let folders = entries.iter().filter(|entry| entry.kind == EntryKind::Folder).count();
        (folders as u64, (entries.len() - folders) as u64)
    });
    let mut parts = Vec::new();
    if folders > 0 {
        parts.push(count(folders, "folder", "folders"));
    }
    if files > 0 {
        parts.push(count(files, "file", "files"));
    }
    match browse.look.get() {
        Look::Loading => parts.push("loading more".to_owned()),
        Look::Cut => parts.push("and more than can be shown".to_owned()),
        _ => {}
    }
    if browse.look.get() == Look::Connecting { "Connecting".to_owned() } else { parts.join(", ") }
}
