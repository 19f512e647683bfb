//! Fields of a form.

use leptos::prelude::*;

/// A line of text with its label.
#[component]
pub fn TextField(
    /// What it asks for.
    #[prop(into)]
    label: Signal<String>,
    /// What it holds.
    value: RwSignal<String>,
    /// Shown while it is empty.
    #[prop(optional, into)]
    placeholder: String,
    /// What is wrong with it, in words; empty if nothing.
    #[prop(optional, into)]
    complaint: Signal<String>,
    /// Names it for tests.
    #[prop(optional)]
    testid: Option<&'static str>,
) -> impl IntoView {
    view! {
        <label class="field">
            <span class="field-label">{move || label.get()}</span>
            <input
                class="input"
                type="text"
                autocomplete="off"
                spellcheck="false"
                data-testid=testid
                placeholder=placeholder
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
                aria-invalid=move || if complaint.with(String::is_empty) { "false" } else { "true" }
            />
            <span class="field-complaint">{move || complaint.get()}</span>
        </label>
    }
}

/// A choice that is on or off.
#[component]
pub fn Switch(
    /// What it is about.
    #[prop(into)]
    label: String,
    /// Whether it is on.
    #[prop(into)]
    on: Signal<bool>,
    /// Names it for tests.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// Called with what it shall be.
    #[prop(into)]
    on_change: Callback<bool>,
) -> impl IntoView {
    view! {
        <label class="choice">
            <span>{label}</span>
            <input
                class="switch"
                type="checkbox"
                role="switch"
                data-testid=testid
                prop:checked=move || on.get()
                on:change=move |event| on_change.run(event_target_checked(&event))
            />
        </label>
    }
}

/// A small whole number between two bounds.
#[component]
pub fn Stepper(
    /// What it is about.
    #[prop(into)]
    label: String,
    /// What it is now.
    #[prop(into)]
    value: Signal<u8>,
    /// The least it can be.
    min: u8,
    /// The most it can be.
    max: u8,
    /// Names it for tests.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// Called with what it shall be, within the bounds.
    #[prop(into)]
    on_change: Callback<u8>,
) -> impl IntoView {
    let set = move |number: u8| on_change.run(number.clamp(min, max));
    let name = label.clone();
    view! {
        <div class="choice" role="group" aria-label=label>
            <span>{name}</span>
            <span class="stepper">
                <button
                    class="icon-button"
                    type="button"
                    aria-label="Fewer"
                    disabled=move || value.get() <= min
                    on:click=move |_| set(value.get_untracked().saturating_sub(1))
                >
                    "−"
                </button>
                <output data-testid=testid>{move || value.get()}</output>
                <button
                    class="icon-button"
                    type="button"
                    aria-label="More"
                    disabled=move || { value.get() >= max }
                    on:click=move |_| set(value.get_untracked().saturating_add(1))
                >
                    "+"
                </button>
            </span>
        </div>
    }
}
