//! Windows over the page, such as a question before data is lost. The browser's own `dialog` keeps the focus inside.

use leptos::html;
use leptos::prelude::*;
use wstp_words::{say, shown};

use crate::button::{Button, Weight};

/// A window over the page.
#[component]
pub fn Dialog(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// Its title.
    #[prop(into)]
    title: Signal<String>,
    /// Its content.
    children: Children,
) -> impl IntoView {
    let element = NodeRef::<html::Dialog>::new();
    let title = Memo::new(move |_| title.with(|title| shown(title)));
    Effect::new(move |_| {
        let Some(dialog) = element.get() else { return };
        match (open.get(), dialog.open()) {
            // The element is in the document and not open, so this can't fail.
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

/// Asks before data is lost.
#[component]
pub fn Confirm(
    /// Whether it is open.
    open: RwSignal<bool>,
    /// The question.
    #[prop(into)]
    title: Signal<String>,
    /// A sentence that says what will be lost.
    #[prop(into)]
    text: Signal<String>,
    /// The words of the button that confirms.
    #[prop(into)]
    verb: String,
    /// Called when the user confirms.
    #[prop(into)]
    on_confirm: Callback<()>,
) -> impl IntoView {
    view! {
        <Dialog open=open title=title>
            <p>{move || text.with(|text| shown(text))}</p>
            <div class="dialog-actions">
                <Button testid="confirm-no" on_press=move || open.set(false)>{say!(keep_it)}</Button>
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
