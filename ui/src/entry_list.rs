//! The listing of a folder. It draws only the rows in sight, so 100,000 entries scroll as smoothly as ten.
//!
//! The list itself has the keyboard's focus and marks a row. Rows come and go while scrolling, but the focus must not.

mod row;

use leptos::ev::{KeyboardEvent, MouseEvent};
use leptos::html::Div;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use wstp_words::say;

use self::row::EntryRow;
use crate::arrangement::{Arrangement, Entry, Sort, SortBy};
use crate::dates::DateWriter;
use crate::kind::EntryKind;
use crate::list_window::{ROW, find, reveal, step, visible};
use crate::menu::{asks_for_menu, beneath};
use crate::selection::Selection;

/// Letters typed within this time belong to one search, in milliseconds.
const TYPING: f64 = 800.0;

/// A place in the window, in pixels.
pub type Place = (f64, f64);

/// The list's state and the ways to change it; cheap to copy.
#[derive(Clone, Copy)]
struct Rows {
    body: NodeRef<Div>,
    list: RwSignal<Arrangement>,
    selection: RwSignal<Selection>,
    scrolled: RwSignal<f64>,
    height: RwSignal<f64>,
    marked: RwSignal<Option<usize>>,
    typed: StoredValue<(String, f64)>,
    on_open: Callback<Entry>,
    on_fetch: Callback<Entry>,
    on_menu: Callback<(Entry, Place)>,
}

impl Rows {
    fn count(self) -> usize {
        self.list.with_untracked(Arrangement::len)
    }

    /// The entry in a row, if something can be done with it.
    fn usable(self, row: usize) -> Option<Entry> {
        self.list.with_untracked(|list| list.get(row).filter(|entry| entry.kind.is_usable()).cloned())
    }

    fn mark(self, row: usize) {
        self.marked.set(Some(row));
        if let Some(top) = reveal(row, self.scrolled.get_untracked(), self.height.get_untracked()) {
            self.scroll_to(top);
        }
    }

    fn scroll_to(self, top: f64) {
        if let Some(body) = self.body.get_untracked() {
            body.set_scroll_top(top as i32);
        }
    }

    fn open(self, row: usize) {
        self.usable(row).into_iter().for_each(|entry| self.on_open.run(entry));
    }

    fn fetch(self, row: usize) {
        match self.usable(row) {
            Some(entry) if entry.kind == EntryKind::Folder => self.on_fetch.run(entry),
            other => other.into_iter().for_each(|entry| self.on_open.run(entry)),
        }
    }

    /// Chooses the entry in a row too, or no longer.
    fn toggle(self, row: usize) {
        let number = self.usable(row).and_then(|_| self.list.with_untracked(|list| list.number(row)));
        if let Some(number) = number {
            self.selection.update(|selection| selection.toggle(row, number));
        }
    }

    /// Chooses the rows from the last choice to this one.
    fn extend(self, begin: usize, row: usize) {
        let choosable = |list: &Arrangement, row: usize| {
            list.get(row).filter(|entry| entry.kind.is_usable()).and_then(|_| list.number(row))
        };
        self.list.with_untracked(|list| {
            self.selection.update(|selection| selection.extend(begin, row, |row| choosable(list, row)));
        });
    }

    fn choose_all(self) {
        self.list.with_untracked(|list| {
            let is_usable = |number: &u32| list.entry(*number).is_some_and(|entry| entry.kind.is_usable());
            self.selection.update(|selection| selection.choose(list.numbers().iter().copied().filter(is_usable)));
        });
    }

    /// A click on a row. Once something is chosen, clicks choose.
    fn press(self, row: usize, event: &MouseEvent) {
        self.marked.set(Some(row));
        if event.shift_key() {
            self.extend(row, row);
        } else if event.ctrl_key() || event.meta_key() || !self.selection.with_untracked(Selection::is_empty) {
            self.toggle(row);
        } else {
            self.open(row);
        }
    }

    fn open_menu(self, row: usize, at: Place) {
        self.marked.set(Some(row));
        self.usable(row).into_iter().for_each(|entry| self.on_menu.run((entry, at)));
    }

    /// Opens the menu of the marked row beneath it.
    fn open_marked_menu(self) {
        let Some(row) = self.marked.get_untracked() else { return };
        self.mark(row);
        let place = document().get_element_by_id(&row::id(row)).map(|element| beneath(&element));
        self.open_menu(row, place.unwrap_or_default());
    }

