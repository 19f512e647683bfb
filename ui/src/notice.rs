//! What happened and what to do: banners in place, empty places, and words for screen readers.

use leptos::prelude::*;

use crate::icon::{Glyph, Icon};

/// How serious something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Good to know.
    #[default]
    Neutral,
    /// Under way.
    Active,
    /// Done and right.
    Good,
    /// Needs attention or patience.
    Warn,
    /// Does not go on by itself.
    Bad,
}

impl Tone {
    /// Its name in the style sheet.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Active => "active",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// Something went wrong: what, and what to do, with room for a button.
#[component]
pub fn Banner(
    /// How serious it is.
    #[prop(into)]
    tone: Signal<Tone>,
    /// What happened: a sentence.
    #[prop(into)]
    what: Signal<String>,
    /// What to do: a sentence, or empty.
    #[prop(into)]
    advice: Signal<String>,
    /// Whether it is no alarm, and nobody who hears the page is to be interrupted by it.
    #[prop(optional)]
    calm: bool,
    /// Buttons.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let role = if calm { "note" } else { "alert" };
    // A page in which all is well does not complain.
    let name = move || if matches!(tone.get(), Tone::Warn | Tone::Bad) { "error" } else { "notice" };
    let icon = move || if matches!(tone.get(), Tone::Warn | Tone::Bad) { Icon::Alert } else { Icon::Info };
    view! {
        <div class="banner" role=role data-tone=move || tone.get().name() data-testid=name>
            <Glyph icon=Signal::derive(icon) />
            <p>
                <strong>{what}</strong>
                {move || advice.with(|advice| (!advice.is_empty()).then(|| format!(" {advice}")))}
            </p>
            {children.map(|children| view! { <div class="banner-actions">{children()}</div> })}
        </div>
    }
}

/// A place with nothing in it, and how to fill it.
#[component]
pub fn EmptyState(
    /// A sign for what would be here.
    icon: Icon,
    /// What is the case: a few words.
    #[prop(into)]
    title: String,
    /// What to do: a sentence.
    #[prop(into)]
    hint: Signal<String>,
) -> impl IntoView {
    view! {
        <div class="empty">
            <Glyph icon=icon />
            <strong>{title}</strong>
            <p>{hint}</p>
        </div>
    }
}
