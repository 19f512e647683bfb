//! A table of many rows that scrolls with the page. Only the rows in sight are drawn; empty rows stand for the others.

use std::ops::Range;

use leptos::html::Tbody;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use wstp_ui::list_window::visible_of;

/// The height of a row before one was measured, in CSS pixels.
const ROW: f64 = 56.0;

/// The rows of a long table.
#[derive(Clone, Copy)]
pub struct LongTable {
    /// The body of the table.
    pub body: NodeRef<Tbody>,
    /// The rows to draw.
    pub range: Memo<Range<usize>>,
    row: RwSignal<f64>,
    count: Signal<usize>,
}

impl LongTable {
    /// A table of so many rows, which all have the same height.
    pub fn new(count: Signal<usize>) -> Self {
        let body = NodeRef::<Tbody>::new();
        let (scrolled, height, row) = (RwSignal::new(0.0_f64), RwSignal::new(800.0_f64), RwSignal::new(ROW));
        let look = move || {
            let Some(body) = body.get_untracked() else { return };
            height.set(window().inner_height().ok().and_then(|height| height.as_f64()).unwrap_or(800.0));
            scrolled.set(-body.get_bounding_client_rect().top());
            let drawn = body.query_selector("tr:not(.gap)").ok().flatten();
            if let Some(measured) =
                drawn.map(|row| row.get_bounding_client_rect().height()).filter(|height| *height > 0.0)
            {
                row.set(measured);
            }
        };
        let on_change = Closure::<dyn Fn()>::new(look);
        let listener = on_change.as_ref().unchecked_ref::<js_sys::Function>().clone();
        for event in ["scroll", "resize"] {
            let _listens = window().add_event_listener_with_callback(event, &listener);
        }
        let kept = StoredValue::new_local(Some(on_change));
        on_cleanup(move || {
            for event in ["scroll", "resize"] {
                let _is_gone = window().remove_event_listener_with_callback(event, &listener);
            }
            kept.set_value(None);
        });
        Effect::new(move |_| {
            // Rows that came change what is in sight.
            count.get();
            request_animation_frame(look);
        });
        let range = Memo::new(move |_| visible_of(row.get(), scrolled.get(), height.get(), count.get()));
        Self { body, range, row, count }
    }

    /// The height of the rows above those that are drawn, in CSS pixels.
    pub fn above(self) -> String {
        format!("{}px", self.range.with(|range| range.start) as f64 * self.row.get())
    }

    /// The height of the rows below those that are drawn, in CSS pixels.
    pub fn below(self) -> String {
        let left = self.count.get().saturating_sub(self.range.with(|range| range.end));
        format!("{}px", left as f64 * self.row.get())
    }
}
