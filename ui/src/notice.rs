//! Problems and their remedies: banners in place, empty places, and words for screen readers.

use leptos::prelude::*;
use wstp_words::shown;

use crate::icon::{Glyph, Icon};

/// How serious something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Information.
    #[default]
    Neutral,
    /// Work under way.
    Active,
    /// Done and right.
    Good,
    /// Needs attention or patience.
    Warn,
    /// Does not continue by itself.
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

/// A problem and its remedy, with room for a button.
#[component]
pub fn Banner(
    /// How serious it is.
    #[prop(into)]
    tone: Signal<Tone>,
    /// The problem: a sentence.
    #[prop(into)]
    what: Signal<String>,
    /// The remedy: a sentence, or empty.
    #[prop(into)]
    advice: Signal<String>,
    /// Whether it is no alarm, so that a screen reader does not interrupt the user for it.
    #[prop(optional)]
    calm: bool,
    /// Buttons.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let role = if calm { "note" } else { "alert" };
    // A page without problems shows nothing.
    let name = move || if matches!(tone.get(), Tone::Warn | Tone::Bad) { "error" } else { "notice" };
    let icon = move || if matches!(tone.get(), Tone::Warn | Tone::Bad) { Icon::Alert } else { Icon::Info };
    view! {
        <div class="banner" role=role data-tone=move || tone.get().name() data-testid=name>
            <Glyph icon=Signal::derive(icon) />
            <p>
                <strong>{move || what.with(|what| shown(what))}</strong>
                {move || advice.with(|advice| (!advice.is_empty()).then(|| format!(" {}", shown(advice))))}
            </p>
            {children.map(|children| view! { <div class="banner-actions">{children()}</div> })}
        </div>
    }
}

/// An empty place, and how to fill it.
#[component]
pub fn EmptyState(
    /// A sign for its future content.
    icon: Icon,
    /// The situation in a few words.
    #[prop(into)]
    title: String,
    /// The remedy: a sentence.
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
