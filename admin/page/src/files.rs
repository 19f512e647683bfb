//! The shared files, folder by folder, and a link to any of them.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wstp_admin_messages::{FileKind, FileState, FilesPage};
use wstp_text::strangers::marked;
use wstp_ui::breadcrumbs::Breadcrumbs;
use wstp_ui::button::{Button, Weight};
use wstp_ui::dates::DateWriter;
use wstp_ui::dialog::Dialog;
use wstp_ui::format::bytes;
use wstp_ui::icon::{Glyph, Icon};
use wstp_ui::kind::{EntryKind, icon};
use wstp_ui::notice::EmptyState;

use crate::links::{MadeLink, NewLink};
use crate::server::{self, Server};

/// The folder that is shown.
#[derive(Clone, Copy)]
struct Folder {
    /// The names that lead to it.
    names: RwSignal<Vec<String>>,
    entries: RwSignal<Vec<FileState>>,
    /// The cursor of further entries.
    next: RwSignal<Option<String>>,
    /// Why it can't be read.
    trouble: RwSignal<Option<String>>,
    is_read: RwSignal<bool>,
    /// Counts readings, so that a late answer to an earlier one is dropped.
    turn: RwSignal<u64>,
}

/// The view.
#[component]
pub fn Files(server: Server) -> impl IntoView {
    let folder = Folder::root();
    folder.read();
    let steps = Signal::derive(move || {
        let names = folder.names.get();
        std::iter::once("All shares".to_owned()).chain(names).collect::<Vec<_>>()
    });
    let wanted = RwSignal::new(None);
    let empty = move || match folder.trouble.get() {
        Some(words) => Some(("This folder can't be read".to_owned(), words)),
        None if folder.is_read.get() && folder.entries.with(Vec::is_empty) => {
            Some(("An empty folder".to_owned(), "Nothing in it is shared.".to_owned()))
        }
        None => None,
    };
    view! {
        <div class="way">
            <Breadcrumbs steps=steps on_go=move |depth: usize| folder.go(depth - 1) />
            <Button weight=Weight::Quiet testid="read-again" on_press=move || folder.read()>"Read again"</Button>
        </div>
        {move || empty().map(|(title, hint)| view! { <EmptyState icon=Icon::Folder title=title hint=hint /> })}
        <table class="table files" hidden=move || folder.entries.with(Vec::is_empty)>
            <thead>
                <tr>
                    <th>"Name"</th>
                    <th class="number">"Size"</th>
                    <th>"Changed"</th>
                    <th>"Hashes"</th>
                    <th>
                        <span class="spoken">"Actions"</span>
                    </th>
                </tr>
            </thead>
            <tbody>
                <For each=move || folder.entries.get() key=|entry| (entry.name.clone(), entry.size, entry.is_hashed) let(entry)>
                    <File folder=folder entry=entry wanted=wanted />
                </For>
            </tbody>
        </table>
        <Show when=move || folder.next.with(Option::is_some)>
            <Button testid="files-more" on_press=move || folder.read_more()>"More"</Button>
        </Show>
        <LinkTo server=server wanted=wanted />
    }
}

#[component]
fn File(folder: Folder, entry: FileState, wanted: RwSignal<Option<String>>) -> impl IntoView {
    let FileState { name, kind, size, modified_ms, is_hashed } = entry;
    let (shown, drawn) = (marked(&name).into_owned(), icon(entry_kind(kind), &name));
    let (row, opened, linked) = (name.clone(), name.clone(), name.clone());
    let spoken = format!("Make a link to {shown}");
    let label = match kind {
        FileKind::Folder => view! {
            <button class="folder-name" type="button" data-testid="open-folder" data-name=name on:click=move |_| folder.open(&opened)>
                <bdi>{shown}</bdi>
            </button>
        }
        .into_any(),
        _ => view! { <bdi>{shown}</bdi> }.into_any(),
    };
    let note = entry_kind(kind).note();
    let changed = modified_ms.map_or("—".to_owned(), |ms| DateWriter::new().minute(ms as f64));
    let (size, hashes) = match kind {
        FileKind::File => (bytes(size), if is_hashed { "Known" } else { "Not yet" }),
        _ => ("—".to_owned(), "—"),
    };
    let link = entry_kind(kind).is_usable().then(|| {
        view! {
            <Button testid="make-link" spoken=spoken on_press=move || wanted.set(Some(folder.path_of(&linked)))>
                "Make a link"
            </Button>
        }
    });
    view! {
        <tr data-testid="file" data-name=row>
            <td data-label="Name">
                <span class="file-name">
                    <Glyph icon=drawn />
                    {label}
                    {note.map(|note| view! { <span class="note">{note}</span> })}
                </span>
            </td>
            <td data-label="Size" class="number">{size}</td>
            <td data-label="Changed">{changed}</td>
            <td data-label="Hashes">{hashes}</td>
            <td class="acts">{link}</td>
        </tr>
    }
}

