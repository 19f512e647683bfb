//! The shown folder, with the path to it and messages about it.

use leptos::ev::{keydown, mouseup};
use leptos::html::{Div, Input};
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;
use wstp_messages::{Need, Problem};
use wstp_ui::arrangement::{Arrangement, Entry};
use wstp_ui::breadcrumbs::Breadcrumbs;
use wstp_ui::button::{Button, IconButton, ToolButton, Weight};
use wstp_ui::entry_list::{EntryList, Place as Spot};
use wstp_ui::finder::Finder;
use wstp_ui::icon::{Glyph, Icon};
use wstp_ui::kind::EntryKind;
use wstp_ui::menu::{Menu, MenuItem, beneath};
use wstp_ui::notice::{Banner, EmptyState, Tone};
use wstp_ui::selection::Selection;
use wstp_words::{Arg, phrase, say};

use crate::browse::{Browse, Look, Place};
use crate::catalogue::Catalogue;
use crate::chrome;
use crate::login::{Account, LoginForm};
use crate::store::Store;
use crate::trail::Trail;
use crate::words::short;

/// A folder of a server.
#[component]
pub fn BrowsePane(
    browse: Browse,
    store: Store,
    catalogue: Catalogue,
    menu: Menu,
    #[prop(into)] on_existing: Callback<String>,
) -> impl IntoView {
    let is_empty = Memo::new(move |_| browse.list.with(Arrangement::is_empty));
    let (field, body) = (NodeRef::<Input>::new(), NodeRef::<Div>::new());
    let to_list = move || {
        if let Some(body) = body.get_untracked() {
            let body: &web_sys::HtmlElement = &body;
            let _ = body.focus();
        }
    };
    find_by_key(field);
    step_by_key(browse);
    let can_be_fetched = Memo::new(move |_| {
        let is_seen = matches!(browse.look.get(), Look::Loading | Look::Shown | Look::Cut);
        is_seen && browse.place.with(Option::is_some) && browse.deep.with(Option::is_none)
    });
    let has_choice = move || !browse.selection.with(Selection::is_empty);
    let steps = Memo::new(move |_| browse.place.with(|place| place.as_ref().map(steps).unwrap_or_default()));
    let status = move |path: String| {
        let place = browse.place.get()?;
        store.transfer_of(&place.address, &place.beneath(&path)).map(|kept| kept.view.with(short))
    };
    view! {
        <section class="pane" aria-label=say!(files_title)>
            {move || {
                browse
                    .place
                    .with(Option::is_some)
                    .then(|| {
                        view! {
                            <Breadcrumbs steps=steps on_go=move |depth| browse.go_up_to(depth)>
                                <Steps browse=browse menu=menu />
                            </Breadcrumbs>
                        }
                    })
            }}
            <Account browse=browse store=store catalogue=catalogue />
            <Notices browse=browse />
            <Bar browse=browse catalogue=catalogue />
            <Offer browse=browse on_existing=on_existing />
            <div class="fill place">
                // It stays in place while a folder is loaded, or the keyboard would lose its place.
                <div class="fill" hidden=move || browse.place.with(Option::is_none)>
                    <Finder search=browse.search group=browse.group field=field on_leave=move |()| to_list() on_deep=move |()| browse.search_deep() />
                    <Hits browse=browse />
                    <EntryList
                        list=browse.list
                        selection=browse.selection
                        sort=browse.sort
                        body=body
                        wanted=browse.came_from
                        scrolled=browse.scrolled
                        scroll_to=browse.scroll_to
                        status=status
                        on_menu=move |(entry, at)| open_menu(browse, menu, entry, at, on_existing)
                        on_sort=move |by| browse.sort_by(by)
                        on_open=move |entry| browse.open_entry(entry, on_existing)
                        on_fetch=move |entry| browse.fetch_folder(entry, on_existing)
                        on_up=move || browse.go_up()
                    />
                </div>
                {move || is_empty.get().then(|| view! { <NothingHere browse=browse store=store /> })}
            </div>
            <footer class="status">
                <span role="status">{move || summary(browse)}</span>
                <Show when=has_choice>
                    <Button testid="clear-choice" weight=Weight::Quiet on_press=move || browse.selection.update(Selection::clear)>
                        {say!(clear)}
                    </Button>
                    <Button testid="download-chosen" weight=Weight::Primary on_press=move || browse.fetch_chosen(on_existing)>
                        {say!(download)}
                    </Button>
                </Show>
                <Show when=move || can_be_fetched.get() && !has_choice()>
                    <ToolButton
                        icon=Icon::Download
                        label=say!(download_this_folder)
                        testid="download-this"
                        on_press=move || browse.fetch_this(on_existing)
                    />
                </Show>
            </footer>
        </section>
    }
}

