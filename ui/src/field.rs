//! Fields of a form.

use leptos::prelude::*;
use wstp_words::{language, say};

/// A line of text with its label.
#[component]
pub fn TextField(
    /// Its label.
    #[prop(into)]
    label: Signal<String>,
    /// Its content.
    value: RwSignal<String>,
    /// Whether nobody may see over the user's shoulder what it is.
    #[prop(optional)]
    is_secret: bool,
    /// Shown while it is empty.
    #[prop(optional, into)]
    placeholder: String,
    /// The problem with its content, in words; empty if there is none.
    #[prop(optional, into)]
    complaint: Signal<String>,
    /// Its name for tests.
    #[prop(optional)]
    testid: Option<&'static str>,
) -> impl IntoView {
    view! {
        <label class="field">
            <span class="field-label">{label}</span>
            <input
                class="input"
                type=if is_secret { "password" } else { "text" }
                autocomplete="off"
                spellcheck="false"
                data-testid=testid
                placeholder=placeholder
                prop:value=value
                on:input=move |event| value.set(event_target_value(&event))
                aria-invalid=move || if complaint.with(String::is_empty) { "false" } else { "true" }
            />
            <span class="field-complaint">{complaint}</span>
        </label>
    }
}

/// A choice that is on or off.
#[component]
pub fn Switch(
    /// Its label.
    #[prop(into)]
    label: String,
    /// Whether it is on.
    #[prop(into)]
    on: Signal<bool>,
    /// Its name for tests.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// Called with the new state.
    #[prop(into)]
    on_change: Callback<bool>,
) -> impl IntoView {
    view! {
        <label class="choice">
            <span>{label}</span>
            <input
                class="switch"
                type="checkbox"
                role="switch"
                data-testid=testid
                prop:checked=on
                on:change=move |event| on_change.run(event_target_checked(&event))
            />
        </label>
    }
}

