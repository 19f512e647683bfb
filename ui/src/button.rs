//! Buttons. One look per weight. Each button says in words or in a label what it does.

use leptos::ev::MouseEvent;
use leptos::prelude::*;
use wstp_words::shown;

use crate::icon::{Glyph, Icon};

/// How much attention a button asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weight {
    /// The main thing to do here.
    Primary,
    /// One of several things to do.
    #[default]
    Plain,
    /// Only words.
    Quiet,
    /// Removes data or an entry.
    Danger,
}

impl Weight {
    const fn class(self) -> &'static str {
        match self {
            Self::Primary => "button primary",
            Self::Plain => "button",
            Self::Quiet => "button quiet",
            Self::Danger => "button danger",
        }
    }
}

/// A button with words.
#[component]
pub fn Button(
    /// How much attention it asks for.
    #[prop(optional, into)]
    weight: Signal<Weight>,
    /// Whether it is disabled.
    #[prop(optional, into)]
    disabled: Signal<bool>,
    /// Its name for tests.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// The spoken label, if several buttons have the same words.
    #[prop(optional, into)]
    spoken: Option<Signal<String>>,
    /// Whether it submits the form around it.
    #[prop(optional)]
    submit: bool,
    /// Called on a press.
    #[prop(optional, into)]
    on_press: Option<Callback<()>>,
    /// Its words.
    children: Children,
) -> impl IntoView {
    view! {
        <button
            class=move || weight.get().class()
            type=if submit { "submit" } else { "button" }
            data-testid=testid
            aria-label=spoken.map(safely)
            disabled=disabled
            on:click=move |event| press(&event, on_press)
        >
            {children()}
        </button>
    }
}

/// A button with only an icon. Its label is spoken and shown as a tooltip.
#[component]
pub fn IconButton(
    /// Its icon.
    #[prop(into)]
    icon: Signal<Icon>,
    /// The label that says what it does.
    #[prop(into)]
    label: Signal<String>,
    /// Whether it is disabled.
    #[prop(optional, into)]
    disabled: Signal<bool>,
    /// The spoken label, if several buttons have the same words.
    #[prop(optional, into)]
    spoken: Option<Signal<String>>,
    /// Whether the tab key skips it, because the keyboard has another way to it.
    #[prop(optional, into)]
    skipped: Signal<bool>,
    /// Its name for tests.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// Called on a press.
    #[prop(into)]
    on_press: Callback<()>,
) -> impl IntoView {
    view! {
        <button
            class="icon-button"
            type="button"
            data-testid=testid
            aria-label=safely(spoken.unwrap_or(label))
            title=label
            disabled=disabled
            tabindex=move || skipped.get().then_some("-1")
            on:click=move |event| press(&event, Some(on_press))
        >
            <Glyph icon=icon />
        </button>
    }
}

/// A button with an icon and words. If there is little room, the words are only spoken and shown as a tooltip.
#[component]
pub fn ToolButton(
    /// Its icon.
    icon: Icon,
    /// The words that say what it does.
    #[prop(into)]
    label: String,
    /// Its name for tests.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// Called on a press.
    #[prop(into)]
    on_press: Callback<()>,
) -> impl IntoView {
    view! {
        <button
            class="button quiet tool"
            type="button"
            data-testid=testid
            title=label.clone()
            on:click=move |event| press(&event, Some(on_press))
        >
            <Glyph icon=icon />
            <span class="tool-words">{label.clone()}</span>
        </button>
    }
}

/// A label may name something of a stranger's.
fn safely(label: Signal<String>) -> Signal<String> {
    Signal::derive(move || label.with(|label| shown(label)))
}

/// A press on the button is not a press on its row.
fn press(event: &MouseEvent, on_press: Option<Callback<()>>) {
    if let Some(on_press) = on_press {
        event.stop_propagation();
        on_press.run(());
    }
}
