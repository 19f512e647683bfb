//! The exit codes of `docs/cli.md` are those of the program.

use wstp_cli::Code;

const ALL: [Code; 10] = [
    Code::Ok,
    Code::Failed,
    Code::Usage,
    Code::NotFound,
    Code::Unreachable,
    Code::Changed,
    Code::Disk,
    Code::Differs,
    Code::Interrupted,
    Code::Unread,
];

/// Words that tell each code from the others in the documentation.
const fn words(code: Code) -> &'static str {
    match code {
        Code::Ok => "done, or the same",
        Code::Failed => "failed in another way",
        Code::Usage => "wrong arguments",
        Code::NotFound => "the server does not have it",
        Code::Unreachable => "no source could be reached",
        Code::Changed => "the file changed on the server",
        Code::Disk => "the local disk failed",
        Code::Differs => "the local file differs",
        Code::Interrupted => "stopped by Ctrl-C or SIGTERM",
        Code::Unread => "whoever read the standard output went away",
    }
}

#[test]
fn the_documented_exit_codes_are_those_of_the_program() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md")).unwrap();
    let (_, table) = page.split_once("| exit status | meaning |\n|---|---|\n").expect("the page has the table");
    let rows: Vec<_> = table
        .lines()
        .map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .map(|(number, meaning)| (number.parse::<u8>().unwrap(), meaning))
        .collect();
    assert_eq!(rows.iter().map(|(number, _)| *number).collect::<Vec<_>>(), ALL.map(Code::number));
    for (code, (number, meaning)) in ALL.into_iter().zip(rows) {
        assert!(meaning.starts_with(words(code)), "{number}: {meaning}");
    }
}
