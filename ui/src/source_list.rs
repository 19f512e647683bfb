//! The servers that one file comes from, and a way to add another.

use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use wstp_words::{say, shown};

use crate::button::{Button, IconButton};
use crate::icon::Icon;
use crate::notice::Tone;

/// A server as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceInfo {
    /// Names it within its file.
    pub id: u32,
    /// Its name for the user.
    pub name: String,
    /// The file's path there.
    pub path: String,
    /// Whether it is used, and if not, why.
    pub words: String,
    /// Its figures; may be empty.
    pub facts: String,
    /// The tone of its standing.
    pub tone: Tone,
    /// Whether the user can remove it.
    pub is_removable: bool,
}

/// The list, and two fields beneath it for one more server.
#[component]
pub fn SourceList(
    /// The servers.
    #[prop(into)]
    sources: Signal<Vec<SourceInfo>>,
    /// Names the list of servers to pick from, once in a page.
    picks_id: String,
    /// Servers to pick from.
    #[prop(into)]
    picks: Signal<Vec<String>>,
    /// The initial path in the field.
    #[prop(into)]
    path: String,
    /// Called with an address and a path.
    #[prop(into)]
    on_add: Callback<(String, String)>,
    /// Called with the server to remove.
    #[prop(into)]
    on_remove: Callback<u32>,
) -> impl IntoView {
    let ids = Memo::new(move |_| sources.with(|sources| sources.iter().map(|source| source.id).collect::<Vec<_>>()));
    let (address, path) = (RwSignal::new(String::new()), RwSignal::new(path));
    let is_missing = Memo::new(move |_| address.with(|typed| typed.trim().is_empty()));
    let add = move |event: SubmitEvent| {
        event.prevent_default();
        if !is_missing.get_untracked() {
            on_add.run((address.get_untracked(), path.get_untracked()));
            address.set(String::new());
        }
    };
    let list = picks_id.clone();
    view! {
        <section class="sources" aria-label=say!(servers_of_file)>
            <ul>
                <For each=move || ids.get() key=|id| *id let(id)>
                    <Source id=id sources=sources on_remove=on_remove />
                </For>
            </ul>
            <form class="source-form" on:submit=add>
                <input
                    class="input"
                    type="text"
                    autocomplete="off"
                    spellcheck="false"
                    dir="auto"
                    list=list
                    placeholder=say!(server_or_link)
                    aria-label=say!(mirror_label)
                    data-testid="mirror-address"
                    prop:value=address
                    on:input=move |event| address.set(event_target_value(&event))
                />
                <input
                    class="input"
                    type="text"
                    autocomplete="off"
                    spellcheck="false"
                    dir="auto"
                    placeholder=say!(path_there)
                    aria-label=say!(path_there)
                    data-testid="mirror-path"
                    prop:value=path
                    on:input=move |event| path.set(event_target_value(&event))
                />
                <Button submit=true testid="add-mirror" disabled=is_missing>{say!(add)}</Button>
                <datalist id=picks_id>
                    <For each=move || picks.get() key=Clone::clone let(pick)>
                        <option value=pick></option>
                    </For>
                </datalist>
            </form>
        </section>
    }
}

#[component]
fn Source(id: u32, sources: Signal<Vec<SourceInfo>>, on_remove: Callback<u32>) -> impl IntoView {
    let info = Memo::new(move |_| sources.with(|sources| sources.iter().find(|source| source.id == id).cloned()));
    let part = move |pick: fn(&SourceInfo) -> String| {
        Memo::new(move |_| info.with(|info| info.as_ref().map(pick).unwrap_or_default()))
    };
    let name = part(|info| info.name.clone());
    let part_shown = move |pick: fn(&SourceInfo) -> &String| {
        Memo::new(move |_| info.with(|info| info.as_ref().map(|info| shown(pick(info))).unwrap_or_default()))
    };
    let (path, words, facts) =
        (part_shown(|info| &info.path), part_shown(|info| &info.words), part_shown(|info| &info.facts));
    let title = part_shown(|info| &info.name);
    let tone = move || info.with(|info| info.as_ref().map(|info| info.tone.name()));
    let is_removable = info.with_untracked(|info| info.as_ref().is_some_and(|info| info.is_removable));
    view! {
        <li class="source" data-testid="source" data-name=name data-tone=tone>
            <span class="source-name" title=path><bdi>{title}</bdi></span>
            <span class="source-words">{words}</span>
            <span class="source-facts">{facts}</span>
            {is_removable
                .then(|| {
                    view! {
                        <IconButton
                            icon=Icon::Close
                            label=say!(remove_server)
                            testid="remove-source"
                            spoken=Signal::derive(move || name.with(|name| say!(remove_server_named, name)))
                            on_press=move || on_remove.run(id)
                        />
                    }
                })}
        </li>
    }
}