/// The slash gives the field of the search the keyboard, wherever nothing is typed.
fn find_by_key(field: NodeRef<Input>) {
    let pressed = window_event_listener(keydown, move |event| {
        let is_typing = document()
            .active_element()
            .is_some_and(|element| matches!(element.tag_name().as_str(), "INPUT" | "SELECT" | "TEXTAREA" | "DIALOG"));
        if event.key() == "/"
            && !is_typing
            && !event.ctrl_key()
            && !event.meta_key()
            && !event.alt_key()
            && let Some(field) = field.get_untracked()
        {
            event.prevent_default();
            let field: &web_sys::HtmlElement = &field;
            let _ = field.focus();
        }
    });
    on_cleanup(move || pressed.remove());
}

/// Alt and an arrow, and the buttons of a mouse for that, go back and forward as in a browser.
fn step_by_key(browse: Browse) {
    let pressed = window_event_listener(keydown, move |event| {
        let way = match event.key().as_str() {
            "ArrowLeft" if event.alt_key() => Trail::go_back,
            "ArrowRight" if event.alt_key() => Trail::go_forward,
            _ => return,
        };
        event.prevent_default();
        browse.step(way);
    });
    let clicked = window_event_listener(mouseup, move |event| {
        let way = match event.button() {
            3 => Trail::go_back,
            4 => Trail::go_forward,
            _ => return,
        };
        event.prevent_default();
        browse.step(way);
    });
    on_cleanup(move || {
        pressed.remove();
        clicked.remove();
    });
}

/// Everything that can be done with an entry, or with all that are chosen if it is one of them.
fn open_menu(browse: Browse, menu: Menu, entry: Entry, at: Spot, on_existing: Callback<String>) {
    let chosen = browse.chosen();
    if chosen.len() > 1 && chosen.contains(&entry) {
        let words = say!(download_entries, Arg::Count(chosen.len() as u64));
        return menu.open(
            at,
            vec![
                MenuItem::new(words, "menu-download", move || browse.fetch_chosen(on_existing)),
                MenuItem::new(say!(clear_selection), "menu-clear", move || browse.selection.update(Selection::clear)),
            ],
        );
    }
    let (name, opened, chosen) = (entry.name.clone(), entry.clone(), entry.clone());
    let mut items = Vec::new();
    if entry.kind == EntryKind::Folder {
        items.push(MenuItem::new(say!(open), "menu-open", move || browse.open_entry(opened.clone(), on_existing)));
        let folder = entry.clone();
        items.push(MenuItem::new(say!(download_folder), "menu-download", move || {
            browse.fetch_folder(folder.clone(), on_existing);
        }));
    } else {
        items.push(MenuItem::new(say!(download), "menu-download", move || {
            browse.open_entry(opened.clone(), on_existing)
        }));
    }
    if !entry.folder.is_empty() {
        items.push(MenuItem::new(say!(show_in_its_folder), "menu-show", move || browse.show_in_folder(entry.clone())));
    }
    let choose = move || browse.choose(&chosen);
    items.push(MenuItem::new(say!(select), "menu-select", choose));
    items.push(MenuItem::new(say!(copy_name), "menu-copy", move || chrome::copy(&name)));
    menu.open(at, items);
}

