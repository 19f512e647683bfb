//! Short notes at the foot of the page that go away by themselves, with a way to undo.

use std::time::Duration;

use leptos::prelude::*;

use crate::button::{Button, Weight};

/// How long a note stays.
const STAY: Duration = Duration::from_secs(6);
/// How many are shown at once; the oldest makes room.
const MOST: usize = 3;

#[derive(Clone)]
struct Toast {
    id: u32,
    text: String,
    action: Option<(String, Callback<()>)>,
}

/// Where notes are put; cheap to copy.
#[derive(Clone, Copy)]
pub struct Toasts {
    shown: RwSignal<Vec<Toast>>,
    next: StoredValue<u32>,
}

impl Toasts {
    /// With no note yet.
    pub fn new() -> Self {
        Self { shown: RwSignal::new(Vec::new()), next: StoredValue::new(0) }
    }

    /// Shows a note, with a button if there is something to do, such as to undo.
    pub fn show(self, text: String, action: Option<(String, Callback<()>)>) {
        let id = self.next.get_value();
        self.next.set_value(id.wrapping_add(1));
        self.shown.update(|shown| {
            shown.push(Toast { id, text, action });
            let surplus = shown.len().saturating_sub(MOST);
            shown.drain(..surplus);
        });
        set_timeout(move || self.dismiss(id), STAY);
    }

    fn dismiss(self, id: u32) {
        // A page that is being left has no notes any more.
        let _ = self.shown.try_update(|shown| shown.retain(|toast| toast.id != id));
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
    /// Where they are put.
    toasts: Toasts,
) -> impl IntoView {
    view! {
        <div class="toasts" role="status">
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
                                    action.run(());
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
