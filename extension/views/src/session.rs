//! What every page of the extension begins with.

use leptos::prelude::*;
use wstp_messages::Problem;
use wstp_ui::notice::{Banner, Tone};
use wstp_ui::server_picker::PickerOption;
use wstp_ui::toast::Toasts;

use crate::browse::Browse;
use crate::catalogue::Catalogue;
use crate::store::Store;

/// The parts a page is made of; cheap to copy.
#[derive(Clone, Copy)]
pub struct Session {
    /// Where commands go.
    pub catalogue: Catalogue,
    /// What was told.
    pub store: Store,
    /// Which folder is shown.
    pub browse: Browse,
    /// Short notes.
    pub toasts: Toasts,
}

impl Session {
    /// Opens the line to the catalogue.
    pub fn open() -> Self {
        let store = Store::new();
        let catalogue = Catalogue::open(Callback::new(move |news| store.handle_news(news)));
        Self { catalogue, store, browse: Browse::new(catalogue, store), toasts: Toasts::new() }
    }

    /// The servers to pick from.
    pub fn options(store: Store) -> Signal<Vec<PickerOption>> {
        Signal::derive(move || {
            let option = |server: &wstp_messages::ServerView| PickerOption {
                value: server.label.clone(),
                note: server.agent.clone(),
            };
            store.servers.with(|servers| servers.iter().map(option).collect())
        })
    }
}

/// Says why the catalogue can't be reached, and, for those who hear the page, which transfer ended.
#[component]
pub fn News(store: Store, catalogue: Catalogue) -> impl IntoView {
    let trouble = catalogue.trouble();
    view! {
        {move || trouble.get().map(|Problem { what, advice }| view! { <Banner tone=Tone::Bad what=what advice=advice /> })}
        <p class="spoken" role="status">{store.ended}</p>
    }
}
