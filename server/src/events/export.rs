//! Events as text for other programs: JSON lines, and CSV for spreadsheets.

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Event;

/// The first line of a CSV file.
pub const CSV_HEAD: &str = "number,time,event\r\n";

/// An event as a line of JSON.
#[must_use]
pub fn json_line(event: &Event) -> String {
    format!("{}\n", json!({ "id": event.id, "at": date(event.at), "text": event.text }))
}

/// An event as a line of CSV (RFC 4180). A spreadsheet would run a text that begins like a formula, so such a text gets
/// an apostrophe in front.
#[must_use]
pub fn csv_line(event: &Event) -> String {
    const FORMULA: &str = "=+-@＝＋－＠\t\r";
    let is_formula = event.text.trim_start().starts_with(|first| FORMULA.contains(first));
    let guard = if is_formula { "'" } else { "" };
    format!("{},{},\"{guard}{}\"\r\n", event.id, date(event.at), event.text.replace('"', "\"\""))
}

/// A moment in seconds since 1970 by RFC 3339, in UTC.
#[must_use]
pub fn date(at: u64) -> String {
    let then = i64::try_from(at).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    then.and_then(|then| then.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Event {
        Event { id: 7, at: 1_764_496_800, text: text.to_owned() }
    }

    #[test]
    fn a_line_of_json_is_one_object() {
        let line = json_line(&event("anna reads \"a\""));
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read, json!({ "id": 7, "at": "2025-11-30T10:00:00Z", "text": "anna reads \"a\"" }));
        assert!(line.ends_with("}\n"));
    }

    #[test]
    fn a_spreadsheet_runs_no_event() {
        for (text, cell) in [
            ("plain, with a comma", "plain, with a comma"),
            ("with \"quotes\"", "with \"\"quotes\"\""),
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"\"http://x\"\")"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("  =1", "'  =1"),
            ("＝1", "'＝1"),
        ] {
            assert_eq!(csv_line(&event(text)), format!("7,2025-11-30T10:00:00Z,\"{cell}\"\r\n"));
        }
    }
}
