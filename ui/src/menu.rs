//! A menu at the pointer or at the keyboard's place: everything one can do with a thing.

use leptos::ev::{KeyboardEvent, MouseEvent};
use leptos::html::Div;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};
use wstp_words::language::is_right_to_left;
use wstp_words::say;

/// Room that stays between the menu and the edge of the window, in pixels.
const MARGIN: f64 = 4.0;

/// A line of a menu.
#[derive(Clone)]
pub struct MenuItem {
    /// Its words.
    pub label: String,
    /// Its name for tests.
    pub name: &'static str,
    /// Called when it is chosen.
    pub on_choose: Callback<()>,
}

impl MenuItem {
    /// A line that does something.
    pub fn new(label: impl Into<String>, name: &'static str, on_choose: impl Fn() + Send + Sync + 'static) -> Self {
        Self { label: label.into(), name, on_choose: Callback::new(move |()| on_choose()) }
    }
}

/// A menu of the page; cheap to copy. There is one in a page, so that opening one closes another.
#[derive(Clone, Copy)]
pub struct Menu {
    open: RwSignal<Option<Open>>,
    /// The element that gets the keyboard back.
    back: StoredValue<Option<HtmlElement>, LocalStorage>,
}

#[derive(Clone)]
struct Open {
    at: (f64, f64),
    items: Vec<MenuItem>,
}

impl Menu {
    /// No menu is open yet.
    pub fn new() -> Self {
        Self { open: RwSignal::new(None), back: StoredValue::new_local(None) }
    }

    /// Opens it at a place in the window, in pixels.
    pub fn open(self, at: (f64, f64), items: Vec<MenuItem>) {
        if items.is_empty() {
            return;
        }
        let focused = document().active_element().and_then(|element| element.dyn_into::<HtmlElement>().ok());
        if self.open.with_untracked(Option::is_none) {
            self.back.set_value(focused);
        }
        self.open.set(Some(Open { at, items }));
    }

    fn close(self) {
        self.open.set(None);
        if let Some(back) = self.back.try_update_value(Option::take).flatten() {
            let _ = back.focus();
        }
    }
}

impl Default for Menu {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a key asks for the menu of what has the focus.
pub fn asks_for_menu(event: &KeyboardEvent) -> bool {
    event.key() == "ContextMenu" || (event.shift_key() && event.key() == "F10")
}

/// The place where an element's menu opens: the lower corner where its text begins.
pub fn beneath(element: &Element) -> (f64, f64) {
    let place = element.get_bounding_client_rect();
    let along = if is_right_to_left() { place.right() - 16.0 } else { place.left() + 16.0 };
    (along, place.bottom())
}

/// Draws the open menu; once in a page.
#[component]
pub fn MenuLayer(
    /// The menu.
    menu: Menu,
) -> impl IntoView {
    move || menu.open.get().map(|open| view! { <Shown menu=menu open=open /> })
}

#[component]
fn Shown(menu: Menu, open: Open) -> impl IntoView {
    let element = NodeRef::<Div>::new();
    let Open { at, items } = open;
    let place = RwSignal::new(at);
    Effect::new(move |_| {
        let Some(element) = element.get() else { return };
        let size = element.get_bounding_client_rect();
        let inside = |at: f64, size: f64, window: Option<f64>| {
            window.map_or(at, |window| at.min(window - size - MARGIN)).max(MARGIN)
        };
        let (width, height) = (window().inner_width(), window().inner_height());
        place.set((
            inside(
                if is_right_to_left() { at.0 - size.width() } else { at.0 },
                size.width(),
                width.ok().and_then(|width| width.as_f64()),
            ),
            inside(at.1, size.height(), height.ok().and_then(|height| height.as_f64())),
        ));
        focus(element.first_element_child());
    });
    let on_key = move |event: KeyboardEvent| {
        let focused = document().active_element();
        let Some(menu_element) = element.get_untracked() else { return };
        let next = match event.key().as_str() {
            "ArrowDown" => {
                focused.and_then(|item| item.next_element_sibling()).or_else(|| menu_element.first_element_child())
            }
            "ArrowUp" => {
                focused.and_then(|item| item.previous_element_sibling()).or_else(|| menu_element.last_element_child())
            }
            "Home" => menu_element.first_element_child(),
            "End" => menu_element.last_element_child(),
            "Escape" | "Tab" => {
                menu.close();
                None
            }
            // The button does what Enter and the space bar do.
            _ => return event.stop_propagation(),
        };
        event.prevent_default();
        event.stop_propagation();
        focus(next);
    };
    let close = move |event: MouseEvent| {
        event.prevent_default();
        menu.close();
    };
    view! {
        <div class="menu-veil" on:mousedown=close on:contextmenu=close></div>
        <div
            class="menu"
            role="menu"
            aria-label=say!(actions)
            data-testid="menu"
            node_ref=element
            style:left=move || format!("{}px", place.get().0)
            style:top=move || format!("{}px", place.get().1)
            on:keydown=on_key
        >
            {items
                .into_iter()
                .map(|item| {
                    view! {
                        <button
                            type="button"
                            role="menuitem"
                            tabindex="-1"
                            data-testid=item.name
                            on:click=move |_| {
                                menu.close();
                                item.on_choose.run(());
                            }
                        >
                            {item.label}
                        </button>
                    }
                })
                .collect_view()}
        </div>
    }
}

fn focus(element: Option<Element>) {
    if let Some(element) = element.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        let _ = element.focus();
    }
}
