//! A question before something is lost, and other windows over the page. The browser's own `dialog` keeps the focus inside.

use leptos::html;
use leptos::prelude::*;

use crate::button::{Button, Weight};

/// A window over the page.
#[component]
pub fn Dialog(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// What it is about.
    #[prop(into)]
    title: Signal<String>,
    /// What is in it.
    children: Children,
) -> impl IntoView {
    let element = NodeRef::<html::Dialog>::new();
    Effect::new(move |_| {
        let Some(dialog) = element.get() else { return };
        match (open.get(), dialog.open()) {
            // It is in the document and not open, so this can't fail.
            (true, false) => drop(dialog.show_modal()),
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    view! {
        <dialog class="dialog" node_ref=element aria-label=title on:close=move |_| open.set(false)>
            <h2>{title}</h2>
            {children()}
        </dialog>
    }
}

/// Asks before something is lost.
#[component]
pub fn Confirm(
    /// Whether it asks.
    open: RwSignal<bool>,
    /// The question.
    #[prop(into)]
    title: Signal<String>,
    /// What will be lost: a sentence.
    #[prop(into)]
    text: Signal<String>,
    /// What the button says that goes on.
    #[prop(into)]
    verb: String,
    /// Called when the user goes on.
    #[prop(into)]
    on_confirm: Callback<()>,
) -> impl IntoView {
    view! {
        <Dialog open=open title=title>
            <p>{text}</p>
            <div class="dialog-actions">
                <Button testid="confirm-no" on_press=move || open.set(false)>"Keep it"</Button>
                <Button
                    weight=Weight::Danger
                    testid="confirm-yes"
                    on_press=move || {
                        open.set(false);
                        on_confirm.run(());
                    }
                >
                    {verb}
                </Button>
            </div>
        </Dialog>
    }
}