/// One of several choices.
#[component]
pub fn Select(
    /// Its label.
    #[prop(into)]
    label: String,
    /// The choices: their values, and their words.
    choices: Vec<(&'static str, String)>,
    /// The value of the current choice.
    #[prop(into)]
    value: Signal<String>,
    /// Its name for tests.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// Called with the value of the new choice.
    #[prop(into)]
    on_change: Callback<String>,
) -> impl IntoView {
    let option = move |(this, words): (&'static str, String)| {
        view! { <option value=this prop:selected=move || value.with(|value| value == this)>{words}</option> }
    };
    view! {
        <label class="choice">
            <span>{label}</span>
            <select
                class="input"
                data-testid=testid
                on:change=move |event| on_change.run(event_target_value(&event))
            >
                {choices.into_iter().map(option).collect_view()}
            </select>
        </label>
    }
}

/// A small whole number between two bounds.
#[component]
pub fn Stepper(
    /// Its label.
    #[prop(into)]
    label: String,
    /// Its current value.
    #[prop(into)]
    value: Signal<u8>,
    /// The least value.
    min: u8,
    /// The greatest value.
    max: u8,
    /// A word for the least value, if that is no number.
    #[prop(optional)]
    least: Option<String>,
    /// Its name for tests.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// Called with the new value, within the bounds.
    #[prop(into)]
    on_change: Callback<u8>,
) -> impl IntoView {
    let set = move |number: u8| on_change.run(number.clamp(min, max));
    let name = label.clone();
    view! {
        <div class="choice" role="group" aria-label=label>
            <span>{name}</span>
            <span class="stepper">
                <button
                    class="icon-button"
                    type="button"
                    aria-label=say!(fewer)
                    disabled=move || value.get() <= min
                    on:click=move |_| set(value.get_untracked().saturating_sub(1))
                >
                    "−"
                </button>
                <output data-testid=testid>
                    {move || match (value.get(), &least) {
                        (number, Some(word)) if number <= min => word.clone(),
                        (number, _) => language::number(number.into(), 0),
                    }}
                </output>
                <button
                    class="icon-button"
                    type="button"
                    aria-label=say!(more)
                    disabled=move || { value.get() >= max }
                    on:click=move |_| set(value.get_untracked().saturating_add(1))
                >
                    "+"
                </button>
            </span>
        </div>
    }
}

/// A rate in bytes a second, which the user types as MB/s.
#[component]
pub fn RateField(
    /// Its label.
    #[prop(into)]
    label: String,
    /// The current limit, in bytes a second; `None` without a limit.
    #[prop(into)]
    value: Signal<Option<u64>>,
    /// Its name for tests.
    #[prop(optional)]
    testid: Option<&'static str>,
    /// Called with the new limit.
    #[prop(into)]
    on_change: Callback<Option<u64>>,
) -> impl IntoView {
    let is_wrong = RwSignal::new(false);
    let change = move |typed: String| {
        let rate = parse_rate(&typed);
        is_wrong.set(rate.is_none());
        if let Some(rate) = rate {
            on_change.run(rate);
        }
    };
    view! {
        <label class="choice">
            <span>{label}</span>
            <span class="rate-field">
                <input
                    class="input"
                    type="text"
                    inputmode="decimal"
                    autocomplete="off"
                    placeholder=say!(unlimited)
                    data-testid=testid
                    aria-invalid=move || is_wrong.get().to_string()
                    title=say!(rate_hint)
                    prop:value=move || value.get().map(show_rate).unwrap_or_default()
                    on:keydown=move |event| {
                        let step = match event.key().as_str() {
                            "ArrowUp" => Some(true),
                            "ArrowDown" => Some(false),
                            _ => None,
                        };
                        if let Some(more) = step {
                            event.prevent_default();
                            is_wrong.set(false);
                            on_change.run(step_rate(value.get_untracked(), more));
                        }
                    }
                    on:change=move |event| change(event_target_value(&event))
                />
                <span>{say!(mb_per_second)}</span>
            </span>
        </label>
    }
}

/// Steps of a limit, in bytes a second.
const RATES: [u64; 12] =
    [100_000, 250_000, 500_000, MB, 2 * MB, 4 * MB, 8 * MB, 16 * MB, 32 * MB, 64 * MB, 128 * MB, 256 * MB];
const MB: u64 = 1_000_000;

/// Parses the typed text as bytes a second. Empty or zero is no limit; a text that is no number gives `None`.
fn parse_rate(typed: &str) -> Option<Option<u64>> {
    let typed: String = typed.trim().chars().map(latin).collect();
    if typed.is_empty() || typed.to_lowercase() == say!(unlimited).to_lowercase() {
        return Some(None);
    }
    let rate: f64 = typed.parse().ok()?;
    match rate {
        0.0 => Some(None),
        rate if rate > 0.0 && rate.is_finite() => Some(Some((rate * MB as f64).round().clamp(1.0, 1e15) as u64)),
        _ => None,
    }
}

/// A digit or a decimal separator as Rust reads it.
fn latin(c: char) -> char {
    match c {
        ',' | '\u{66b}' => '.',
        // Arabic digits and those of Persian.
        '\u{660}'..='\u{669}' | '\u{6f0}'..='\u{6f9}' => char::from(b'0' + (u32::from(c) & 0xf) as u8),
        _ => c,
    }
}

fn show_rate(rate: u64) -> String {
    (rate as f64 / MB as f64).to_string()
}

/// The next step up or down. Above the last step there is no limit; the first step is the least.
fn step_rate(rate: Option<u64>, more: bool) -> Option<u64> {
    match (rate, more) {
        (None, true) => None,
        (None, false) => RATES.last().copied(),
        (Some(rate), true) => RATES.into_iter().find(|step| *step > rate),
        (Some(rate), false) => RATES.into_iter().rev().find(|step| *step < rate).or(RATES.first().copied()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_limit_is_megabytes_a_second_and_nothing_is_no_limit() {
        for (typed, rate) in [
            ("4", Some(Some(4_000_000))),
            (" 0,5 ", Some(Some(500_000))),
            ("1.25", Some(Some(1_250_000))),
            ("\u{661}\u{66b}\u{665}", Some(Some(1_500_000))),
            ("", Some(None)),
            ("0", Some(None)),
            ("Unlimited", Some(None)),
            ("-1", None),
            ("fast", None),
            ("inf", None),
        ] {
            assert_eq!(parse_rate(typed), rate, "{typed:?}");
        }
    }

    #[test]
    fn what_is_shown_can_be_typed_again() {
        for rate in [10_000, 500_000, 1_250_000, 123_456_789] {
            assert_eq!(parse_rate(&show_rate(rate)), Some(Some(rate)));
        }
    }

    #[test]
    fn steps_end_at_no_limit_and_at_the_least() {
        assert_eq!(step_rate(None, false), Some(256_000_000));
        assert_eq!(step_rate(Some(3_000_000), true), Some(4_000_000));
        assert_eq!(step_rate(Some(4_000_000), false), Some(2_000_000));
        assert_eq!(step_rate(Some(256_000_000), true), None);
        assert_eq!(step_rate(Some(100_000), false), Some(100_000));
    }
}
