//! How things stand, for people and for programs: bars on a terminal, lines where there is none, JSON, or nothing.
//!
//! People are told on the standard error, programs on the standard output. Names and words of servers are made harmless
//! on the way.

mod comparison;
mod event;

use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{DecimalBytes, HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use wstp_engine::folder::FolderProgress;
use wstp_engine::{NamedBy, Phase, Problem, SourceId};

pub use self::event::{Event, SourceView};
use crate::answers::Answers;
use crate::escape;
use crate::exit::Failure;
use crate::names::Why;
use crate::transfer::Standing;
use crate::words::source_problem;

/// To whom things are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// A person at a terminal: bars.
    Terminal,
    /// A person who reads later: a line for each thing that ended.
    Log,
    /// A program: an object a line.
    Json,
    /// Nobody, unless something fails.
    Nobody,
}

impl Audience {
    /// Whom the options name.
    #[must_use]
    pub fn of(json: bool, quiet: bool) -> Self {
        match () {
            () if json => Self::Json,
            () if quiet => Self::Nobody,
            () if std::io::stderr().is_terminal() => Self::Terminal,
            () => Self::Log,
        }
    }
}

/// Tells how a folder stands.
pub struct FolderReport {
    audience: Audience,
    answers: Answers,
    bar: ProgressBar,
}

impl FolderReport {
    /// Tells how it stands, and how long until the next try.
    pub fn tell(&self, progress: &FolderProgress, wait: Option<Duration>) {
        match self.audience {
            Audience::Json => drop(self.answers.object(&Event::Folder {
                state: state(progress.phase),
                listed: progress.walked,
                files: progress.files,
                bytes: progress.bytes,
                files_done: progress.files_done,
                bytes_done: progress.bytes_done,
                files_failed: progress.files_failed,
                bytes_unchecked: progress.bytes_unchecked,
                rate: progress.rate,
                retry_seconds: wait.map(|wait| wait.as_secs_f64()),
            })),
            Audience::Terminal => {
                if progress.walked || progress.bytes > 0 {
                    self.bar.set_length(progress.bytes);
                }
                self.bar.set_position(progress.bytes_done + progress.bytes_failed);
                let mut doing =
                    wait.map_or_else(String::new, |wait| format!(", waiting {} s", wait.as_secs_f64().ceil()));
                if progress.phase == Phase::Checking {
                    doing = format!(", checking what is here, {} %", progress.checked_percent());
                }
                self.bar.set_message(format!("{} of {} files{doing}", progress.files_done, progress.files));
            }
            Audience::Log | Audience::Nobody => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Tells how things stand.
pub struct Reporter {
    audience: Audience,
    answers: Answers,
    bars: MultiProgress,
}

/// Tells how one file stands.
pub struct FileReport<'a> {
    reporter: &'a Reporter,
    file: String,
    bar: ProgressBar,
    /// The events of sources that were told.
    told: HashSet<(SourceId, &'static str)>,
    is_damage_told: bool,
}

impl Reporter {
    /// For such an audience.
    #[must_use]
    pub fn new(audience: Audience, answers: Answers) -> Self {
        let target = if audience == Audience::Terminal {
            ProgressDrawTarget::stderr_with_hz(5)
        } else {
            ProgressDrawTarget::hidden()
        };
        Self { audience, answers, bars: MultiProgress::with_draw_target(target) }
    }

    /// Begins to tell about a file: its local path.
    #[must_use]
    pub fn file(&self, file: String) -> FileReport<'_> {
        let bar = self.bar(&file);
        FileReport { reporter: self, file, bar, told: HashSet::new(), is_damage_told: false }
    }

    fn bar(&self, file: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::no_length().with_style(file_style()));
        bar.set_prefix(short(&escape::name(file)));
        bar
    }

    /// Begins to tell about a folder.
    #[must_use]
    pub fn folder(&self) -> FolderReport {
        FolderReport {
            audience: self.audience,
            answers: self.answers.clone(),
            bar: self.bars.add(ProgressBar::no_length().with_style(overall_style())),
        }
    }

    /// Tells that nobody can be reached yet.
    pub fn waiting(&self, failure: &Failure, wait: Duration) {
        let problem = failure.what.trim_end_matches('.');
        match self.audience {
            Audience::Json => self.json(&Event::Waiting { retry_seconds: wait.as_secs_f64(), problem }),
            Audience::Nobody => {}
            _ => self.line(&format!("waiting {} s: {problem}", wait.as_secs_f64().ceil())),
        }
    }

    /// Tells that a file is in its place.
    pub fn saved(&self, file: &str, size: u64, root: &[u8; 32], already: bool) {
        let hash = blake3::Hash::from(*root).to_hex();
        match self.audience {
            Audience::Json => self.json(&Event::Saved { file, size, blake3: &hash, already }),
            Audience::Nobody => {}
            _ => {
                let verb = if already { "already complete:" } else { "saved" };
                self.line(&format!("{verb} {} ({}, blake3 {hash})", escape::name(file), DecimalBytes(size)));
            }
        }
    }

    /// Tells that a file was given out.
    pub fn given(&self, size: u64, root: &[u8; 32]) {
        let hash = blake3::Hash::from(*root).to_hex();
        match self.audience {
            Audience::Json => self.json(&Event::Saved { file: "-", size, blake3: &hash, already: false }),
            Audience::Nobody => {}
            _ => self.line(&format!("written to the standard output ({}, blake3 {hash})", DecimalBytes(size))),
        }
    }

    /// Tells that something is left out.
    pub fn skipped(&self, path: &str, reason: &str) {
        match self.audience {
            Audience::Json => self.json(&Event::Skipped { path, reason }),
            Audience::Nobody => {}
            _ => self.line(&format!("left out {}: {reason}", escape::name(path))),
        }
    }

    /// Tells that something has another name here than on the server.
    pub fn renamed(&self, path: &str, file: &str, why: Why) {
        match self.audience {
            Audience::Json => self.json(&Event::Renamed { path, file, reason: why.words() }),
            Audience::Nobody => {}
            _ => {
                let (path, file) = (escape::name(path), escape::name(file));
                self.line(&format!("renamed: {path} is here as {file}, for {}", why.words()));
            }
        }
    }

    /// Tells that something failed, also to those who want to hear nothing else.
    pub fn failed(&self, file: Option<&str>, failure: &Failure) {
        if self.audience == Audience::Json && !self.answers.is_lost() {
            let Failure { code, what, advice, .. } = failure;
            return self.json(&Event::Failed { file, code: code.number(), what, advice });
        }
        let about = file.map_or_else(String::new, |file| format!("{}: ", escape::name(file)));
        self.line(&format!("wstp: {about}{failure}"));
    }

    /// Tells how a folder ended.
    pub fn summary(&self, files: u64, bytes: u64, failed: u64) {
        match self.audience {
            Audience::Json => self.json(&Event::Summary { files, bytes, failed }),
            Audience::Nobody => {}
            _ => {
                let but = if failed == 0 { String::new() } else { format!("; {failed} failed") };
                self.line(&format!("{files} files, {} in place{but}", DecimalBytes(bytes)));
            }
        }
    }

    /// Tells what was asked for, on the standard output: an object to a program, a line to a person.
    pub fn answer(&self, object: &impl Serialize, text: &str) {
        match self.audience {
            Audience::Json => drop(self.answers.object(object)),
            Audience::Nobody => {}
            _ => drop(self.bars.suspend(|| self.answers.line(text))),
        }
    }

    fn json(&self, event: &Event<'_>) {
        self.answers.object(event);
    }

    /// A line above the bars. An error is ignored: a reader that left is no reason to stop.
    fn line(&self, text: &str) {
        let text = escape::one_line(text);
        self.bars.suspend(|| {
            let _nobody_reads = writeln!(std::io::stderr().lock(), "{text}");
        });
    }
}

impl FileReport<'_> {
    /// Tells how it stands.
    pub fn tell(&mut self, standing: &Standing<'_>) {
        match self.reporter.audience {
            Audience::Json => self.tell_json(standing),
            Audience::Terminal => {
                self.tell_troubled(standing);
                self.tell_damage(standing);
                self.tell_bar(standing);
            }
            Audience::Log => {
                self.tell_troubled(standing);
                self.tell_damage(standing);
            }
            Audience::Nobody => {}
        }
    }

