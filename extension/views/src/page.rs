//! The common beginning of every page of the extension.

use leptos::ev::visibilitychange;
use leptos::prelude::*;
use wstp_messages::{Command, Notice, Problem};
use wstp_ui::button::{Button, IconButton};
use wstp_ui::icon::Icon;
use wstp_ui::menu::Menu;
use wstp_ui::notice::{Banner, Tone};
use wstp_ui::server_picker::PickerOption;
use wstp_ui::toast::Toasts;
use wstp_words::{say, shown};

use crate::browse::Browse;
use crate::catalogue::{self, Catalogue};
use crate::chrome;
use crate::store::Store;

/// The parts a page is made of; cheap to copy.
#[derive(Clone, Copy)]
pub struct Page {
    /// The receiver of commands.
    pub catalogue: Catalogue,
    /// The latest news.
    pub store: Store,
    /// Which folder is shown.
    pub browse: Browse,
    /// Short notes.
    pub toasts: Toasts,
    /// The menu of whatever has one.
    pub menu: Menu,
}

impl Page {
    /// Opens the line to the catalogue.
    pub fn open() -> Self {
        let store = Store::new();
        let catalogue = Catalogue::open(Callback::new(move |news| {
            let is_all = matches!(news, catalogue::News::Snapshot(_));
            store.handle_news(news);
            if is_all {
                chrome::look();
            }
        }));
        // Meanwhile the user may have moved what was saved.
        let shown = window_event_listener(visibilitychange, |_| {
            if !document().hidden() {
                chrome::look();
            }
        });
        on_cleanup(move || shown.remove());
        Self { catalogue, store, browse: Browse::new(catalogue, store), toasts: Toasts::new(), menu: Menu::new() }
    }

    /// Loads the page again once the user has chosen another language, as soon as `may` says so.
    pub fn begin_anew(may: impl Fn() -> bool + 'static) {
        let is_due = RwSignal::new(false);
        chrome::on_language(move || is_due.set(true));
        Effect::new(move |_| {
            if is_due.get() && may() {
                // A page of the extension can always be loaded again.
                let _ = location().reload();
            }
        });
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

/// Says why the catalogue can't be reached, what happened to what is stored, and, for those who hear the page, which
/// transfer ended.
#[component]
pub fn News(store: Store, catalogue: Catalogue) -> impl IntoView {
    let trouble = catalogue.trouble();
    view! {
        {move || trouble.get().map(|Problem { what, advice }| view! { <Banner tone=Tone::Bad what=what.say() advice=advice.say() /> })}
        {move || store.notice.get().map(|notice| view! { <Told notice=notice catalogue=catalogue /> })}
        <p class="spoken" role="status">{move || store.ended.with(|ended| shown(ended))}</p>
    }
}

/// Shows the notice about the stored data until the user dismisses it; if there is no storage, offers a retry.
#[component]
fn Told(notice: Notice, catalogue: Catalogue) -> impl IntoView {
    let Notice { problem: Problem { what, advice }, is_lasting } = notice;
    let dismiss = move || catalogue.send(Command::Dismiss, |_| {});
    let (tone, button) = if is_lasting {
        (Tone::Bad, view! { <Button testid="dismiss-notice" on_press=dismiss>{say!(try_again)}</Button> }.into_any())
    } else {
        let close =
            view! { <IconButton icon=Icon::Close label=say!(dismiss) testid="dismiss-notice" on_press=dismiss /> };
        (Tone::Warn, close.into_any())
    };
    view! {
        <Banner tone=tone what=what.say() advice=advice.say()>
            {button}
        </Banner>
    }
}
