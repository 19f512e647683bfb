//! The listing of a folder. It draws only the rows in sight, so 100,000 entries scroll as smoothly as ten.
//!
//! The list itself has the keyboard's focus and marks a row. Rows come and go while scrolling, but the focus must not.

use leptos::ev::KeyboardEvent;
use leptos::html::Div;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

use crate::button::IconButton;
use crate::dates::DateWriter;
use crate::format::bytes;
use crate::icon::{Glyph, Icon};
use crate::kind::{EntryKind, icon};
use crate::list_window::{ROW, find, reveal, step, visible};
use crate::name::Name;

/// Letters typed within this time belong to one search, in milliseconds.
const TYPING: f64 = 800.0;

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: EntryKind,
    /// Bytes in a file.
    pub size: u64,
    /// Last change, in milliseconds since 1970-01-01 UTC.
    pub modified_ms: Option<f64>,
}

/// A folder's entries with name, size and day of last change.
///
/// Arrows, Home, End, Page Up and Page Down move the mark. Enter opens, Shift and Enter fetches, Backspace goes up.
/// Letters search for a name.
#[component]
pub fn EntryList(
    /// The entries in their order. To show another folder, empty this first.
    entries: RwSignal<Vec<Entry>>,
    /// Words to show instead of an entry's size, such as the progress of its transfer.
    #[prop(into)]
    status: Callback<String, Option<String>>,
    /// Called with the entry to open or fetch.
    #[prop(into)]
    on_open: Callback<Entry>,
    /// Called with the folder to fetch with everything in it.
    #[prop(into)]
    on_fetch: Callback<Entry>,
    /// Called to go to the folder above.
    #[prop(into)]
    on_up: Callback<()>,
) -> impl IntoView {
    let body = NodeRef::<Div>::new();
    let scrolled = RwSignal::new(0.0_f64);
    let height = RwSignal::new(0.0_f64);
    let marked = RwSignal::new(None::<usize>);
    let count = Memo::new(move |_| entries.with(Vec::len));
    let range = Memo::new(move |_| visible(scrolled.get(), height.get(), count.get()));
    let dates = StoredValue::new_local(DateWriter::new());
    follow_height(body, height);
    Effect::new(move |_| {
        if count.get() == 0 {
            marked.set(None);
            scroll_to(body, 0.0);
        }
    });
    let mark = move |index: usize| {
        marked.set(Some(index));
        if let Some(top) = reveal(index, scrolled.get_untracked(), height.get_untracked()) {
            scroll_to(body, top);
        }
    };
    let usable = move |index: usize| {
        entries.with_untracked(|entries| entries.get(index).filter(|entry| entry.kind.is_usable()).cloned())
    };
    let open = move |index: usize| usable(index).into_iter().for_each(|entry| on_open.run(entry));
    let fetch = move |index: usize| match usable(index) {
        Some(entry) if entry.kind == EntryKind::Folder => on_fetch.run(entry),
        other => other.into_iter().for_each(|entry| on_open.run(entry)),
    };
    let typed = StoredValue::new((String::new(), 0.0_f64));
    let on_key = move |event: KeyboardEvent| {
        if event.ctrl_key() || event.alt_key() || event.meta_key() {
            return;
        }
        let key = event.key();
        let page = (height.get_untracked() / ROW) as usize;
        let found = if let Some(index) = step(&key, marked.get_untracked(), page, count.get_untracked()) {
            Some(index)
        } else {
            match key.as_str() {
                "Enter" if event.shift_key() => return marked.get_untracked().into_iter().for_each(fetch),
                "Enter" => return marked.get_untracked().into_iter().for_each(open),
                "Backspace" => return on_up.run(()),
                letter if letter.chars().count() == 1 => {
                    let text = typing(typed, letter, event.time_stamp());
                    let marked = marked.get_untracked();
                    entries.with_untracked(|all| find(all.iter().map(|entry| entry.name.as_str()), &text, marked))
                }
                _ => return,
            }
        };
        event.prevent_default();
        found.into_iter().for_each(mark);
    };
    view! {
        <div class="entries">
            <div class="entries-head" aria-hidden="true">
                <span>"Name"</span>
                <span class="entry-size">"Size"</span>
                <span class="entry-date">"Modified"</span>
            </div>
            <div
                class="entries-body"
                role="grid"
                aria-label="Files"
                aria-rowcount=move || count.get().to_string()
                tabindex="0"
                node_ref=body
                aria-activedescendant=move || marked.get().map(row_id)
                on:scroll=move |_| {
                    if let Some(body) = body.get_untracked() {
                        scrolled.set(f64::from(body.scroll_top()));
                    }
                }
                on:keydown=on_key
                on:focus=move |_| {
                    // Without a marked row, nobody would see where the keyboard is.
                    if marked.get_untracked().is_none() && count.get_untracked() > 0 && has_visible_focus(body) {
                        marked.set(Some(0));
                    }
                }
            >
                <div class="entries-all" role="rowgroup" style:height=move || format!("{}px", count.get() as f64 * ROW)>
                    <For each=move || range.get() key=|index| *index let(index)>
                        <EntryRow
                            index=index
                            entry=Memo::new(move |_| entries.with(|entries| entries.get(index).cloned()))
                            marked=Signal::derive(move || marked.get() == Some(index))
                            status=status
                            dates=dates
                            on_press=move || {
                                marked.set(Some(index));
                                open(index);
                            }
                            on_fetch=move || fetch(index)
                        />
                    </For>
                </div>
            </div>
        </div>
    }
}