    /// Tells once that stored data was damaged.
    fn tell_damage(&mut self, standing: &Standing<'_>) {
        if standing.progress.damaged > 0 && !std::mem::replace(&mut self.is_damage_told, true) {
            let what = "some of what an earlier run stored was damaged since. It is fetched again.";
            self.reporter.line(&format!("{}: {what}", self.file));
        }
    }

    /// Tells once of each source that is left alone. If it is the only one, the failure says it.
    fn tell_troubled(&mut self, Standing { progress, places, last_words, .. }: &Standing<'_>) {
        if places.len() < 2 {
            return;
        }
        for ((source, place), words) in progress.sources.iter().zip(*places).zip(*last_words) {
            let lasting = words.as_ref().filter(|words| words.lasting && source.connections == 0);
            let what = match source.standing {
                wstp_engine::Standing::Benched => "is left alone for a while",
                wstp_engine::Standing::GivenUp => "is not used any more",
                _ if lasting.is_some() => "can't be used",
                _ => continue,
            };
            if self.told.insert((source.id, what)) {
                let problem = source.problem.as_ref().or(lasting.map(|_| &Problem::Connection));
                let why = problem.map(|problem| source_problem(problem, place, words.as_ref()));
                let why = why.unwrap_or_else(|| "it failed too often".to_owned());
                // Nobody typed the address of a mirror that the server offered.
                let is_offered = source.named_by == NamedBy::Server;
                let who = if is_offered { ", a mirror that the server offers," } else { "" };
                self.reporter.line(&format!("{}{who} {what}: {why}", place.label()));
            }
        }
    }

