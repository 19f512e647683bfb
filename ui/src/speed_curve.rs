//! The speed of the last while.

use std::collections::VecDeque;

use leptos::prelude::*;
use wstp_words::{Arg, say};

/// The drawing's size in its own units.
const SIZE: (f64, f64) = (240.0, 48.0);

/// The last speeds, oldest first, up to a fixed number.
#[derive(Clone, Debug, PartialEq)]
pub struct Speeds {
    kept: usize,
    samples: VecDeque<f64>,
}

impl Speeds {
    /// Keeps the last `kept` samples, at least two.
    pub fn new(kept: usize) -> Self {
        Self { kept: kept.max(2), samples: VecDeque::new() }
    }

    /// Adds a speed in bytes a second; not a number counts as 0.
    pub fn push(&mut self, bytes_per_second: f64) {
        if self.samples.len() == self.kept {
            self.samples.pop_front();
        }
        self.samples.push_back(if bytes_per_second.is_finite() { bytes_per_second.max(0.0) } else { 0.0 });
    }

    /// The fastest of them.
    pub fn peak(&self) -> f64 {
        self.samples.iter().copied().fold(0.0, f64::max)
    }

    /// The points of the curve, the newest at the right edge, the peak at the top.
    fn points(&self) -> Vec<(f64, f64)> {
        let (width, height) = SIZE;
        let peak = self.peak().max(1.0);
        let step = width / (self.kept - 1) as f64;
        let start = width - step * self.samples.len().saturating_sub(1) as f64;
        let point =
            |(index, speed): (usize, &f64)| (start + step * index as f64, height - speed / peak * (height - 2.0));
        self.samples.iter().enumerate().map(point).collect()
    }
}

/// A path through the points, and the same closed down to the base line.
fn paths(points: &[(f64, f64)]) -> (String, String) {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Default::default() };
    let steps: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    let line = format!("M{}", steps.join("L"));
    let area = format!("{line}L{:.1} {h}L{:.1} {h}z", last.0, first.0, h = SIZE.1);
    (line, area)
}

/// A curve of speeds with its peak in words.
#[component]
pub fn SpeedCurve(
    /// The speeds to draw.
    #[prop(into)]
    speeds: Signal<Speeds>,
) -> impl IntoView {
    let drawn = Memo::new(move |_| speeds.with(|speeds| paths(&speeds.points())));
    let peak = move || speeds.with(|speeds| say!(peak, Arg::Rate(speeds.peak())));
    view! {
        <figure class="curve">
            <svg viewBox="0 0 240 48" preserveAspectRatio="none" role="img" aria-label=say!(speed_curve)>
                <path class="curve-base" d="M0 47.5h240" />
                <path class="curve-area" d=move || drawn.with(|(_, area)| area.clone()) />
                <path class="curve-line" d=move || drawn.with(|(line, _)| line.clone()) />
            </svg>
            <figcaption>{peak}</figcaption>
        </figure>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_samples_are_kept() {
        let mut speeds = Speeds::new(3);
        for speed in [9.0, 1.0, f64::NAN, 4.0] {
            speeds.push(speed);
        }
        assert_eq!(speeds.samples, [1.0, 0.0, 4.0]);
        assert!((speeds.peak() - 4.0).abs() < f64::EPSILON);
    }

    #[test]
    fn the_newest_sample_stands_at_the_right_edge() {
        let mut speeds = Speeds::new(5);
        speeds.push(50.0);
        speeds.push(100.0);
        assert_eq!(paths(&speeds.points()).0, "M180.0 25.0L240.0 2.0");
    }

    #[test]
    fn nothing_yet_draws_nothing() {
        assert_eq!(paths(&Speeds::new(5).points()), (String::new(), String::new()));
    }
}
