//! Small parts that several views use.

use leptos::prelude::*;
use wstp_admin_messages::State;
use wstp_ui::dates::DateWriter;
use wstp_ui::format::rate;

use crate::server::Server;

/// A part of the state. Views that show it are drawn again only when it changed.
pub fn part<T: PartialEq + Clone + Default + Send + Sync + 'static>(
    server: Server,
    of: impl Fn(&State) -> T + Send + Sync + 'static,
) -> Memo<T> {
    Memo::new(move |_| server.state.with(|state| state.as_ref().map(&of).unwrap_or_default()))
}

/// Writes a moment in seconds since 1970.
pub fn moment(writer: &DateWriter, seconds: u64) -> String {
    writer.minute(seconds as f64 * 1000.0)
}

/// Places, one behind the other, as people type them.
pub fn split_places(typed: &str) -> Vec<String> {
    typed.split(',').map(str::trim).filter(|place| !place.is_empty()).map(str::to_owned).collect()
}

/// A number above 0 that may be missing; `None` for anything else.
pub fn number(typed: &str) -> Option<Option<u64>> {
    match typed.trim() {
        "" => Some(None),
        typed => typed.parse().ok().filter(|number| *number > 0).map(Some),
    }
}

/// A choice of one of several.
#[component]
pub fn Choice(
    /// Its label.
    #[prop(into)]
    label: String,
    /// Values and their words.
    options: &'static [(&'static str, &'static str)],
    /// The chosen value.
    value: RwSignal<String>,
    /// For tests.
    testid: &'static str,
) -> impl IntoView {
    view! {
        <label class="field">
            <span class="field-label">{label}</span>
            <select class="select" data-testid=testid on:change=move |event| value.set(event_target_value(&event))>
                {options
                    .iter()
                    .map(|(name, words)| view! { <option value=*name selected=move || value.get() == *name>{*words}</option> })
                    .collect_view()}
            </select>
            <span class="field-complaint"></span>
        </label>
    }
}

/// The limits to choose from, in bytes a second; 0 is none.
const LIMITS: [u64; 6] = [0, 100_000, 500_000, 1_000_000, 5_000_000, 20_000_000];

/// A choice of a limit. One that was set elsewhere is there too.
#[component]
pub fn LimitChoice(
    /// Bytes a second; `None` without a limit.
    #[prop(into)]
    value: Signal<Option<u64>>,
    /// Its spoken label.
    #[prop(into)]
    spoken: String,
    /// For tests.
    testid: &'static str,
    /// Called with the new limit.
    #[prop(into)]
    on_change: Callback<Option<u64>>,
) -> impl IntoView {
    let options = move || {
        let set = value.get().unwrap_or(0);
        let other = (!LIMITS.contains(&set)).then_some(set);
        let option = |limit: u64| {
            let words = if limit == 0 { "No limit".to_owned() } else { rate(limit as f64) };
            view! { <option value=limit.to_string() selected=limit == set>{words}</option> }
        };
        LIMITS.into_iter().chain(other).map(option).collect_view()
    };
    let change = move |typed: String| on_change.run(typed.parse().ok().filter(|rate| *rate > 0));
    view! {
        <select class="select" aria-label=spoken data-testid=testid on:change=move |event| change(event_target_value(&event))>
            {options}
        </select>
    }
}
