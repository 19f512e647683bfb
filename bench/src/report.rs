//! The outcome: a table for people, a line a figure for programs.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{Figure, Measured, Plan};

/// The outcome of one figure.
#[derive(Debug)]
pub enum Outcome {
    /// It was measured.
    Measured(Measured),
    /// It could not be measured, for this reason.
    Failed(Figure, String),
    /// This machine can't measure it, for this reason.
    Skipped(Figure, String),
}

impl Outcome {
    fn line(&self, plan: Plan) -> Value {
        match self {
            Self::Measured(measured) => measured.to_json(),
            Self::Failed(figure, why) => json!({
                "name": figure.name, "unit": figure.unit, "target": figure.target.to_string(), "met": false,
                "quick": plan.is_quick(), "error": why,
            }),
            Self::Skipped(figure, why) => json!({
                "name": figure.name, "unit": figure.unit, "target": figure.target.to_string(), "met": false,
                "quick": plan.is_quick(), "skipped": why,
            }),
        }
    }

    fn row(&self) -> String {
        match self {
            Self::Measured(measured) => {
                let figure = measured.figure();
                let [median, min, max] = [measured.median(), measured.min(), measured.max()].map(shown);
                let verdict = if measured.met() { "met" } else { "MISSED" };
                format!(
                    "{:<32} {median:>10} {min:>10} {max:>10} {:>6} {:<6} {:<24} {verdict}",
                    figure.name,
                    measured.rounds(),
                    figure.unit,
                    figure.target.to_string()
                )
            }
            Self::Failed(figure, why) => format!("{:<32} FAILED: {why}", figure.name),
            Self::Skipped(figure, why) => format!("{:<32} skipped: {why}", figure.name),
        }
    }

    /// Whether it could not be measured, although this machine can.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        matches!(self, Self::Failed(..))
    }
}

/// Writes figures as they come, so that an interrupted run keeps its results.
#[derive(Debug)]
pub struct Report {
    plan: Plan,
    lines: Option<BufWriter<File>>,
}

impl Report {
    /// Begins the table, and the file if there is to be one.
    ///
    /// # Errors
    ///
    /// When the file can't be made.
    pub fn start(plan: Plan, json: Option<&Path>) -> Result<Self> {
        let file = |path: &Path| File::create(path).with_context(|| format!("can't create {}", path.display()));
        let lines = json.map(file).transpose()?.map(BufWriter::new);
        let quick = if plan.is_quick() { "  (quick: fewer rounds and bytes, for a first look)" } else { "" };
        println!(
            "{:<32} {:>10} {:>10} {:>10} {:>6} {:<6} {:<24} outcome{quick}",
            "figure", "median", "min", "max", "rounds", "unit", "target"
        );
        Ok(Self { plan, lines })
    }

    /// Adds a figure.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn add(&mut self, outcome: &Outcome) -> Result<()> {
        println!("{}", outcome.row());
        if let Some(lines) = &mut self.lines {
            writeln!(lines, "{}", outcome.line(self.plan))
                .and_then(|()| lines.flush())
                .context("can't write a figure")?;
        }
        Ok(())
    }
}

/// Three significant digits.
fn shown(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    #[test]
    fn a_figure_that_failed_is_not_met_and_says_why() {
        let figure = Figure { name: "a.b", unit: "ms", target: Target::AtMost(1.0) };
        let outcome = Outcome::Failed(figure, "no peer".to_owned());
        let line = outcome.line(Plan::new(None, false));
        assert_eq!((&line["met"], &line["error"]), (&json!(false), &json!("no peer")));
        assert!(outcome.has_failed());
        let outcome = Outcome::Skipped(figure, "no namespaces".to_owned());
        assert_eq!(outcome.line(Plan::new(None, false))["skipped"], json!("no namespaces"));
        assert!(!outcome.has_failed() && outcome.row().ends_with("skipped: no namespaces"));
    }

    #[test]
    fn values_are_shown_with_the_digits_that_count() {
        assert_eq!([1234.5, 12.34, 1.234, 0.01234, 0.0].map(shown), ["1234", "12.3", "1.23", "0.0123", "0.00"]);
    }
}
