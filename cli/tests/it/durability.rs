//! `wstp` makes data durable before it writes the record that speaks of it. A kill can't show that, because the system
//! keeps what was written. This test looks at the system calls of the real program instead.

use std::collections::HashSet;
use std::fs;

use crate::support::{MIB, Server, names_in, sample, traced, write};
use tempfile::tempdir;

/// A system call on a file.
struct Call<'a> {
    name: &'a str,
    path: &'a str,
}

/// Reads a line of strace: `THREAD NAME(FD</PATH>, ...`. The second half of an interrupted call has no path and is no
/// call.
fn call(line: &str) -> Option<Call<'_>> {
    let (_thread, call) = line.split_once(' ')?;
    let (name, rest) = call.trim_start().split_once('(')?;
    let (path, _) = rest.split_once('<')?.1.split_once('>')?;
    Some(Call { name, path })
}

/// Whether all data was durable before each record, and each record before the next one and at the end. Returns how
/// many writes of data and how many records there were.
fn check<'a>(trace: impl Iterator<Item = &'a str>, is_data: impl Fn(&str) -> bool) -> Result<(usize, usize), String> {
    let is_journal = |path: &str| path.ends_with("/journal") || path.ends_with("/journal2");
    let (mut unflushed, mut writes, mut records) = (HashSet::new(), 0, 0);
    for Call { name, path } in trace.filter_map(call) {
        match name {
            "write" | "pwrite64" if is_data(path) => {
                writes += 1;
                unflushed.insert(path);
            }
            "pwrite64" if is_journal(path) => {
                records += 1;
                if !unflushed.is_empty() {
                    return Err(format!("record {records} was written before {unflushed:?}"));
                }
                unflushed.insert(path);
            }
            "fdatasync" | "fsync" => drop(unflushed.remove(path)),
            "syncfs" => unflushed.clear(),
            _ => {}
        }
    }
    if unflushed.iter().any(|path| is_journal(path)) { Err("the last record".into()) } else { Ok((writes, records)) }
}

/// The order is right, and would not be without the calls of this name on these files.
fn assert_durable(trace: &str, is_data: impl Fn(&str) -> bool, flush: &str, flushed: &[&str]) {
    let (writes, records) = check(trace.lines(), &is_data).unwrap();
    assert!(writes > 1 && records > 0, "{writes} writes and {records} records");
    for file in flushed {
        let is_flush = |line: &&str| call(line).is_some_and(|call| call.name == flush && call.path.ends_with(file));
        let without = check(trace.lines().filter(|line| !is_flush(line)), &is_data);
        assert!(without.is_err(), "without {flush} of {file}: {without:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_is_durable_before_a_record_speaks_of_it() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(share.path(), "x", &sample(24 * MIB, 1));
    (0..40).for_each(|number| write(share.path(), &format!("top/f{number}"), &sample(5000, number)));
    let server = Server::start(share.path()).await;
    let trace = traced(here.path(), &["get", &server.source("x"), "--anyway"]).await;
    let is_data = |path: &str| path.ends_with("/.x.wstp/data") || path.ends_with("/.x.wstp/hashes");
    assert_durable(&trace, is_data, "fdatasync", &["/data", "/hashes", "/journal"]);
    let trace = traced(here.path(), &["get", &server.source("top")]).await;
    let is_data = |path: &str| path.contains("/top/.wstp/") && !path.ends_with("/journal");
    assert_durable(&trace, is_data, "syncfs", &["/.wstp"]);
    assert_durable(&trace, is_data, "fdatasync", &["/journal"]);
    assert_eq!(names_in(here.path()), ["top", "x"]);
    let same = |name: &str| fs::read(here.path().join(name)).unwrap() == fs::read(share.path().join(name)).unwrap();
    assert!(["x", "top/f0", "top/f39"].into_iter().all(same));
}