    fn tell_json(&self, Standing { progress, places, last_words, wait, problem, .. }: &Standing<'_>) {
        let sources = progress.sources.iter().zip(*places).zip(*last_words);
        self.reporter.json(&Event::Progress {
            file: &self.file,
            state: state(progress.phase),
            size: progress.size,
            verified: progress.verified,
            received: progress.received,
            unchecked: progress.unchecked,
            damaged: progress.damaged,
            rate: progress.rate,
            seconds_left: progress.time_left.map(|left| left.as_secs_f64()),
            retry_seconds: wait.map(|wait| wait.as_secs_f64()),
            problem: problem.as_deref(),
            sources: sources.map(|((source, place), words)| SourceView::of(source, place, words.as_ref())).collect(),
        });
    }

    fn tell_bar(&self, standing: &Standing<'_>) {
        let progress = standing.progress;
        if let Some(size) = progress.size {
            self.bar.set_length(size);
        }
        self.bar.set_position(progress.verified + progress.received);
        self.bar.set_message(escape::one_line(&in_words(standing)));
    }
}

impl Drop for FileReport<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.reporter.bars.remove(&self.bar);
    }
}

const fn state(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Downloading => "downloading",
        Phase::Checking => "checking",
        Phase::Verifying => "verifying",
        Phase::Waiting(_) => "waiting",
        Phase::Paused => "paused",
        Phase::Complete => "complete",
        Phase::Failed => "failed",
    }
}

/// The present activity, for the end of a bar.
fn in_words(Standing { progress, wait, problem, .. }: &Standing<'_>) -> String {
    let because = problem.as_ref().map_or_else(String::new, |problem| format!(", {problem}"));
    match progress.phase {
        Phase::Starting => format!("connecting{because}"),
        Phase::Downloading => {
            let rate = format!("{}/s", DecimalBytes(progress.rate as u64));
            let left = progress.time_left.map(|left| format!(", {:#} left", HumanDuration(left)));
            let active = progress.sources.iter().filter(|source| source.connections > 0).count();
            let sources = if progress.sources.len() > 1 { format!(", {active} sources") } else { String::new() };
            format!("{rate}{}{sources}{because}", left.unwrap_or_default())
        }
        Phase::Checking => format!("checking what is here, {} %", progress.checked_percent()),
        Phase::Verifying if progress.root.is_none() => "all here, the server still hashes it".to_owned(),
        Phase::Verifying => "verifying".to_owned(),
        Phase::Waiting(_) => format!("waiting {} s{because}", wait.unwrap_or_default().as_secs_f64().ceil()),
        Phase::Paused => "stopped".to_owned(),
        Phase::Complete => "complete".to_owned(),
        Phase::Failed => format!("failed{because}"),
    }
}

fn file_style() -> ProgressStyle {
    style("{prefix} [{bar:24}] {decimal_bytes}/{decimal_total_bytes}  {wide_msg}")
}

fn overall_style() -> ProgressStyle {
    style("{msg} [{bar:24}] {decimal_bytes}/{decimal_total_bytes}")
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are well-formed").progress_chars("=> ")
}

/// The end of a long path, which says more than its beginning.
fn short(file: &str) -> String {
    const MOST: usize = 32;
    let length = file.chars().count();
    if length <= MOST {
        file.to_owned()
    } else {
        format!("…{}", file.chars().skip(length + 1 - MOST).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wstp_engine::{Instant, Progress};

    fn progress(phase: Phase) -> Progress {
        Progress {
            phase,
            problem: None,
            size: Some(100),
            root: None,
            verified: 0,
            received: 50,
            unchecked: 30,
            damaged: 0,
            rate: 2048.0,
            time_left: Some(Duration::from_secs(3)),
            sources: Vec::new(),
        }
    }

    #[test]
    fn every_phase_has_words() {
        let problem = || Some("h:1 closed the connection".to_owned());
        let words = |phase, wait, problem| {
            in_words(&Standing { places: &[], last_words: &[], progress: &progress(phase), wait, problem })
        };
        assert_eq!(
            words(Phase::Waiting(Instant::default()), Some(Duration::from_millis(3200)), problem()),
            "waiting 4 s, h:1 closed the connection"
        );
        assert_eq!(words(Phase::Downloading, None, None), "2.05 kB/s, 3s left");
        assert_eq!(words(Phase::Checking, None, None), "checking what is here, 40 %");
        assert_eq!(words(Phase::Verifying, None, None), "all here, the server still hashes it");
        assert_eq!(words(Phase::Starting, None, problem()), "connecting, h:1 closed the connection");
    }

    #[test]
    fn a_long_path_shows_its_end() {
        assert_eq!(short("a/b"), "a/b");
        assert_eq!(short(&format!("{}/end.txt", "x".repeat(50))).chars().count(), 32);
    }

    #[test]
    fn the_templates_are_well_formed() {
        let _parsed = (file_style(), overall_style());
    }
}
