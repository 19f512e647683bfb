//! The popup: 400 x 600 pixels behind the toolbar button. Files and transfers share one place. Switching moves nothing
//! else.

use leptos::ev::KeyboardEvent;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::HtmlElement;
use wstp_ui::button::IconButton;
use wstp_ui::icon::{Glyph, Icon};
use wstp_ui::menu::MenuLayer;
use wstp_ui::server_picker::ServerPicker;
use wstp_ui::toast::{ToastShelf, act};
use wstp_words::{language, say};

use crate::browse::Look;
use crate::browse_pane::BrowsePane;
use crate::chrome;
use crate::page::{News, Page};
use crate::transfers_pane::TransfersPane;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tab {
    Browse,
    Transfers,
}

impl Tab {
    /// The pane that it shows.
    const fn panel(self) -> &'static str {
        match self {
            Self::Browse => "panel-browse",
            Self::Transfers => "panel-transfers",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Browse => Self::Transfers,
            Self::Transfers => Self::Browse,
        }
    }
}

/// The whole popup.
#[component]
pub fn Popup() -> impl IntoView {
    let Page { catalogue, store, browse, toasts, menu } = Page::open();
    Page::begin_anew(|| true);
    let tab = RwSignal::new(Tab::Browse);
    let active = Memo::new(move |_| store.tally().active);
    let on_existing = move |words: String| {
        let show = act(move || tab.set(Tab::Transfers));
        toasts.show(words, Some((say!(show), show)));
    };
    let connect = move |address| {
        tab.set(Tab::Browse);
        browse.connect(address);
    };
    let open_manager = move || {
        // Chrome opens tabs for any page of its own extension. The popup then closes.
        spawn_local(async { drop(chrome::open_tab("manager.html").await) });
    };
    view! {
        <main class="popup">
            <header class="bar">
                <ServerPicker
                    value=browse.typed
                    options=Page::options(store)
                    busy=Signal::derive(move || browse.look.get() == Look::Connecting)
                    settled=Signal::derive(move || browse.is_settled())
                    on_connect=connect
                    autofocus=true
                />
                <IconButton icon=Icon::OpenTab label=say!(open_in_tab) testid="open-manager" on_press=open_manager />
            </header>
            <div class="tabs" role="tablist">
                <TabButton tab=tab this=Tab::Browse word=say!(files_title) icon=Icon::Folder testid="tab-browse" />
                <TabButton tab=tab this=Tab::Transfers word=say!(transfers) icon=Icon::Transfers testid="tab-transfers">
                    <span class="count" class:none=move || active.get() == 0>{move || language::number(active.get() as f64, 0)}</span>
                </TabButton>
            </div>
            <News store=store catalogue=catalogue />
            <div class="fill" id=Tab::Browse.panel() role="tabpanel" hidden=move || tab.get() != Tab::Browse>
                <BrowsePane browse=browse store=store catalogue=catalogue menu=menu on_existing=on_existing />
            </div>
            <div class="fill" id=Tab::Transfers.panel() role="tabpanel" hidden=move || tab.get() != Tab::Transfers>
                <Show when=move || tab.get() == Tab::Transfers>
                    <TransfersPane store=store catalogue=catalogue toasts=toasts menu=menu />
                </Show>
            </div>
            <ToastShelf toasts=toasts />
            <MenuLayer menu=menu />
        </main>
    }
}

#[component]
fn TabButton(
    tab: RwSignal<Tab>,
    this: Tab,
    word: String,
    icon: Icon,
    testid: &'static str,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    let on_key = move |event: KeyboardEvent| {
        if matches!(event.key().as_str(), "ArrowLeft" | "ArrowRight") {
            let this_one = event_target::<HtmlElement>(&event);
            let other = this_one.next_element_sibling().or_else(|| this_one.previous_element_sibling());
            if let Some(other) = other.and_then(|other| other.dyn_into::<HtmlElement>().ok()) {
                let _ = other.focus();
                tab.set(this.other());
            }
        }
    };
    view! {
        <button
            class="tab"
            type="button"
            role="tab"
            data-testid=testid
            aria-selected=move || (tab.get() == this).to_string()
            aria-controls=this.panel()
            tabindex=move || if tab.get() == this { "0" } else { "-1" }
            on:keydown=on_key
            on:click=move |_| tab.set(this)
        >
            <Glyph icon=icon />
            <span class="tab-word" data-word=word.clone()>{word.clone()}</span>
            {children.map(|children| children())}
        </button>
    }
}