/// Asks how a link to the wanted path should be, and shows it.
#[component]
fn LinkTo(server: Server, wanted: RwSignal<Option<String>>) -> impl IntoView {
    let (path, made, asks) = (RwSignal::new(String::new()), RwSignal::new(String::new()), RwSignal::new(false));
    Effect::new(move |_| {
        if let Some(wanted) = wanted.get() {
            path.set(wanted);
            asks.set(true);
        }
    });
    Effect::new(move |_| {
        if !made.with(String::is_empty) {
            asks.set(false);
        }
    });
    Effect::new(move |_| {
        if !asks.get() {
            wanted.set(None);
        }
    });
    view! {
        <Dialog open=asks title="Share".to_owned()>
            <NewLink server=server path=path made=made />
            <div class="dialog-actions">
                <Button testid="link-not" on_press=move || asks.set(false)>"Cancel"</Button>
            </div>
        </Dialog>
        <MadeLink server=server made=made />
    }
}

impl Folder {
    /// The folder of all shares, not read yet.
    fn root() -> Self {
        Self {
            names: RwSignal::new(Vec::new()),
            entries: RwSignal::new(Vec::new()),
            next: RwSignal::new(None),
            trouble: RwSignal::new(None),
            is_read: RwSignal::new(false),
            turn: RwSignal::new(0),
        }
    }

    /// Goes up, so that as many names are left.
    fn go(self, depth: usize) {
        self.names.update(|names| names.truncate(depth));
        self.read();
    }

    fn open(self, name: &str) {
        self.names.update(|names| names.push(name.to_owned()));
        self.read();
    }

    fn path_of(self, name: &str) -> String {
        self.names.with_untracked(|names| names.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("/"))
    }

    /// Reads it from its beginning.
    fn read(self) {
        self.ask(None);
    }

    fn read_more(self) {
        if let Some(next) = self.next.get_untracked() {
            self.ask(Some(next));
        }
    }

    fn ask(self, from: Option<String>) {
        self.turn.update(|turn| *turn += 1);
        let turn = self.turn.get_untracked();
        let encoded = |text: &str| String::from(js_sys::encode_uri_component(text));
        let path = encoded(&self.names.with_untracked(|names| names.join("/")));
        let behind = from.as_deref().map(|from| format!("&from={}", encoded(from))).unwrap_or_default();
        spawn_local(async move {
            let answer = server::get::<FilesPage>(&format!("api/files?path={path}{behind}")).await;
            if self.turn.try_get_untracked() != Some(turn) {
                return;
            }
            self.is_read.set(true);
            if from.is_none() {
                self.entries.update(Vec::clear);
            }
            match answer {
                Ok(page) => {
                    self.trouble.set(None);
                    self.next.set(page.next);
                    self.entries.update(|entries| entries.extend(page.entries));
                }
                Err(words) => {
                    self.next.set(None);
                    self.trouble.set(Some(words));
                }
            }
        });
    }
}

fn entry_kind(kind: FileKind) -> EntryKind {
    match kind {
        FileKind::Folder => EntryKind::Folder,
        FileKind::File => EntryKind::File,
        FileKind::Dangling => EntryKind::Dangling,
        FileKind::LeadsOut => EntryKind::LeadsOut,
        FileKind::Circle => EntryKind::Circle,
        FileKind::Unreadable => EntryKind::Unreadable,
    }
}