    /// Does what a key asks of the marked row and the choice. `false`: it is no such key.
    fn handle_action(self, event: &KeyboardEvent) -> bool {
        let marked = self.marked.get_untracked();
        let is_chord = event.ctrl_key() || event.meta_key();
        match event.key().as_str() {
            "a" | "A" if is_chord => self.choose_all(),
            " " if is_chord || !self.is_typing(event.time_stamp()) => {
                marked.into_iter().for_each(|row| self.toggle(row))
            }
            _ if is_chord || event.alt_key() => return false,
            "Escape" if !self.selection.with_untracked(Selection::is_empty) => {
                self.selection.update(Selection::clear);
            }
            "Enter" if event.shift_key() => marked.into_iter().for_each(|row| self.fetch(row)),
            "Enter" => marked.into_iter().for_each(|row| self.open(row)),
            _ if asks_for_menu(event) => self.open_marked_menu(),
            _ => return false,
        }
        true
    }

    /// Moves the mark. `false`: the key moves nothing.
    fn handle_move(self, event: &KeyboardEvent) -> bool {
        if event.ctrl_key() || event.alt_key() || event.meta_key() {
            return false;
        }
        let (key, marked) = (event.key(), self.marked.get_untracked());
        let page = (self.height.get_untracked() / ROW) as usize;
        if let Some(row) = step(&key, marked, page, self.count()) {
            if event.shift_key() {
                self.extend(marked.unwrap_or(row), row);
            }
            self.mark(row);
            return true;
        }
        if key.chars().count() != 1 {
            return false;
        }
        let text = self.type_letter(&key, event.time_stamp());
        let found = self.list.with_untracked(|list| {
            let name = |row| list.get(row).map_or("", |entry| entry.name.as_str());
            find(list.len(), name, &text, marked)
        });
        found.into_iter().for_each(|row| self.mark(row));
        true
    }

    fn is_typing(self, now: f64) -> bool {
        self.typed.with_value(|(text, last)| !text.is_empty() && now - *last <= TYPING)
    }

    /// Adds a letter to those typed shortly before.
    fn type_letter(self, letter: &str, now: f64) -> String {
        let is_typing = self.is_typing(now);
        self.typed.update_value(|(text, last)| {
            if !is_typing {
                text.clear();
            }
            text.push_str(letter);
            *last = now;
        });
        self.typed.with_value(|(text, _)| text.clone())
    }
}

