//! The dependency arrows that must not exist (ARCHITECTURE.md), checked over cargo's real resolution. Each crate is
//! resolved as if it were built alone, so that a feature of another crate does not count against it. Every crate has a
//! rule or is for tests alone.
//!
//! The crates that do no I/O name no part of the standard library that does it. Cargo does not know these arrows, so
//! their source is searched.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::root;
use crate::toolchain::WASM;

const NATIVE: &str = "x86_64-unknown-linux-gnu";

/// The rule for one crate's normal dependencies.
struct Rule {
    package: &'static str,
    /// The targets the crate is built for.
    targets: &'static [&'static str],
    /// All dependencies that it may name itself; `None` for any.
    may_name: Option<&'static [&'static str]>,
    /// The packages that it must not reach, however far away.
    never_reaches: &'static [&'static str],
    /// Whether it does no I/O, and knows neither a clock nor a thread.
    is_pure: bool,
}

/// Crates that are part of no product: only tests, measurements and the build depend on them.
const FOR_TESTS: [&str; 5] = ["wstp-testkit", "wstp-e2e", "wstp-bench", "wstp-packaging", "xtask"];

/// The parts of the standard library that a crate without I/O does not name. A group such as `use std::{..}` could hide
/// one. Addresses are no I/O.
const IMPURE: [&str; 10] = [
    "std::env",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::{",
];

const RULES: [Rule; 17] = [
    Rule { package: "wstp-text", targets: &[NATIVE, WASM], may_name: Some(&[]), never_reaches: &[], is_pure: true },
    Rule {
        package: "wstp-words",
        targets: &[NATIVE, WASM],
        may_name: Some(&["serde", "serde_json", "wasm-bindgen", "wstp-text"]),
        never_reaches: &["tokio", "web-sys", "js-sys"],
        is_pure: true,
    },
    Rule {
        package: "wstp-protocol",
        targets: &[NATIVE, WASM],
        may_name: Some(&["blake3", "bytes", "postcard", "ruzstd", "serde", "thiserror"]),
        never_reaches: &["tokio", "web-sys", "js-sys", "wasm-bindgen", "wstp-engine", "wstp-server", "wstp-messages"],
        is_pure: true,
    },
    Rule {
        package: "wstp-records",
        targets: &[NATIVE, WASM],
        may_name: Some(&["crc", "postcard", "serde"]),
        never_reaches: &["tokio", "web-sys", "js-sys", "wasm-bindgen", "wstp-protocol"],
        is_pure: true,
    },
    Rule {
        package: "wstp-engine",
        targets: &[NATIVE, WASM],
        may_name: Some(&["blake3", "bytes", "serde", "thiserror", "wstp-protocol", "wstp-records"]),
        never_reaches: &["tokio", "web-sys", "js-sys", "wasm-bindgen", "wstp-server", "wstp-messages", "wstp-ui"],
        is_pure: true,
    },
    Rule {
        package: "wstp-provider",
        targets: &[NATIVE, WASM],
        may_name: Some(&["bytes", "wstp-protocol"]),
        never_reaches: &["tokio", "web-sys", "js-sys", "wasm-bindgen", "wstp-engine", "wstp-server", "wstp-messages"],
        is_pure: true,
    },
    Rule {
        package: "wstp-client",
        targets: &[NATIVE, WASM],
        may_name: Some(&[
            "bytes",
            "futures-util",
            "js-sys",
            "percent-encoding",
            "thiserror",
            "unicode-normalization",
            "wstp-engine",
            "wstp-protocol",
            "wstp-text",
            "wstp-words",
        ]),
        never_reaches: &["tokio", "web-sys", "wstp-server", "wstp-messages", "wstp-ui"],
        is_pure: true,
    },
    Rule {
        package: "wstp-server",
        targets: &[NATIVE],
        may_name: None,
        never_reaches: &["wstp-client", "wstp-engine", "wstp-ui", "wstp-messages", "leptos", "web-sys", "wasm-bindgen"],
        is_pure: false,
    },
    Rule {
        package: "wstp-cli",
        targets: &[NATIVE],
        may_name: None,
        never_reaches: &["wstp-server", "wstp-ui", "wstp-messages", "leptos", "web-sys"],
        is_pure: false,
    },
    Rule {
        package: "wstp-messages",
        targets: &[NATIVE, WASM],
        may_name: None,
        never_reaches: &["wstp-protocol", "wstp-engine", "wstp-ui", "tokio", "web-sys"],
        is_pure: false,
    },
    Rule {
        package: "wstp-bus",
        targets: &[WASM],
        may_name: Some(&["js-sys", "wasm-bindgen", "web-sys", "wstp-messages"]),
        never_reaches: &["wstp-protocol", "wstp-engine", "wstp-ui", "tokio"],
        is_pure: false,
    },
    Rule {
        package: "wstp-ui",
        targets: &[WASM],
        may_name: None,
        never_reaches: &["wstp-messages", "wstp-engine", "wstp-protocol"],
        is_pure: false,
    },
    Rule {
        package: "wstp-views",
        targets: &[WASM],
        may_name: None,
        never_reaches: &["wstp-client", "wstp-engine", "wstp-protocol", "wstp-extension"],
        is_pure: false,
    },
    Rule {
        package: "wstp-admin-messages",
        targets: &[NATIVE, WASM],
        may_name: Some(&["serde"]),
        never_reaches: &["tokio", "web-sys", "wstp-protocol"],
        is_pure: true,
    },
    Rule {
        package: "wstp-admin-page",
        targets: &[WASM],
        may_name: None,
        never_reaches: &["wstp-server", "wstp-protocol", "wstp-client", "wstp-engine", "wstp-messages", "tokio"],
        is_pure: false,
    },
    Rule {
        package: "wstp-module",
        targets: &[WASM],
        may_name: Some(&["wstp-extension", "wstp-views"]),
        never_reaches: &["wstp-server", "tokio"],
        is_pure: false,
    },
    Rule {
        package: "wstp-extension",
        targets: &[WASM],
        may_name: None,
        never_reaches: &["leptos", "wstp-ui", "wstp-views", "wstp-server", "tokio"],
        is_pure: false,
    },
];

/// Fails with every arrow that must not exist.
pub fn check() -> Result<()> {
    let packages = packages(&root())?;
    let mut found = without_rule(&packages);
    for rule in &RULES {
        found.extend(rule.violations(&root())?);
        let folder = packages.iter().find(|(name, _)| name == rule.package).map(|(_, folder)| folder);
        let folder = folder.with_context(|| format!("there is no crate {}", rule.package))?;
        if rule.is_pure {
            found.extend(impurities(&folder.join("src"))?);
        }
    }
    if !found.is_empty() {
        bail!("forbidden dependencies:\n{}", found.join("\n"));
    }
    println!("{} crates, no forbidden dependency", RULES.len());
    Ok(())
}

/// Name and folder of every crate in a workspace.
fn packages(workspace: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace).args(["metadata", "--quiet", "--no-deps", "--offline", "--format-version", "1"]);
    let output = cargo.output().context("could not start cargo")?;
    ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let package = |package: &serde_json::Value| {
        let folder = Path::new(package["manifest_path"].as_str()?).parent()?;
        Some((package["name"].as_str()?.to_owned(), folder.to_owned()))
    };
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages.map(package).collect::<Option<_>>().context("cargo metadata has another form")
}

