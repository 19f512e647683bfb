//! The dependency arrows that must not exist (ARCHITECTURE.md), checked over cargo's real resolution. Each crate is
//! resolved as if it were built alone, so that a feature of another crate does not count against it.

use std::collections::BTreeSet;
use std::path::Path;
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
}

/// Crates that are part of no product: only tests and measurements depend on them.
const FOR_TESTS: [&str; 2] = ["wstp-testkit", "wstp-e2e"];

const RULES: [Rule; 13] = [
    Rule {
        package: "wstp-protocol",
        targets: &[NATIVE, WASM],
        may_name: Some(&["blake3", "bytes", "postcard", "serde", "thiserror"]),
        never_reaches: &["tokio", "web-sys", "js-sys", "wasm-bindgen", "wstp-engine", "wstp-server", "wstp-messages"],
    },
    Rule {
        package: "wstp-records",
        targets: &[NATIVE, WASM],
        may_name: Some(&["crc", "postcard", "serde"]),
        never_reaches: &["tokio", "web-sys", "js-sys", "wasm-bindgen", "wstp-protocol"],
    },
    Rule {
        package: "wstp-engine",
        targets: &[NATIVE, WASM],
        may_name: None,
        never_reaches: &["tokio", "web-sys", "js-sys", "wasm-bindgen", "wstp-server", "wstp-messages", "wstp-ui"],
    },
    Rule {
        package: "wstp-provider",
        targets: &[NATIVE, WASM],
        may_name: Some(&["bytes", "wstp-protocol"]),
        never_reaches: &["tokio", "web-sys", "js-sys", "wasm-bindgen", "wstp-engine", "wstp-server", "wstp-messages"],
    },
    Rule {
        package: "wstp-client",
        targets: &[NATIVE, WASM],
        may_name: None,
        never_reaches: &["tokio", "web-sys", "wstp-server", "wstp-messages", "wstp-ui"],
    },
    Rule {
        package: "wstp-server",
        targets: &[NATIVE],
        may_name: None,
        never_reaches: &["wstp-client", "wstp-engine", "wstp-ui", "wstp-messages", "leptos", "web-sys"],
    },
    Rule {
        package: "wstp-cli",
        targets: &[NATIVE],
        may_name: None,
        never_reaches: &["wstp-server", "wstp-ui", "wstp-messages", "leptos", "web-sys"],
    },
    Rule {
        package: "wstp-messages",
        targets: &[NATIVE, WASM],
        may_name: None,
        never_reaches: &["wstp-protocol", "wstp-engine", "wstp-ui", "tokio", "web-sys"],
    },
    Rule {
        package: "wstp-bus",
        targets: &[WASM],
        may_name: Some(&["js-sys", "wasm-bindgen", "web-sys", "wstp-messages"]),
        never_reaches: &["wstp-protocol", "wstp-engine", "wstp-ui", "tokio"],
    },
    Rule {
        package: "wstp-ui",
        targets: &[WASM],
        may_name: None,
        never_reaches: &["wstp-messages", "wstp-engine", "wstp-protocol"],
    },
    Rule {
        package: "wstp-views",
        targets: &[WASM],
        may_name: None,
        never_reaches: &["wstp-client", "wstp-engine", "wstp-protocol", "wstp-extension"],
    },
    Rule {
        package: "wstp-module",
        targets: &[WASM],
        may_name: Some(&["wstp-extension", "wstp-views"]),
        never_reaches: &["wstp-server", "tokio"],
    },
    Rule {
        package: "wstp-extension",
        targets: &[WASM],
        may_name: None,
        never_reaches: &["leptos", "wstp-ui", "wstp-views", "wstp-server", "tokio"],
    },
];

/// Fails with every arrow that must not exist.
pub fn check() -> Result<()> {
    let mut found = Vec::new();
    for rule in &RULES {
        found.extend(rule.violations(&root())?);
    }
    if !found.is_empty() {
        bail!("forbidden dependencies:\n{}", found.join("\n"));
    }
    println!("{} crates, no forbidden dependency", RULES.len());
    Ok(())
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
    fn the_protocol_may_name_nothing_new() {
        let workspace = chain(&["wstp-protocol", "rand"]);
        let found = rule("wstp-protocol").violations(workspace.path()).unwrap();
        assert_eq!(found[0], "wstp-protocol names rand (x86_64-unknown-linux-gnu)");
    }
}
