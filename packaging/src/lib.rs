//! The files that packages hold beside the programs. The man pages and the completions for bash, zsh and fish come from the
//! definitions of the command lines, so they can't tell anything else.
//!
//! `systemd/`, `sysusers.d/`, `tmpfiles.d/` and the `Dockerfile` are used as they are. `[package.metadata.deb]` of the
//! server and of the command line client says where a Debian package puts each file.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use flate2::{Compression, GzBuilder};

/// Writes compressed man pages to `man/` in a folder, and completions to `completions/`.
///
/// # Errors
/// When the folder can't be written.
pub fn write_manual(folder: &Path) -> io::Result<()> {
    let (pages, completions) = (folder.join("man"), folder.join("completions"));
    fs::create_dir_all(&pages)?;
    fs::create_dir_all(&completions)?;
    for command in [wstp_server::args::CommandLine::command(), wstp_cli::Args::command()] {
        let mut documented = command.clone().disable_help_subcommand(true);
        documented.build();
        write_pages(&documented, &pages)?;
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            write_completions(command.clone(), shell, &completions)?;
        }
    }
    Ok(())
}

/// A page for a command and for each of its subcommands. The same definition gives the same bytes.
fn write_pages(command: &Command, folder: &Path) -> io::Result<()> {
    let page = Man::new(command.clone());
    let file = File::create(folder.join(format!("{}.gz", page.get_filename())))?;
    let mut compressed = GzBuilder::new().mtime(0).write(file, Compression::best());
    page.render(&mut compressed)?;
    compressed.finish()?;
    command.get_subcommands().try_for_each(|command| write_pages(command, folder))
}

fn write_completions(mut command: Command, shell: Shell, folder: &Path) -> io::Result<()> {
    let name = command.get_name().to_owned();
    clap_complete::generate_to(shell, &mut command, name, folder).map(drop)
}