fn steps(place: &Place) -> Vec<String> {
    [&place.label].into_iter().chain(&place.folders).cloned().collect()
}

/// The way back and forward, and the folders that the user starred and visited.
#[component]
fn Steps(browse: Browse, menu: Menu) -> impl IntoView {
    let open_places = move || {
        let button = document().query_selector("[data-testid=places]").ok().flatten();
        menu.open(button.map(|button| beneath(&button)).unwrap_or_default(), places(browse));
    };
    view! {
        <span class="steps">
        <IconButton
            icon=Icon::Back
            label=say!(go_back)
            testid="step-back"
            disabled=Signal::derive(move || !browse.leads.get().0)
            on_press=move || browse.step(Trail::go_back)
        />
        <IconButton
            icon=Icon::Forward
            label=say!(go_forward)
            testid="step-forward"
            disabled=Signal::derive(move || !browse.leads.get().1)
            on_press=move || browse.step(Trail::go_forward)
        />
        </span>
        <IconButton icon=Icon::Star label=say!(places) testid="places" on_press=open_places />
    }
}

/// To star this folder, and to go to the starred ones and those visited last.
fn places(browse: Browse) -> Vec<MenuItem> {
    let shortcuts = browse.shortcuts;
    let here = browse.place.get_untracked();
    let go = |place: Place, name: &'static str, sign: &str| {
        let words = format!("{sign}{}", place.words());
        MenuItem::new(words, name, move || browse.go_to(place.clone()))
    };
    let star = here.clone().map(|place| {
        let words = if untrack(|| shortcuts.has(&place)) { say!(unstar_folder) } else { say!(star_folder) };
        MenuItem::new(words, "menu-star", move || shortcuts.star(place.clone()))
    });
    let starred = shortcuts.starred.get_untracked();
    let is_new = |place: &Place| Some(place) != here.as_ref() && !starred.contains(place);
    let recent: Vec<_> = shortcuts.recent.get_untracked().into_iter().filter(is_new).collect();
    let starred = starred.into_iter().map(|place| go(place, "menu-starred", "\u{2605} "));
    star.into_iter().chain(starred).chain(recent.into_iter().map(|place| go(place, "menu-recent", ""))).collect()
}

