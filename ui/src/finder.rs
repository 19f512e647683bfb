//! Finding entries of a folder: the field for letters of their names, and the choice of a kind.

use leptos::ev::KeyboardEvent;
use leptos::html::Input;
use leptos::prelude::*;
use wstp_words::say;

use crate::button::Button;
use crate::icon::{Glyph, Icon};
use crate::kind::Group;

/// The field and the choice. They narrow the list at once.
#[component]
pub fn Finder(
    /// The typed letters.
    search: RwSignal<String>,
    /// The chosen kind.
    group: RwSignal<Option<Group>>,
    /// The field, so that a key of the page can give it the keyboard.
    field: NodeRef<Input>,
    /// Called when the keyboard goes on to the list.
    #[prop(into)]
    on_leave: Callback<()>,
    /// Called to look for the letters in the folders beneath too.
    #[prop(into)]
    on_deep: Callback<()>,
) -> impl IntoView {
    let on_key = move |event: KeyboardEvent| match event.key().as_str() {
        "Escape" if !search.with_untracked(String::is_empty) => {
            // Chrome closes the popup with this key.
            event.prevent_default();
            search.set(String::new());
        }
        "Enter" if event.ctrl_key() || event.meta_key() => {
            event.prevent_default();
            on_deep.run(());
        }
        "ArrowDown" | "Enter" => {
            event.prevent_default();
            on_leave.run(());
        }
        _ => {}
    };
    let pick = move |event| {
        let picked = event_target_value(&event);
        group.set(Group::ALL.into_iter().find(|group| group.name() == picked));
    };
    view! {
        <div class="finder" role="search" aria-label=say!(this_folder)>
            <div class="finder-field">
                <Glyph icon=Icon::Search />
                <input
                    class="input"
                    type="search"
                    autocomplete="off"
                    spellcheck="false"
                    dir="auto"
                    placeholder=say!(search_this_folder)
                    aria-label=say!(search_this_folder)
                    aria-keyshortcuts="/"
                    data-testid="search"
                    node_ref=field
                    prop:value=search
                    on:input=move |event| search.set(event_target_value(&event))
                    on:keydown=on_key
                />
            </div>
            <Show when=move || search.with(|search| !search.trim().is_empty())>
                <Button testid="search-all" on_press=on_deep>{say!(search_all_folders)}</Button>
            </Show>
            <select
                class="input finder-kind"
                aria-label=say!(column_kind)
                data-testid="kind"
                prop:value=move || group.get().map_or("all", Group::name)
                on:change=pick
            >
                <option value="all">{say!(all_kinds)}</option>
                {Group::ALL.map(|group| view! { <option value=group.name()>{group.words()}</option> }).collect_view()}
            </select>
        </div>
    }
}
