//! `wstp ls`: the entries of a folder on a server.

use serde::Serialize;
use wstp_protocol::{Entry, EntryKind};

use crate::address::Source;
use crate::answers::Answers;
use crate::escape;
use crate::exit::{Code, Failure};
use crate::pages::Pages;
use crate::remote::Remote;

/// How to print.
#[derive(Clone, Copy, Debug)]
pub enum Style {
    /// A name a line, folders with a slash.
    Names,
    /// Kind, size, time and name.
    Long,
    /// An object a line.
    Json,
}

#[derive(Serialize)]
#[serde(tag = "event", rename = "entry")]
struct Line<'a> {
    name: &'a str,
    kind: &'a str,
    size: u64,
    modified_ms: Option<i64>,
}

/// Lists a folder to its end, or describes a single file.
///
/// # Errors
///
/// When it is not there, or the server can't be reached.
pub async fn run(source: &Source, style: Style, answers: &Answers) -> Result<Code, Failure> {
    let mut remote = Remote::connect(&source.address).await?;
    let entry = remote.stat(source.path.clone()).await?;
    if entry.kind != EntryKind::Directory {
        print(&entry, style, answers);
        return Ok(Code::Ok);
    }
    let mut pages = Pages::new(source.path.clone());
    while let Some(entries) = pages.next(&mut remote).await? {
        if !entries.iter().all(|entry| print(entry, style, answers)) {
            break;
        }
    }
    Ok(Code::Ok)
}

/// Whether anyone still reads the output.
pub fn print(entry: &Entry, style: Style, answers: &Answers) -> bool {
    let slash = if entry.kind == EntryKind::Directory { "/" } else { "" };
    let name = escape::name(&entry.name);
    match style {
        Style::Names => answers.line(&format!("{name}{slash}")),
        Style::Long => {
            let time = entry.modified_ms.map_or_else(|| "-".to_owned(), time);
            answers.line(&format!("{:<10} {:>14}  {time:<20}  {name}{slash}", kind(entry.kind), entry.size))
        }
        Style::Json => {
            let Entry { name, kind: of_kind, size, modified_ms } = entry;
            answers.object(&Line { name, kind: kind(*of_kind), size: *size, modified_ms: *modified_ms })
        }
    }
}

const fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Directory => "folder",
        EntryKind::File => "file",
        EntryKind::Dangling => "dangling",
        EntryKind::Unreadable => "unreadable",
        EntryKind::LeadsOut => "leads-out",
        EntryKind::Circle => "circle",
    }
}

/// Milliseconds since 1970 as a time in UTC (days to dates: Hinnant, "chrono-compatible low-level date algorithms").
fn time(ms: i64) -> String {
    let seconds = ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc() {
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
        assert_eq!(time(-1), "1969-12-31T23:59:59Z");
        assert_eq!(time(1_700_000_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(time(951_782_400_000), "2000-02-29T00:00:00Z");
    }

    #[test]
    fn the_strangest_times_are_survived() {
        for ms in [i64::MIN, i64::MAX] {
            time(ms);
        }
    }
}
