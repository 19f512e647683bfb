//! The man pages and the completions.

use std::fs::File;
use std::io::Read;
use std::process::Command;

use clap::CommandFactory;
use flate2::read::GzDecoder;
use tempfile::tempdir;

/// Calls a command and its subcommands, each with its name.
fn each(command: &clap::Command, visit: &mut impl FnMut(&clap::Command)) {
    visit(command);
    command.get_subcommands().for_each(|command| each(command, visit));
}

#[test]
fn every_command_has_a_page_that_explains_each_of_its_options() {
    let folder = tempdir().unwrap();
    wstp_packaging::write_manual(folder.path()).unwrap();
    for mut command in [wstp_server::args::CommandLine::command(), wstp_cli::Args::command()] {
        command = command.disable_help_subcommand(true);
        command.build();
        each(&command, &mut |command| {
            let name = command.get_display_name().unwrap_or_else(|| command.get_name());
            let mut page = String::new();
            let file = File::open(folder.path().join(format!("man/{name}.1.gz"))).unwrap();
            GzDecoder::new(file).read_to_string(&mut page).unwrap();
            for option in command.get_arguments().filter_map(clap::Arg::get_long) {
                let option = format!("--{option}").replace('-', r"\-");
                assert!(page.contains(&option), "{name}: {option}");
            }
        });
    }
}

#[test]
fn bash_completes_options_and_commands() {
    let folder = tempdir().unwrap();
    wstp_packaging::write_manual(folder.path()).unwrap();
    for (program, typed, wanted) in [("wstp-server", "--trusted", "--trusted-proxy"), ("wstp", "ver", "verify")] {
        let script = format!(
            "source completions/{program}.bash; COMP_WORDS=({program} {typed}); COMP_CWORD=1; \
             _{} {program} {typed} {program}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            program.replace('-', "__")
        );
        let output = Command::new("bash").current_dir(folder.path()).args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), wanted);
    }
}
