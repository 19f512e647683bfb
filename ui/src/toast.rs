//! Short notes at the foot of the page that disappear by themselves, with a way to undo.

use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;
use wstp_words::shown;

use crate::button::{Button, Weight};

/// How long a note stays.
const STAY: Duration = Duration::from_secs(6);
/// How long it stays at least after the pointer or the keyboard has left the notes.
const HELD: Duration = Duration::from_secs(2);
/// How many are shown at once; a new note removes the oldest.
const MOST: usize = 2;

/// The action of a note's button. It belongs to the note: the part of the page that made the note, such as a row that is
/// removed, may be gone by then. A [`Callback`] would be gone with it.
pub type Act = Arc<dyn Fn() + Send + Sync>;

/// Makes the action of a note's button.
pub fn act(act: impl Fn() + Send + Sync + 'static) -> Act {
    Arc::new(act)
}

#[derive(Clone)]
struct Toast {
    id: u32,
    text: String,
    action: Option<(String, Act)>,
}

/// The notes of a page; cheap to copy.
#[derive(Clone, Copy)]
pub struct Toasts {
    shown: RwSignal<Vec<Toast>>,
    next: StoredValue<u32>,
    /// Whether the pointer or the keyboard is on them.
    held: RwSignal<bool>,
}

impl Toasts {
    /// With no note yet.
    pub fn new() -> Self {
        Self { shown: RwSignal::new(Vec::new()), next: StoredValue::new(0), held: RwSignal::new(false) }
    }

    /// Shows a note, with a button for an action such as undo.
    pub fn show(self, text: String, action: Option<(String, Act)>) {
        let (id, text) = (self.next.get_value(), shown(&text));
        self.next.set_value(id.wrapping_add(1));
        self.shown.update(|shown| {
            shown.push(Toast { id, text, action });
            let surplus = shown.len().saturating_sub(MOST);
            shown.drain(..surplus);
        });
        self.dismiss_after(id, STAY);
    }

    fn dismiss_after(self, id: u32, stay: Duration) {
        let end = move || match self.held.try_get_untracked() {
            Some(true) => self.dismiss_after(id, HELD),
            _ => self.dismiss(id),
        };
        set_timeout(end, stay);
    }

    fn dismiss(self, id: u32) {
        // A page that is being left has no notes any more.
        let gone = self.shown.try_update(|shown| {
            let before = shown.len();
            shown.retain(|toast| toast.id != id);
            shown.len() < before
        });
        if gone == Some(true) {
            // The pointer may have been on the removed note, and no other event would say that it has left.
            self.held.set(false);
        }
    }
}

impl Default for Toasts {
    fn default() -> Self {
        Self::new()
    }
}

/// Draws the notes; once in a page.
#[component]
pub fn ToastShelf(
    /// The notes.
    toasts: Toasts,
) -> impl IntoView {
    view! {
        <div
            class="toasts"
            role="status"
            on:mouseenter=move |_| toasts.held.set(true)
            on:mouseleave=move |_| toasts.held.set(false)
            on:focusin=move |_| toasts.held.set(true)
            on:focusout=move |_| toasts.held.set(false)
        >
            <For each=move || toasts.shown.get() key=|toast| toast.id let(toast)>
                <div class="toast" data-testid="toast">
                    <span>{toast.text}</span>
                    {toast.action.map(|(label, action)| {
                        view! {
                            <Button
                                weight=Weight::Quiet
                                testid="toast-action"
                                on_press=move || {
                                    toasts.dismiss(toast.id);
                                    action();
                                }
                            >
                                {label}
                            </Button>
                        }
                    })}
                </div>
            </For>
        </div>
    }
}
