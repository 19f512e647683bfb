//! The clocks of a context.

use std::time::Duration;

use wasm_bindgen::prelude::*;
use wstp_engine::Instant;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// The monotonic clock, for whatever runs within this context.
pub fn now() -> Instant {
    Instant(Duration::from_secs_f64(performance_now() / 1000.0))
}

/// The wall clock, in milliseconds since 1970-01-01 UTC.
pub fn wall_ms() -> f64 {
    js_sys::Date::now()
}
