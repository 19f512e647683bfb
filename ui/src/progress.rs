//! The progress of a transfer, in words that keep their width.

use leptos::prelude::*;

use wstp_words::{Arg, say};

use crate::format::{bytes, rate};

/// The figures of a transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Bytes that have arrived.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
    /// Bytes a second, if that is meaningful.
    pub rate: Option<f64>,
    /// Seconds left, if known.
    pub seconds_left: Option<f64>,
}

impl Progress {
    /// `48.2 MB of 1.07 GB`, or only the size of a complete transfer.
    pub fn amount(&self) -> String {
        if self.done >= self.total {
            bytes(self.total)
        } else {
            say!(amount_of, Arg::Bytes(self.done), Arg::Bytes(self.total))
        }
    }

    /// `12.3 MB/s`, or nothing.
    pub fn speed(&self) -> String {
        self.rate.map(rate).unwrap_or_default()
    }

    /// `1 min 20 s left`, or nothing.
    pub fn left(&self) -> String {
        self.seconds_left.map(|seconds| say!(time_left, Arg::Seconds(seconds))).unwrap_or_default()
    }
}

/// Amount, speed and time left, each in a place of its own width.
#[component]
pub fn ProgressText(
    /// The figures.
    #[prop(into)]
    progress: Signal<Progress>,
) -> impl IntoView {
    view! {
        <span class="progress">
            <span class="progress-amount">{move || progress.with(Progress::amount)}</span>
            <span class="progress-speed">{move || progress.with(Progress::speed)}</span>
            <span class="progress-left">{move || progress.with(Progress::left)}</span>
        </span>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_complete_says_only_its_size() {
        let half = Progress { done: 48_200_000, total: 1 << 30, rate: Some(1.23e7), seconds_left: Some(80.0) };
        assert_eq!((half.amount(), half.speed(), half.left()).0, "48.2 MB of 1.07 GB");
        assert_eq!(half.speed(), "12.3 MB/s");
        assert_eq!(half.left(), "1 min 20 s left");
        let whole = Progress { done: 10, total: 10, ..Progress::default() };
        assert_eq!((whole.amount(), whole.speed(), whole.left()), ("10 B".into(), String::new(), String::new()));
    }
}