/// The words that were looked for in all folders, and the way back to the folder.
#[component]
fn Hits(browse: Browse) -> impl IntoView {
    move || {
        browse.deep.get().map(|words| {
            let words = say!(all_folders, &words);
            view! {
                <div class="hits" data-testid="hits">
                    <bdi>{words}</bdi>
                    <Button testid="leave-hits" weight=Weight::Quiet on_press=move || browse.leave_hits()>{say!(back_to_folder)}</Button>
                </div>
            }
        })
    }
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
                        <Banner tone=Tone::Bad what=what.say() advice=advice.say()>
                            <Button testid="retry" on_press=move || browse.retry()>{say!(try_again)}</Button>
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
                        <Banner tone=Tone::Warn what=what.say() advice=advice.say()>
                            <IconButton icon=Icon::Close label=say!(dismiss) on_press=move || browse.notice.set(None) />
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
                <Banner calm=true tone=Tone::Neutral what=what.say() advice=advice.say() />
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
                    <Banner tone=Tone::Bad what=what.say() advice=advice.say()>
                        <Button weight=Weight::Primary testid="open-page" on_press=open>{say!(open_its_page)}</Button>
                        <Button testid="retry" on_press=move || browse.retry()>{say!(try_again)}</Button>
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
            let what = if is_file { say!(listed, &file.name, Arg::Bytes(file.size)) } else { file.name };
            let advice = match is_file {
                true => say!(address_of_file),
                false => say!(address_unreadable),
            };
            view! {
                <Banner tone=Tone::Neutral what=what advice=advice>
                    <Show when=move || is_file>
                        <Button weight=Weight::Primary testid="take-offer" on_press=move || browse.take_offer(on_existing)>
                            {say!(download)}
                        </Button>
                    </Show>
                    <IconButton icon=Icon::Close label=say!(dismiss) on_press=move || browse.offer.set(None) />
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
        Look::Loading if browse.deep.with(Option::is_some) => {
            view! { <p class="waiting">{say!(searching)}</p> }.into_any()
        }
        Look::Connecting | Look::Loading => view! { <p class="waiting">{say!(loading)}</p> }.into_any(),
        Look::Shown | Look::Cut if browse.list.with(|list| list.total() > 0) => view! {
            <div class="empty">
                <Glyph icon=Icon::Search />
                <strong>{say!(nothing_matches)}</strong>
                <Button testid="show-all" on_press=move || browse.show_all()>{say!(show_all)}</Button>
            </div>
        }
        .into_any(),
        Look::Shown | Look::Cut if browse.deep.with(Option::is_some) => view! {
            <EmptyState icon=Icon::Search title=say!(nothing_found) hint=say!(nothing_found_hint) />
        }
        .into_any(),
        Look::Shown | Look::Cut => {
            let is_share = browse.place.with(|place| place.as_ref().is_some_and(|place| place.folders.is_empty()));
            let hint = if is_share { say!(nothing_shared) } else { say!(use_the_arrow) };
            view! { <EmptyState icon=Icon::Folder title=say!(folder_empty) hint=hint /> }.into_any()
        }
        Look::Nothing => {
            let hint = move || {
                if store.servers.with(Vec::is_empty) { say!(type_address) } else { say!(choose_server) }
            };
            view! { <EmptyState icon=Icon::Server title=say!(no_server) hint=Signal::derive(hint) /> }.into_any()
        }
    };
    view! { <div class="fill over">{words}</div> }
}

fn summary(browse: Browse) -> String {
    if !browse.selection.with(Selection::is_empty) {
        return chosen(browse);
    }
    let (folders, shown, total, is_filtered) =
        browse.list.with(|list| (list.folders() as u64, list.len() as u64, list.total(), list.is_filtered()));
    let mut parts = Vec::new();
    if folders > 0 {
        parts.push(phrase!(folders, Arg::Count(folders)));
    }
    if shown > folders {
        parts.push(phrase!(files, Arg::Count(shown - folders)));
    }
    match browse.look.get() {
        Look::Loading if browse.deep.with(Option::is_some) => parts.push(phrase!(searching_parts)),
        Look::Loading => parts.push(phrase!(loading_more)),
        Look::Cut => parts.push(phrase!(more_than_shown)),
        Look::Connecting => return say!(connecting),
        _ => {}
    }
    let words = parts.into_iter().reduce(|words, next| phrase!(listed, &words, &next));
    if is_filtered && total > 0 {
        let words = words.unwrap_or_else(|| phrase!(nothing));
        return say!(amount_of, &words, &phrase!(entries, Arg::Count(total as u64)));
    }
    words.unwrap_or_default().say()
}

/// How many are chosen, and how much that is as far as it is known.
fn chosen(browse: Browse) -> String {
    let list = browse.list.read();
    let (mut folders, mut files, mut size) = (0_u64, 0_u64, 0_u64);
    browse.selection.with(|selection| {
        for entry in selection.numbers().filter_map(|number| list.entry(number)) {
            if entry.kind == EntryKind::Folder {
                folders += 1;
            } else {
                files += 1;
                size = size.saturating_add(entry.size);
            }
        }
    });
    let words = match (folders, files) {
        (0, _) => phrase!(files, Arg::Count(files)),
        (_, 0) => phrase!(folders, Arg::Count(folders)),
        _ => phrase!(listed, &phrase!(folders, Arg::Count(folders)), &phrase!(files, Arg::Count(files))),
    };
    if files > 0 { say!(selected_size, &words, Arg::Bytes(size)) } else { say!(selected, &words) }
}
