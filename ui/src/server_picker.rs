//! The field for a server's address, with the remembered servers beneath.

use leptos::ev::{KeyboardEvent, SubmitEvent};
use leptos::html;
use leptos::prelude::*;
use wstp_text::strangers;
use wstp_words::say;

use crate::button::{Button, Weight};
use crate::icon::{Glyph, Icon};

/// A server to pick.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PickerOption {
    /// The text that it puts into the field.
    pub value: String,
    /// The text beside it.
    pub note: String,
}

/// The options that fit the typed text; all of them if the text is empty or equals one.
fn fitting(options: &[PickerOption], typed: &str) -> Vec<PickerOption> {
    let typed = typed.trim().to_lowercase();
    let exact = options.iter().any(|option| option.value.to_lowercase() == typed);
    options.iter().filter(|option| exact || option.value.to_lowercase().contains(&typed)).cloned().collect()
}

/// Type an address or pick one, then connect.
#[component]
pub fn ServerPicker(
    /// The content of the field.
    value: RwSignal<String>,
    /// The options, best first.
    #[prop(into)]
    options: Signal<Vec<PickerOption>>,
    /// Whether a connection is being made.
    #[prop(into)]
    busy: Signal<bool>,
    /// Whether the page shows the server in the field, so that there is no need to connect.
    #[prop(into)]
    settled: Signal<bool>,
    /// Called with the content of the field.
    #[prop(into)]
    on_connect: Callback<String>,
    /// Whether the field takes the keyboard as soon as it appears.
    #[prop(optional)]
    autofocus: bool,
) -> impl IntoView {
    let field = NodeRef::<html::Input>::new();
    let (is_arriving, was_typed) = (StoredValue::new(autofocus), StoredValue::new(false));
    if autofocus {
        take_keyboard(field);
        keep_selected(field, value, was_typed);
    }
    let open = RwSignal::new(false);
    let marked = RwSignal::new(None::<usize>);
    let shown = Memo::new(move |_| options.with(|options| value.with(|typed| fitting(options, typed))));
    let expanded = move || open.get() && !shown.with(Vec::is_empty);
    let connect = move |address: String| {
        open.set(false);
        marked.set(None);
        value.set(address.clone());
        on_connect.run(address);
    };
    let on_submit = move |event: SubmitEvent| {
        event.prevent_default();
        let picked = marked.get_untracked().and_then(|index| shown.with_untracked(|shown| shown.get(index).cloned()));
        connect(picked.map_or_else(|| value.get_untracked(), |option| option.value));
    };
    let on_key = move |event: KeyboardEvent| {
        let count = shown.with_untracked(Vec::len);
        let step = match event.key().as_str() {
            "ArrowDown" => 1,
            "ArrowUp" => count.saturating_sub(1),
            "Escape" => {
                if open.get_untracked() {
                    event.prevent_default();
                }
                open.set(false);
                return marked.set(None);
            }
            _ => return,
        };
        event.prevent_default();
        open.set(true);
        marked.update(|marked| *marked = next(*marked, step, count));
    };
    let on_focus = move |_| {
        // A list that opened by itself would cover the page's content. The page may get the keyboard itself only later.
        open.set(!is_arriving.get_value());
        is_arriving.set_value(false);
        if let Some(field) = field.get_untracked() {
            field.select();
        }
    };
    let weight = Signal::derive(move || if settled.get() { Weight::Plain } else { Weight::Primary });
    view! {
        <form class="picker" role="search" on:submit=on_submit>
            <div class="picker-field">
                <Glyph icon=Icon::Server />
                <input
                    class="input"
                    type="text"
                    autocomplete="off"
                    autocapitalize="off"
                    spellcheck="false"
                    dir="auto"
                    node_ref=field
                    data-testid="server-input"
                    role="combobox"
                    aria-label=say!(server)
                    aria-controls="picker-options"
                    aria-expanded=move || expanded().to_string()
                    aria-activedescendant=move || marked.get().map(option_id)
                    placeholder=say!(server_hint)
                    prop:value=value
                    on:input=move |event| {
                        was_typed.set_value(true);
                        value.set(event_target_value(&event));
                        marked.set(None);
                        open.set(true);
                    }
                    on:keydown=on_key
                    on:focus=on_focus
                    on:click=move |_| open.set(true)
                    on:blur=move |_| open.set(false)
                />
                <ul class="picker-options" id="picker-options" role="listbox" aria-label=say!(servers) hidden=move || !expanded()>
                    <For each=move || shown.get().into_iter().enumerate() key=|(index, option)| (*index, option.clone()) let((index, option))>
                        <li
                            role="option"
                            id=option_id(index)
                            data-testid="server-option"
                            aria-selected=move || (marked.get() == Some(index)).to_string()
                            // Otherwise the field would lose the focus first, and the list would close under the
                            // pointer.
                            on:mousedown=move |event| event.prevent_default()
                            on:click={
                                let value = option.value.clone();
                                move |_| connect(value.clone())
                            }
                        >
                            <bdi>{strangers::marked(&option.value).into_owned()}</bdi>
                            <bdi class="picker-note">{strangers::marked(&option.note).into_owned()}</bdi>
                        </li>
                    </For>
                </ul>
            </div>
            <Button weight=weight submit=true testid="connect" disabled=Signal::derive(move || value.with(|typed| typed.trim().is_empty()))>
                <span class="picker-verb">{move || if busy.get() { say!(connecting) } else { say!(connect) }}</span>
            </Button>
        </form>
    }
}

/// Gives the field the keyboard when it appears.
fn take_keyboard(field: NodeRef<html::Input>) {
    Effect::new(move |_| {
        if let Some(field) = field.get() {
            // It fails only for a page that is being closed.
            let _ = field.focus();
        }
    });
}

/// Selects an address that the page fills in, until the user types. So typing replaces it.
fn keep_selected(field: NodeRef<html::Input>, value: RwSignal<String>, was_typed: StoredValue<bool>) {
    Effect::new(move |_| {
        value.track();
        // By then the field shows the value.
        request_animation_frame(move || {
            let Some(field) = field.try_get_untracked().flatten() else { return };
            let has_keyboard = document().active_element().is_some_and(|active| active.is_same_node(Some(&field)));
            if has_keyboard && was_typed.try_get_value() == Some(false) {
                field.select();
            }
        });
    });
}

fn option_id(index: usize) -> String {
    format!("picker-option-{index}")
}

/// The mark after a step; it wraps around.
fn next(marked: Option<usize>, step: usize, count: usize) -> Option<usize> {
    match (marked, count) {
        (_, 0) => None,
        (None, _) => Some(if step == 1 { 0 } else { count - 1 }),
        (Some(index), _) => Some((index + step) % count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Vec<PickerOption> {
        ["files.example:3000", "127.0.0.1:3000"]
            .map(|value| PickerOption { value: value.into(), note: String::new() })
            .into()
    }

    #[test]
    fn typing_narrows_and_an_exact_address_shows_all() {
        assert_eq!(fitting(&options(), "").len(), 2);
        assert_eq!(fitting(&options(), " FILES ").len(), 1);
        assert_eq!(fitting(&options(), "127.0.0.1:3000").len(), 2);
        assert!(fitting(&options(), "elsewhere").is_empty());
    }

    #[test]
    fn the_mark_goes_round() {
        assert_eq!(next(None, 1, 3), Some(0));
        assert_eq!(next(None, 2, 3), Some(2));
        assert_eq!(next(Some(2), 1, 3), Some(0));
        assert_eq!(next(Some(0), 2, 3), Some(2));
        assert_eq!(next(Some(0), 1, 0), None);
    }
}
