//! Moments as the user's language writes them, through the browser's `Intl`.

use js_sys::{Array, Date, Function, Intl, Object, Reflect};
use wasm_bindgen::JsValue;
use wstp_words::language;

/// Writes moments. Making one costs more than using it, so keep it.
#[derive(Clone)]
pub struct DateWriter {
    short: Function,
    long: Function,
}

impl DateWriter {
    /// For the language of the page.
    pub fn new() -> Self {
        Self {
            short: format(&[("year", "numeric"), ("month", "short"), ("day", "numeric")]),
            long: format(&[("dateStyle", "medium"), ("timeStyle", "short")]),
        }
    }

    /// The day: `3 Mar 2026`. Milliseconds since 1970-01-01 UTC; empty for an invalid date.
    pub fn day(&self, ms: f64) -> String {
        write(&self.short, ms)
    }

    /// Day and minute: `3 Mar 2026, 14:05`. Milliseconds since 1970-01-01 UTC; empty for an invalid date.
    pub fn minute(&self, ms: f64) -> String {
        write(&self.long, ms)
    }
}

impl Default for DateWriter {
    fn default() -> Self {
        Self::new()
    }
}

fn format(options: &[(&str, &str)]) -> Function {
    let object = Object::new();
    for (name, value) in options {
        // Setting a property of a new plain object can't fail.
        let _ = Reflect::set(&object, &JsValue::from_str(name), &JsValue::from_str(value));
    }
    let locales = language::locale().iter().map(|locale| JsValue::from_str(locale)).collect::<Array>();
    Intl::DateTimeFormat::new(&locales, &object).format()
}

fn write(format: &Function, ms: f64) -> String {
    let date = Date::new(&JsValue::from_f64(ms));
    if date.get_time().is_nan() {
        return String::new();
    }
    format.call1(&JsValue::UNDEFINED, &date).ok().and_then(|text| text.as_string()).unwrap_or_default()
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test]
    fn a_moment_is_a_day_and_what_is_none_is_nothing() {
        let writer = DateWriter::new();
        assert!(writer.day(1_000_000_000_000.0).contains("2001"));
        assert!(writer.minute(1_000_000_000_000.0).len() > writer.day(1_000_000_000_000.0).len());
        assert_eq!(writer.day(f64::NAN), "");
        assert_eq!(writer.day(1e300), "");
    }
}
