//! How much is stored in the browser, and where; and the way to clear it.

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;
use wstp_messages::Command;
use wstp_ui::button::{Button, Weight};
use wstp_ui::dialog::Confirm;
use wstp_words::{Arg, phrase, say};

use crate::catalogue::Catalogue;
use crate::chrome;
use crate::store::Store;

/// The sandbox's content.
#[component]
pub fn StoredData(store: Store, catalogue: Catalogue) -> impl IntoView {
    let (used, open) = (RwSignal::new(None), RwSignal::new(false));
    let kept = Memo::new(move |_| store.tally().kept);
    let count = Memo::new(move |_| store.order.with(Vec::len));
    Effect::new(move |_| {
        kept.track();
        count.track();
        spawn_local(async move {
            // The sheet may be closed by now.
            let _ = used.try_set(chrome::bytes_stored().await);
        });
    });
    let downloads = move || phrase!(transfers_count, Arg::Count(count.get() as u64));
    let words = move || say!(stored_downloads, &downloads(), Arg::Bytes(kept.get()));
    let all = move || used.get().map(|bytes| say!(stored_all, Arg::Bytes(bytes)));
    view! {
        <p data-testid="stored">{words}</p>
        <p class="note">{all} " " {say!(stored_where)}</p>
        <div class="part-actions">
            <Button
                weight=Weight::Danger
                testid="clear-stored"
                disabled=Signal::derive(move || count.get() == 0)
                on_press=move || open.set(true)
            >
                {say!(remove_all_downloads)}
            </Button>
        </div>
        <Confirm
            open=open
            title=say!(remove_all_question)
            text=Signal::derive(move || say!(remove_all_text, &downloads(), Arg::Bytes(kept.get())))
            verb=say!(remove_all)
            on_confirm=move || catalogue.send(Command::Clear, |_| {})
        />
    }
}