/// The crates that nobody thought of here.
fn without_rule(packages: &[(String, PathBuf)]) -> Vec<String> {
    let has_rule = |name: &str| RULES.iter().any(|rule| rule.package == name) || FOR_TESTS.contains(&name);
    packages.iter().filter(|(name, _)| !has_rule(name)).map(|(name, _)| format!("{name} has no rule")).collect()
}

/// The lines in a folder of source that name a part of the standard library which does I/O.
fn impurities(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("can't list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(impurities(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            let named = |line: &str| IMPURE.iter().find(|part| line.contains(**part)).copied();
            let lines = (1..).zip(text.lines()).filter_map(|(number, line)| Some((number, named(line)?)));
            found.extend(lines.map(|(number, part)| format!("{}:{number} names {part}", path.display())));
        }
    }
    Ok(found)
}

impl Rule {
    fn violations(&self, workspace: &Path) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for target in self.targets {
            let named = dependencies(workspace, self.package, target, Some(1))?;
            let stranger = |to: &&String| self.may_name.is_some_and(|allowed| !allowed.contains(&to.as_str()));
            found.extend(named.iter().filter(stranger).map(|to| format!("{} names {to} ({target})", self.package)));
            let reached = dependencies(workspace, self.package, target, None)?;
            let forbidden = self.never_reaches.iter().chain(&FOR_TESTS).filter(|to| reached.contains(**to));
            found.extend(forbidden.map(|to| format!("{} reaches {to} ({target})", self.package)));
        }
        Ok(found)
    }
}

