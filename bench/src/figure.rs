//! A figure: its name, its target, and its values.

use std::fmt;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::Plan;

/// A measured quantity and its target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// Its name: an area, a dot, and the quantity.
    pub name: &'static str,
    /// The unit of its values; `ratio` has none.
    pub unit: &'static str,
    /// Its target.
    pub target: Target,
}

/// A target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
    /// At most this many times another value of the same round.
    AtMostTimes(f64, &'static str),
}

impl Target {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) | Self::AtMostTimes(limit, _) => value <= limit,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(limit) => write!(f, ">= {limit}"),
            Self::AtMost(limit) => write!(f, "<= {limit}"),
            Self::AtMostTimes(limit, what) => write!(f, "<= {limit} times {what}"),
        }
    }
}

/// The values of one figure, one a round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    values: Vec<f64>,
    /// The values that the target is compared with, if not the values themselves.
    judged: Vec<f64>,
}

impl Series {
    /// Adds a round's value.
    pub fn push(&mut self, value: f64) {
        self.values.push(value);
    }

    /// Adds a round's value, and the value that its target is compared with.
    pub fn push_judged(&mut self, value: f64, judged: f64) {
        self.values.push(value);
        self.judged.push(judged);
    }
}

/// The summary of a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    figure: Figure,
    plan: Plan,
    values: Vec<f64>,
    met: bool,
}

impl Measured {
    /// Sums up a series.
    ///
    /// # Errors
    ///
    /// When it has no values, or a value that is no number.
    pub fn new(figure: Figure, plan: Plan, series: Series) -> Result<Self> {
        ensure!(!series.values.is_empty(), "{} has no values", figure.name);
        ensure!(
            series.values.iter().chain(&series.judged).all(|value| value.is_finite()),
            "{}: no number",
            figure.name
        );
        let judged = if series.judged.is_empty() { &series.values } else { &series.judged };
        let met = figure.target.is_met_by(median(judged).context("no values")?);
        Ok(Self { figure, plan, met, values: series.values })
    }

    /// The figure.
    #[must_use]
    pub fn figure(&self) -> &Figure {
        &self.figure
    }

    /// Whether the median meets the target.
    #[must_use]
    pub fn met(&self) -> bool {
        self.met
    }

    /// Half of the values are no greater.
    #[must_use]
    pub fn median(&self) -> f64 {
        median(&self.values).expect("there is at least one value")
    }

    /// The least.
    #[must_use]
    pub fn min(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The greatest.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The number of rounds.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.values.len()
    }

    /// As a line for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.figure.name,
            "median": self.median(),
            "min": self.min(),
            "max": self.max(),
            "rounds": self.rounds(),
            "unit": self.figure.unit,
            "target": self.figure.target.to_string(),
            "met": self.met,
            "quick": self.plan.is_quick(),
            "values": self.values,
        })
    }
}

/// The middle value. For an even number of values, the mean of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(low.midpoint(*high))
}

/// The value that `share` of all values do not exceed.
pub fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURE: Figure = Figure { name: "a.b", unit: "ratio", target: Target::AtLeast(2.0) };

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }

    #[test]
    fn a_percentile_is_a_value_that_occurred() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.99), Some(99.0));
        assert_eq!(percentile(&values, 0.5), Some(50.0));
        assert_eq!(percentile(&[7.0], 0.99), Some(7.0));
        assert_eq!(percentile(&[], 0.99), None);
    }

    #[test]
    fn the_median_decides_whether_the_target_is_met() {
        let measured = |values: &[f64]| {
            let mut series = Series::default();
            values.iter().for_each(|value| series.push(*value));
            Measured::new(FIGURE, Plan::new(None, false), series)
        };
        assert!(measured(&[1.0, 2.0, 3.0]).unwrap().met());
        assert!(!measured(&[1.9, 1.0, 3.0]).unwrap().met());
        assert!(measured(&[]).is_err());
        assert!(measured(&[f64::NAN]).is_err());
    }

    #[test]
    fn a_line_says_what_it_rests_on() {
        let mut series = Series::default();
        series.push_judged(1.0, 5.0);
        let line = Measured::new(FIGURE, Plan::new(Some(1), true), series).unwrap().to_json();
        assert_eq!(line["name"], "a.b");
        assert_eq!(line["rounds"], 1);
        assert_eq!(line["target"], ">= 2");
        assert_eq!((&line["met"], &line["quick"]), (&json!(true), &json!(true)));
    }
}