/// A folder's entries with name, size and day of last change.
///
/// Arrows, Home, End, Page Up and Page Down move the mark, and with Shift they choose. The space bar chooses the marked
/// row, Ctrl and A all of them. Enter opens, Shift and Enter fetches, Backspace goes up. Letters search for a name.
#[component]
pub fn EntryList(
    /// The entries. To show another folder, clear this first.
    list: RwSignal<Arrangement>,
    /// The chosen ones.
    selection: RwSignal<Selection>,
    /// The order.
    #[prop(into)]
    sort: Signal<Sort>,
    /// The part that takes the keyboard.
    body: NodeRef<Div>,
    /// The name of the entry to mark once it is there.
    wanted: RwSignal<Option<String>>,
    /// How far it is scrolled, in pixels.
    scrolled: RwSignal<f64>,
    /// How far to scroll it once it is long enough.
    scroll_to: RwSignal<Option<f64>>,
    /// Words to show instead of the size of the entry at a path, such as the progress of its transfer.
    #[prop(into)]
    status: Callback<String, Option<String>>,
    /// Called with the entry to open or fetch.
    #[prop(into)]
    on_open: Callback<Entry>,
    /// Called with the folder to fetch with everything in it.
    #[prop(into)]
    on_fetch: Callback<Entry>,
    /// Called with an entry and the place where its menu is to open.
    #[prop(into)]
    on_menu: Callback<(Entry, Place)>,
    /// Called with the fact to sort by.
    #[prop(into)]
    on_sort: Callback<SortBy>,
    /// Called to go to the folder above.
    #[prop(into)]
    on_up: Callback<()>,
) -> impl IntoView {
    let rows = Rows {
        body,
        list,
        selection,
        scrolled,
        height: RwSignal::new(0.0),
        marked: RwSignal::new(None),
        typed: StoredValue::default(),
        on_open,
        on_fetch,
        on_menu,
    };
    let count = Memo::new(move |_| list.with(Arrangement::len));
    let range = Memo::new(move |_| visible(rows.scrolled.get(), rows.height.get(), count.get()));
    let dates = StoredValue::new_local(DateWriter::new());
    follow_height(body, rows.height);
    // Another folder, another order or another filter begins at the top.
    let manner = Memo::new(move |_| list.with(|list| (list.total() == 0, list.manner())));
    Effect::new(move |_| {
        manner.track();
        rows.marked.set(None);
        rows.scroll_to(0.0);
    });
    Effect::new(move |_| {
        let rows_high = count.get() as f64 * ROW;
        if let Some(top) = scroll_to.get_untracked().filter(|top| top + rows.height.get_untracked() <= rows_high) {
            scroll_to.set(None);
            rows.scroll_to(top);
        }
        let row = wanted.with(|wanted| {
            let wanted = wanted.as_ref()?;
            list.with_untracked(|list| {
                (0..list.len()).find(|row| list.get(*row).is_some_and(|entry| entry.name == *wanted))
            })
        });
        if let Some(row) = row {
            wanted.set(None);
            rows.mark(row);
        }
    });
    let on_key = move |event: KeyboardEvent| {
        let is_done = rows.handle_action(&event)
            || (event.key() == "Backspace" && {
                on_up.run(());
                true
            })
            || (event.key() != "/" && rows.handle_move(&event));
        if is_done {
            event.prevent_default();
        }
    };
    view! {
        <div class="entries">
            <Heads sort=sort on_sort=on_sort />
            <div
                class="entries-body"
                role="grid"
                aria-label=say!(files_title)
                aria-multiselectable="true"
                aria-rowcount=move || count.get().to_string()
                tabindex="0"
                node_ref=body
                aria-activedescendant=move || rows.marked.get().filter(|row| *row < count.get()).map(row::id)
                on:scroll=move |_| {
                    if let Some(body) = body.get_untracked() {
                        rows.scrolled.set(f64::from(body.scroll_top()));
                    }
                }
                on:keydown=on_key
                on:focus=move |_| {
                    // Without a marked row, nobody would see where the keyboard is.
                    if rows.marked.get_untracked().is_none() && rows.count() > 0 && has_visible_focus(body) {
                        rows.marked.set(Some(0));
                    }
                }
            >
                <div class="entries-all" role="rowgroup" style:height=move || format!("{}px", count.get() as f64 * ROW)>
                    <For each=move || range.get() key=|index| *index let(index)>
                        <EntryRow index=index rows=rows status=status dates=dates />
                    </For>
                </div>
            </div>
        </div>
    }
}

/// The heads of the columns: buttons that sort by them.
#[component]
fn Heads(sort: Signal<Sort>, on_sort: Callback<SortBy>) -> impl IntoView {
    let head = move |by: SortBy, class: &'static str| {
        let words = StoredValue::new(column(by));
        let state = move || {
            let Sort { by: now, is_descending } = sort.get();
            (now == by).then_some(is_descending)
        };
        let sign = move || match state() {
            None => "",
            Some(false) => " \u{2191}",
            Some(true) => " \u{2193}",
        };
        let spoken = move || match state() {
            None => sort_by(by),
            Some(false) => words.with_value(|words| say!(sorted_up, words)),
            Some(true) => words.with_value(|words| say!(sorted_down, words)),
        };
        view! {
            <button
                class=class
                type="button"
                class:sorted=move || state().is_some()
                data-testid=format!("sort-{}", by.name())
                aria-label=spoken
                on:click=move |_| on_sort.run(by)
            >
                {words.get_value()}
                {sign}
            </button>
        }
    };
    view! {
        <div class="entries-head" role="group" aria-label=say!(sort)>
            <span class="entries-heads">{head(SortBy::Name, "")} {head(SortBy::Kind, "")}</span>
            {head(SortBy::Size, "entry-size")}
            {head(SortBy::Date, "entry-date")}
        </div>
    }
}

/// The head of a column.
fn column(by: SortBy) -> String {
    match by {
        SortBy::Name => say!(column_name),
        SortBy::Kind => say!(column_kind),
        SortBy::Size => say!(column_size),
        SortBy::Date => say!(column_modified),
    }
}

/// The effect of a press on that head, in words.
fn sort_by(by: SortBy) -> String {
    match by {
        SortBy::Name => say!(sort_by_name),
        SortBy::Kind => say!(sort_by_kind),
        SortBy::Size => say!(sort_by_size),
        SortBy::Date => say!(sort_by_modified),
    }
}

/// Whether the keyboard brought the focus, and not the pointer.
fn has_visible_focus(body: NodeRef<Div>) -> bool {
    body.get_untracked().is_some_and(|body| body.matches(":focus-visible").unwrap_or(false))
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
