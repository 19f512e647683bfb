//! Buttons. One look per weight; each says what it does, in words or in a label.

use leptos::ev::MouseEvent;
use leptos::prelude::*;

use crate::icon::{Glyph, Icon};

/// How much a button asks for attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weight {
    /// The one thing to do here.
    Primary,
    /// One of several.
    #[default]
    Plain,
    /// Only words.
    Quiet,
    /// Takes something away.
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
    /// How much it asks for attention.
    #[prop(optional)]
    weight: Weight,
    /// Whether it can't be pressed now.
    #[prop(optional, into)]
    disabled: Signal<bool>,
    /// Names it for tests.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// What is spoken, where several buttons say the same.
    #[prop(optional, into)]
    spoken: Option<Signal<String>>,
    /// Whether it submits the form around it.
    #[prop(optional)]
    submit: bool,
    /// Called when it is pressed.
    #[prop(optional, into)]
    on_press: Option<Callback<()>>,
    /// What it says.
    children: Children,
) -> impl IntoView {
    view! {
        <button
            class=weight.class()
            type=if submit { "submit" } else { "button" }
            data-testid=testid
            aria-label=spoken
            disabled=disabled
            on:click=move |event| press(&event, on_press)
        >
            {children()}
        </button>
    }
}

/// A button with only an icon; its label is spoken and shown as a tooltip.
#[component]
pub fn IconButton(
    /// What is drawn.
    #[prop(into)]
    icon: Signal<Icon>,
    /// What it does, in words.
    #[prop(into)]
    label: Signal<String>,
    /// Whether it can't be pressed now.
    #[prop(optional, into)]
    disabled: Signal<bool>,
    /// What is spoken, where several buttons say the same.
    #[prop(optional, into)]
    spoken: Option<Signal<String>>,
    /// Whether the tab key passes it by, because the keyboard has another way to it.
    #[prop(optional, into)]
    skipped: Signal<bool>,
    /// Names it for tests.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// Called when it is pressed.
    #[prop(into)]
    on_press: Callback<()>,
) -> impl IntoView {
    view! {
        <button
            class="icon-button"
            type="button"
            data-testid=testid
            aria-label=spoken.unwrap_or(label)
            title=label
            disabled=disabled
            tabindex=move || skipped.get().then_some("-1")
            on:click=move |event| press(&event, Some(on_press))
        >
            <Glyph icon=icon />
        </button>
    }
}

/// A button with an icon and words; where there is little room the words are only spoken and shown as a tooltip.
#[component]
pub fn ToolButton(
    /// What is drawn.
    icon: Icon,
    /// What it does, in words.
    label: &'static str,
    /// Names it for tests.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// Called when it is pressed.
    #[prop(into)]
    on_press: Callback<()>,
) -> impl IntoView {
    view! {
        <button
            class="button quiet tool"
            type="button"
            data-testid=testid
            title=label
            on:click=move |event| press(&event, Some(on_press))
        >
            <Glyph icon=icon />
            <span class="tool-words">{label}</span>
        </button>
    }
}

/// A press is meant for the button and not for the row it stands in.
fn press(event: &MouseEvent, on_press: Option<Callback<()>>) {
    if let Some(on_press) = on_press {
        event.stop_propagation();
        on_press.run(());
    }
}