#[component]
fn EntryRow(
    index: usize,
    entry: Memo<Option<Entry>>,
    marked: Signal<bool>,
    status: Callback<String, Option<String>>,
    dates: StoredValue<DateWriter, LocalStorage>,
    #[prop(into)] on_press: Callback<()>,
    #[prop(into)] on_fetch: Callback<()>,
) -> impl IntoView {
    let name =
        Memo::new(move |_| entry.with(|entry| entry.as_ref().map(|entry| entry.name.clone()).unwrap_or_default()));
    let kind = Memo::new(move |_| entry.with(|entry| entry.as_ref().map_or(EntryKind::Dangling, |entry| entry.kind)));
    let told = Memo::new(move |_| kind.get().is_usable().then(|| status.run(name.get())).flatten());
    let is_folder = Memo::new(move |_| kind.get() == EntryKind::Folder);
    let size = move || {
        let told = told.get().or_else(|| kind.get().note().map(str::to_owned));
        told.unwrap_or_else(|| match kind.get() {
            EntryKind::File => entry.with(|entry| entry.as_ref().map(|entry| bytes(entry.size)).unwrap_or_default()),
            _ => String::new(),
        })
    };
    let date = move || {
        let modified = entry.with(|entry| entry.as_ref().and_then(|entry| entry.modified_ms));
        modified.map(|ms| dates.with_value(|dates| dates.day(ms))).unwrap_or_default()
    };
    view! {
        <div
            class="entry"
            role="row"
            id=row_id(index)
            data-testid="entry"
            data-name=name
            data-kind=move || kind_name(kind.get())
            aria-rowindex=(index + 1).to_string()
            class:marked=marked
            aria-selected=move || marked.get().to_string()
            aria-disabled=move || (!kind.get().is_usable()).then_some("true")
            style:top=format!("{}px", index as f64 * ROW)
            on:click=move |_| on_press.run(())
        >
            <Glyph icon=Signal::derive(move || icon(kind.get(), &name.get())) />
            <span class="entry-name" role="gridcell"><Name name=name /></span>
            <span class="entry-size" role="gridcell" class:told=move || told.with(Option::is_some)>
                {size}
                <Show when=move || is_folder.get()>
                    <FetchButton name=name marked=marked on_fetch=on_fetch />
                </Show>
            </span>
            <span class="entry-date" role="gridcell">{date}</span>
        </div>
    }
}

/// The keyboard reaches a folder's button by its row: the tab key stops only at the button of the marked row.
#[component]
fn FetchButton(name: Memo<String>, marked: Signal<bool>, on_fetch: Callback<()>) -> impl IntoView {
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
                label="Download folder"
                testid="download-folder"
                spoken=Signal::derive(move || name.with(|name| format!("Download folder {name}")))
                skipped=Signal::derive(move || !marked.get())
                on_press=on_fetch
            />
        </span>
    }
}

fn row_id(index: usize) -> String {
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

/// Whether the keyboard brought the focus, and not the pointer.
fn has_visible_focus(body: NodeRef<Div>) -> bool {
    body.get_untracked().is_some_and(|body| body.matches(":focus-visible").unwrap_or(false))
}

fn scroll_to(body: NodeRef<Div>, top: f64) {
    if let Some(body) = body.get_untracked() {
        body.set_scroll_top(top as i32);
    }
}

/// Adds a letter to those typed shortly before.
fn typing(typed: StoredValue<(String, f64)>, letter: &str, now: f64) -> String {
    typed.update_value(|(text, last)| {
        if now - *last > TYPING {
            text.clear();
        }
        text.push_str(letter);
        *last = now;
    });
    typed.with_value(|(text, _)| text.clone())
}

/// Copies the height of an element to `height` for as long as the component lives.
fn follow_height(element: NodeRef<Div>, height: RwSignal<f64>) {
    let measure = move || {
        if let Some(element) = element.get_untracked() {
            height.set(f64::from(element.client_height()));
        }
    };
    let on_resize = Closure::<dyn FnMut()>::new(measure);
    let observer = web_sys::ResizeObserver::new(on_resize.as_ref().unchecked_ref());
    let kept = StoredValue::new_local(observer.ok().map(|observer| (observer, on_resize)));
    Effect::new(move |_| {
        if let Some(element) = element.get() {
            kept.with_value(|kept| kept.iter().for_each(|(observer, _)| observer.observe(&element)));
            measure();
        }
    });
    on_cleanup(move || kept.with_value(|kept| kept.iter().for_each(|(observer, _)| observer.disconnect())));
}
