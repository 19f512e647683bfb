//! `wstp-server events`: prints what happened. A running server writes events within a second.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use wstp_server::args::EventsArgs;
use wstp_server::events::{self, Event, Log};

use crate::{FAILED, fail};

/// Events that are read at once.
const PAGE: usize = 1000;

/// Does it. Returns the exit status.
pub fn run(args: EventsArgs) -> ExitCode {
    match print(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => fail(FAILED, &words),
    }
}

fn print(args: &EventsArgs) -> Result<(), String> {
    let folder = args.state.folder().map_err(|error| error.to_string())?;
    let folder = folder.ok_or("there is no folder with events: name one with --state-dir DIR")?;
    let log = Log::read(&folder).map_err(|error| error.to_string())?;
    let mut output = BufWriter::new(io::stdout().lock());
    let line = match (args.json, args.csv) {
        (true, _) => events::json_line,
        (_, true) => events::csv_line,
        _ => |event: &Event| format!("{}  {}\n", events::date(event.at), event.text),
    };
    let mut printed = if args.csv { output.write_all(events::CSV_HEAD.as_bytes()) } else { Ok(()) };
    let mut last = 0;
    while printed.is_ok() {
        let page = log.after(last, args.since.unwrap_or(0), PAGE).map_err(|error| error.to_string())?;
        let Some(newest) = page.last() else { break };
        last = newest.id;
        printed = page.iter().try_for_each(|event| output.write_all(line(event).as_bytes()));
    }
    match printed.and_then(|()| output.flush()) {
        // The reader has enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| format!("cannot print: {error}")),
    }
}
