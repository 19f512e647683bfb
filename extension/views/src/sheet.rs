//! The sheets of the manager page, such as the settings. One takes the place of the columns. The URL's fragment names
//! it, so it can be linked to and stays open when the page begins anew.

use leptos::ev::{hashchange, keydown};
use leptos::html::H2;
use leptos::prelude::*;
use wstp_ui::button::{Button, IconButton};
use wstp_ui::icon::{Glyph, Icon};
use wstp_words::say;

/// A sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sheet {
    /// The history of saves.
    History,
    /// The user's settings.
    Settings,
}

impl Sheet {
    const ALL: [Self; 2] = [Self::History, Self::Settings];

    const fn fragment(self) -> &'static str {
        match self {
            Self::History => "#history",
            Self::Settings => "#settings",
        }
    }

    const fn icon(self) -> Icon {
        match self {
            Self::History => Icon::History,
            Self::Settings => Icon::Settings,
        }
    }

    const fn testid(self) -> &'static str {
        match self {
            Self::History => "open-history",
            Self::Settings => "open-settings",
        }
    }

    fn title(self) -> String {
        match self {
            Self::History => say!(history),
            Self::Settings => say!(settings),
        }
    }
}

/// Opens a sheet, or closes the open one.
fn go(sheet: Option<Sheet>) {
    // A fragment always can be set.
    let _ = location().set_hash(sheet.map_or("", Sheet::fragment));
}

/// The open sheet, as the URL says. Ctrl and the comma open the settings, Escape closes any.
pub fn open_sheet() -> RwSignal<Option<Sheet>> {
    let named = || {
        let hash = location().hash().unwrap_or_default();
        Sheet::ALL.into_iter().find(|sheet| sheet.fragment() == hash)
    };
    let open = RwSignal::new(named());
    let changed = window_event_listener(hashchange, move |_| open.set(named()));
    let pressed = window_event_listener(keydown, move |event| match event.key().as_str() {
        "," if event.ctrl_key() || event.meta_key() => go(Some(Sheet::Settings)),
        // A menu and a question close by this key before the sheet does.
        "Escape" if open.get_untracked().is_some() && !event.default_prevented() && !is_asked() => go(None),
        _ => {}
    });
    on_cleanup(move || {
        changed.remove();
        pressed.remove();
    });
    open
}

fn is_asked() -> bool {
    document().query_selector("dialog[open]").is_ok_and(|dialog| dialog.is_some())
}

/// The buttons that open the sheets.
#[component]
pub fn SheetButtons() -> impl IntoView {
    let button = |sheet: Sheet| {
        view! {
            <Button testid=sheet.testid() on_press=move || go(Some(sheet))>
                <Glyph icon=sheet.icon() />
                {sheet.title()}
            </Button>
        }
    };
    view! { <nav class="sheet-buttons">{Sheet::ALL.map(button).collect_view()}</nav> }
}

/// The frame of an open sheet. Its title takes the keyboard.
#[component]
pub fn SheetFrame(sheet: Sheet, children: Children) -> impl IntoView {
    let title = NodeRef::<H2>::new();
    Effect::new(move |_| {
        if let Some(title) = title.get() {
            let _ = title.focus();
        }
    });
    let close = move || {
        go(None);
        let button = document().query_selector(&format!("[data-testid={}]", sheet.testid())).ok().flatten();
        if let Some(button) = button {
            let button: web_sys::HtmlElement = wasm_bindgen::JsCast::unchecked_into(button);
            let _ = button.focus();
        }
    };
    view! {
        <section class="column sheet" aria-label=sheet.title() data-testid="sheet">
            <div class="bar">
                <IconButton icon=Icon::Back label=say!(back_to_files) testid="close-sheet" on_press=close />
                <h2 tabindex="-1" node_ref=title>{sheet.title()}</h2>
            </div>
            <div class="sheet-body">{children()}</div>
        </section>
    }
}
