//! The peers' programs. Missing programs are installed as `scripts/setup` does it, with a line for each.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};

const DUFS_VERSION: &str = "0.47.0";

/// nginx, from Debian.
///
/// # Errors
///
/// When it is not there and can't be installed.
pub fn nginx() -> Result<PathBuf> {
    debian("nginx", "nginx-light", "the HTTP server that downloads are compared with")
}

/// curl, from Debian.
///
/// # Errors
///
/// When it is not there and can't be installed.
pub fn curl() -> Result<PathBuf> {
    debian("curl", "curl", "the HTTP client that reads from the servers we compare with")
}

/// aria2, from Debian.
///
/// # Errors
///
/// When it is not there and can't be installed.
pub fn aria2() -> Result<PathBuf> {
    debian("aria2c", "aria2", "the HTTP client with many connections that ours is compared with")
}

/// rclone, from Debian.
///
/// # Errors
///
/// When it is not there and can't be installed.
pub fn rclone() -> Result<PathBuf> {
    debian("rclone", "rclone", "the client of many stores that copies of folders are compared with")
}

/// dufs, compiled into the cache folder of `scripts/setup`.
///
/// # Errors
///
/// When it is not there and can't be compiled.
pub fn dufs() -> Result<PathBuf> {
    let root = cache_dir()?.join("tools");
    let program = root.join("bin/dufs");
    if program.exists() {
        return Ok(program);
    }
    say(&format!(
        "dufs is a file server written in Rust that ours is compared with: compiling version {DUFS_VERSION} (some minutes)"
    ));
    fs::create_dir_all(&root)?;
    let scratch = tempfile::tempdir_in(cache_dir()?)?;
    let version = format!("={DUFS_VERSION}");
    let install = |locked: &[&str]| {
        let mut cargo = Command::new("cargo");
        cargo.args(["install", "--quiet", "--force", "--root"]).arg(&root).args(["dufs", "--version", &version]);
        run(cargo.args(locked).env("CARGO_TARGET_DIR", scratch.path()))
    };
    if install(&["--locked"]).is_err() {
        say("dufs: its own lockfile names what this registry does not have (a snapshot?); taking the newest that fits");
        install(&[])?;
    }
    Ok(program)
}

fn debian(program: &str, package: &str, why: &str) -> Result<PathBuf> {
    if let Some(found) = found(program) {
        return Ok(found);
    }
    if package.starts_with("nginx") {
        say("Debian may start nginx as a service, which is not needed: `systemctl disable --now nginx` ends that");
    }
    let steps = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/steps.sh");
    let install = r#"set -eu; speaker=bench; . "$0"; install_packages "$@""#;
    let status =
        Command::new("bash").args(["-c", install, steps, why, package]).status().context("can't start bash")?;
    ensure!(status.success(), "{package} was not installed");
    found(program).with_context(|| format!("{package} has no {program}"))
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("can't start {name}"))?;
    ensure!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// A program in the search path, or where Debian puts servers.
fn found(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

fn cache_dir() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(base.join("wstp"))
}

fn say(what: &str) {
    eprintln!("bench: {what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_the_search_path() {
        assert!(found("sh").unwrap().is_file());
        assert_eq!(found("no such program"), None);
    }
}
