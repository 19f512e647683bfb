//! How much goes out, to whom, and how the machine is.

use leptos::prelude::*;
use wstp_admin_messages::{Action, HISTORY, State};
use wstp_ui::dates::DateWriter;
use wstp_ui::field::RateField;
use wstp_ui::format::{bytes, rate};
use wstp_words::{Arg, say};

use crate::parts::{moment, part};
use crate::server::Server;

/// Width and height of the curve's drawing.
const SIZE: (f64, f64) = (1000.0, 120.0);

/// The view.
#[component]
pub fn Overview(server: Server) -> impl IntoView {
    let writer = DateWriter::new();
    let figure = move |name: &'static str, testid: &'static str, of: fn(&State) -> String| {
        let value = part(server, of);
        view! {
            <div class="figure">
                <dt>{name}</dt>
                <dd data-testid=testid>{value}</dd>
            </div>
        }
    };
    let started = part(server, |state| state.server.started);
    let agent = part(server, |state| state.server.agent.clone());
    let is_encrypted = part(server, |state| state.server.tls);
    let limit = part(server, |state| state.caller_rate);
    let whole_limit = part(server, |state| state.whole_rate);
    view! {
        <dl class="figures">
            {figure("Now", "now", |state| rate(state.rate as f64))}
            {figure("Sent since the start", "sent", |state| bytes(state.sent))}
            {figure("Clients", "clients", |state| callers(state).to_string())}
            {figure("Connections", "connections", |state| state.clients.len().to_string())}
            {figure("Being hashed", "hashing", |state| say!(files, Arg::Count(state.hashing as u64)))}
            {figure("Load", "load", |state| format!("{:.2}", state.load))}
        </dl>
        <Hour server=server />
        <RateField
            label="Limit for all clients together"
            value=whole_limit
            testid="limit-whole"
            on_change=move |rate| server.act(Action::LimitAll { rate }, "The limit holds from now on.")
        />
        <RateField
            label="Limit for each client"
            value=limit
            testid="limit-all"
            on_change=move |rate| server.act(Action::LimitCallers { rate }, "The limit holds from now on.")
        />
        <p class="note">
            {move || {
                let encrypted = if is_encrypted.get() { "Connections are encrypted." } else { "Connections are not encrypted." };
                format!("{}, running since {}. {encrypted}", agent.get(), moment(&writer, started.get()))
            }}
        </p>
    }
}

/// The callers that are connected.
fn callers(state: &State) -> usize {
    state.clients.iter().map(|client| &client.caller).collect::<std::collections::BTreeSet<_>>().len()
}

/// The curve of the last hour.
#[component]
fn Hour(server: Server) -> impl IntoView {
    let history = part(server, |state| state.history.clone());
    let note = move || {
        history.with(|points| match points.iter().max() {
            Some(peak) if points.len() > 1 => format!("Peak {}", rate(*peak as f64)),
            _ => "The curve begins after a minute.".to_owned(),
        })
    };
    let line = move || history.with(|points| line(points));
    view! {
        <figure class="hour">
            <svg viewBox="0 0 1000 120" preserveAspectRatio="none" role="img" aria-label="Speed over the last hour">
                <path class="area" d=move || line().map(|(_, area)| area) />
                <path d=move || line().map(|(line, _)| line) />
            </svg>
            <figcaption>
                <span>"The last hour"</span>
                <span>{note}</span>
            </figcaption>
        </figure>
    }
}

/// The curve and the area beneath it; `None` while there are less than two points.
fn line(points: &[u64]) -> Option<(String, String)> {
    if points.len() < 2 {
        return None;
    }
    let (width, height) = SIZE;
    let peak = points.iter().copied().max().unwrap_or(0).max(1) as f64;
    let step = width / (HISTORY - 1) as f64;
    let start = width - step * (points.len() - 1) as f64;
    let at = |(index, point): (usize, &u64)| {
        format!("{:.1} {:.1}", start + step * index as f64, height - *point as f64 / peak * (height - 2.0))
    };
    let line = format!("M{}", points.iter().enumerate().map(at).collect::<Vec<_>>().join("L"));
    let area = format!("{line}L{width} {height}L{start:.1} {height}z");
    Some((line, area))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_point_is_at_the_right_edge_and_the_peak_at_the_top() {
        assert_eq!(line(&[1]), None);
        let (line, area) = line(&[50, 100]).unwrap();
        assert_eq!(line, "M991.6 61.0L1000.0 2.0");
        assert_eq!(area, "M991.6 61.0L1000.0 2.0L1000 120L991.6 120z");
    }
}
