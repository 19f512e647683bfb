//! A row of the list.

use leptos::ev::{KeyboardEvent, MouseEvent};
use leptos::prelude::*;
use wstp_words::say;

use super::Rows;
use crate::arrangement::Entry;
use crate::button::IconButton;
use crate::dates::DateWriter;
use crate::format::bytes;
use crate::icon::{Glyph, Icon};
use crate::kind::{EntryKind, icon};
use crate::list_window::ROW;
use crate::name::Name;

/// The entry of a row, as far as it is there.
#[component]
pub(super) fn EntryRow(
    index: usize,
    rows: Rows,
    status: Callback<String, Option<String>>,
    dates: StoredValue<DateWriter, LocalStorage>,
) -> impl IntoView {
    let entry = Memo::new(move |_| rows.list.with(|list| list.get(index).cloned()));
    let number = Memo::new(move |_| rows.list.with(|list| list.number(index)));
    let marked = Memo::new(move |_| rows.marked.get() == Some(index));
    let chosen =
        Memo::new(move |_| number.get().is_some_and(|number| rows.selection.with(|selection| selection.has(number))));
    let name =
        Memo::new(move |_| entry.with(|entry| entry.as_ref().map(|entry| entry.name.clone()).unwrap_or_default()));
    let folder =
        Memo::new(move |_| entry.with(|entry| entry.as_ref().map(|entry| entry.folder.clone()).unwrap_or_default()));
    let kind = Memo::new(move |_| entry.with(|entry| entry.as_ref().map_or(EntryKind::Dangling, |entry| entry.kind)));
    let path = move || entry.with(|entry| entry.as_ref().map(Entry::path).unwrap_or_default());
    let told = Memo::new(move |_| kind.get().is_usable().then(|| status.run(path())).flatten());
    let is_folder = Memo::new(move |_| kind.get() == EntryKind::Folder);
    let size = move || {
        let told = told.get().or_else(|| kind.get().note());
        told.unwrap_or_else(|| match kind.get() {
            EntryKind::File => entry.with(|entry| entry.as_ref().map(|entry| bytes(entry.size)).unwrap_or_default()),
            _ => String::new(),
        })
    };
    let date = move || {
        let modified = entry.with(|entry| entry.as_ref().and_then(|entry| entry.modified_ms));
        modified.map(|ms| dates.with_value(|dates| dates.day(ms))).unwrap_or_default()
    };
    let glyph = move || if chosen.get() { Icon::Check } else { icon(kind.get(), &name.get()) };
    let pick = move |event: MouseEvent| {
        event.stop_propagation();
        rows.marked.set(Some(index));
        if event.shift_key() { rows.extend(index, index) } else { rows.toggle(index) }
    };
    let open_menu = move |event: MouseEvent| {
        event.prevent_default();
        rows.open_menu(index, (f64::from(event.client_x()), f64::from(event.client_y())));
    };
    view! {
        <div
            class="entry"
            role="row"
            id=id(index)
            data-testid="entry"
            data-name=name
            data-kind=move || kind_name(kind.get())
            aria-rowindex=(index + 1).to_string()
            class:marked=marked
            aria-selected=move || chosen.get().to_string()
            aria-disabled=move || (!kind.get().is_usable()).then_some("true")
            style:top=format!("{}px", index as f64 * ROW)
            on:click=move |event| rows.press(index, &event)
            on:contextmenu=open_menu
        >
            // The keyboard chooses with the space bar.
            <span class="entry-pick" data-testid="pick" on:click=pick>
                <Glyph icon=Signal::derive(glyph) />
            </span>
            <span class="entry-name" role="gridcell">
                <Name name=name />
                <Show when=move || folder.with(|folder| !folder.is_empty())>
                    <span class="entry-folder"><Name name=folder /></span>
                </Show>
            </span>
            <span class="entry-size" role="gridcell" class:told=move || told.with(Option::is_some)>
                {size}
                <Show when=move || is_folder.get()>
                    <FetchButton name=name marked=marked on_fetch=move || rows.fetch(index) />
                </Show>
            </span>
            <span class="entry-date" role="gridcell">{date}</span>
        </div>
    }
}

/// The keyboard reaches a folder's button by its row: the tab key stops only at the button of the marked row.
#[component]
fn FetchButton(name: Memo<String>, marked: Memo<bool>, #[prop(into)] on_fetch: Callback<()>) -> impl IntoView {
    // Keys pressed on the button are not for the list.
    let keep = |event: KeyboardEvent| {
        if matches!(event.key().as_str(), "Enter" | " ") {
            event.stop_propagation();
        }
    };
    view! {
        <span on:keydown=keep>
            <IconButton
                icon=Icon::Download
                label=say!(download_folder)
                testid="download-folder"
                spoken=Signal::derive(move || name.with(|name| say!(download_folder_named, name)))
                skipped=Signal::derive(move || !marked.get())
                on_press=on_fetch
            />
        </span>
    }
}

/// The element of a row.
pub(super) fn id(index: usize) -> String {
    format!("entry-{index}")
}

const fn kind_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Folder => "folder",
        EntryKind::File => "file",
        EntryKind::Dangling => "dangling",
        EntryKind::LeadsOut => "leads-out",
        EntryKind::Circle => "circle",
        EntryKind::Unreadable => "unreadable",
    }
}