/// The names of a package's normal dependencies, no further away than `depth`. Procedural macros run in the compiler
/// and are left out.
fn dependencies(workspace: &Path, package: &str, target: &str, depth: Option<u8>) -> Result<BTreeSet<String>> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace).args(["tree", "--quiet", "--package", package, "--target", target]);
    cargo.args(["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]);
    if let Some(depth) = depth {
        cargo.args(["--depth", &depth.to_string()]);
    }
    let output = cargo.output().context("could not start cargo")?;
    ensure!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("cargo tree writes UTF-8")?;
    let names = text.lines().filter_map(|line| line.split(' ').next()).filter(|name| *name != package);
    Ok(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A workspace in which each crate depends on the next.
    fn chain(crates: &[&str]) -> tempfile::TempDir {
        let workspace = tempfile::tempdir().unwrap();
        let members = format!("[workspace]\nresolver = \"3\"\nmembers = {crates:?}\n");
        fs::write(workspace.path().join("Cargo.toml"), members).unwrap();
        for (index, name) in crates.iter().enumerate() {
            let folder = workspace.path().join(name);
            fs::create_dir_all(folder.join("src")).unwrap();
            fs::write(folder.join("src/lib.rs"), "").unwrap();
            let next = crates.get(index + 1).map(|to| format!("{to} = {{ path = \"../{to}\" }}\n")).unwrap_or_default();
            let manifest = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n[dependencies]\n{next}");
            fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        }
        workspace
    }

    fn rule(package: &str) -> &'static Rule {
        RULES.iter().find(|rule| rule.package == package).unwrap()
    }

    #[test]
    fn an_allowed_arrow_passes() {
        let workspace = chain(&["wstp-engine", "wstp-protocol", "bytes"]);
        assert!(rule("wstp-engine").violations(workspace.path()).unwrap().is_empty());
        assert!(rule("wstp-protocol").violations(workspace.path()).unwrap().is_empty());
    }

    #[test]
    fn a_forbidden_crate_is_found_however_far_away() {
        let workspace = chain(&["wstp-server", "innocent", "deeper", "wstp-engine"]);
        let found = rule("wstp-server").violations(workspace.path()).unwrap();
        assert_eq!(found, ["wstp-server reaches wstp-engine (x86_64-unknown-linux-gnu)"]);
    }

    #[test]
    fn no_product_reaches_what_is_for_tests() {
        let workspace = chain(&["wstp-server", "innocent", "wstp-testkit"]);
        let found = rule("wstp-server").violations(workspace.path()).unwrap();
        assert_eq!(found, ["wstp-server reaches wstp-testkit (x86_64-unknown-linux-gnu)"]);
    }

    #[test]
    fn a_crate_without_a_rule_is_found() {
        let workspace = chain(&["wstp-engine", "wstp-newcomer", "wstp-testkit"]);
        assert_eq!(without_rule(&packages(workspace.path()).unwrap()), ["wstp-newcomer has no rule"]);
    }

    #[test]
    fn io_in_a_crate_that_does_none_is_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("deeper")).unwrap();
        fs::write(folder.path().join("lib.rs"), "use std::net::IpAddr;\n").unwrap();
        assert!(impurities(folder.path()).unwrap().is_empty());
        let path = folder.path().join("deeper/disk.rs");
        for part in IMPURE {
            fs::write(&path, format!("\nuse {part};\n")).unwrap();
            assert_eq!(impurities(folder.path()).unwrap(), [format!("{}:2 names {part}", path.display())]);
        }
    }

    #[test]
    fn the_engine_and_the_client_may_name_nothing_new() {
        for (package, stranger) in
            [("wstp-engine", "socket2"), ("wstp-client", "tempfile"), ("wstp-provider", "rustix")]
        {
            let workspace = chain(&[package, stranger]);
            let found = rule(package).violations(workspace.path()).unwrap();
            assert_eq!(found[0], format!("{package} names {stranger} (x86_64-unknown-linux-gnu)"));
        }
    }

    #[test]
    fn the_protocol_may_name_nothing_new() {
        let workspace = chain(&["wstp-protocol", "rand"]);
        let found = rule("wstp-protocol").violations(workspace.path()).unwrap();
        assert_eq!(found[0], "wstp-protocol names rand (x86_64-unknown-linux-gnu)");
    }
}
