//! The dependency arrows that must not exist (ARCHITECTURE.md): checked over what cargo really resolves.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::root;

/// A crate, and the crates it must not reach through any number of normal dependencies.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("wstp-protocol", &["tokio", "web-sys", "js-sys", "wstp-engine", "wstp-server", "wstp-messages", "wstp-ui"]),
    ("wstp-engine", &["tokio", "web-sys", "js-sys", "wasm-bindgen", "wstp-server", "wstp-messages", "wstp-ui"]),
    ("wstp-server", &["wstp-engine", "wstp-ui", "wstp-messages", "web-sys"]),
    ("wstp-messages", &["wstp-protocol", "wstp-engine", "wstp-ui", "tokio", "web-sys"]),
    ("wstp-ui", &["wstp-messages", "wstp-engine", "wstp-protocol", "tokio"]),
    ("wstp-views", &["wstp-engine", "wstp-protocol", "wstp-extension", "tokio"]),
    ("wstp-extension", &["leptos", "wstp-ui", "wstp-views", "tokio"]),
];

/// All that `wstp-protocol` may name itself: its encoding and its hash.
const PROTOCOL_MAY_USE: &[&str] = &["blake3", "bytes", "postcard", "serde", "thiserror"];

/// Each crate's normal dependencies, by name.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Fails with every arrow that must not exist.
pub fn check() -> Result<()> {
    for target in ["x86_64-unknown-linux-gnu", "wasm32-unknown-unknown"] {
        let violations = violations(&resolve(target)?);
        if !violations.is_empty() {
            bail!("forbidden dependencies on {target}:\n{}", violations.join("\n"));
        }
    }
    println!("no forbidden dependency");
    Ok(())
}

fn violations(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for (from, forbidden) in FORBIDDEN {
        let reached = reachable(graph, from);
        found.extend(forbidden.iter().filter(|to| reached.contains(**to)).map(|to| format!("{from} reaches {to}")));
    }
    let direct = graph.get("wstp-protocol").into_iter().flatten();
    found.extend(
        direct.filter(|to| !PROTOCOL_MAY_USE.contains(&to.as_str())).map(|to| format!("wstp-protocol uses {to}")),
    );
    found
}

fn reachable<'a>(graph: &'a Graph, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut pending: Vec<&str> = graph.get(from).into_iter().flatten().map(String::as_str).collect();
    while let Some(name) = pending.pop() {
        if reached.insert(name) {
            pending.extend(graph.get(name).into_iter().flatten().map(String::as_str));
        }
    }
    reached
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

fn resolve(target: &str) -> Result<Graph> {
    let output = Command::new("cargo")
        .current_dir(root())
        .args(["metadata", "--format-version=1", "--filter-platform", target])
        .output()
        .context("could not start cargo")?;
    ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    let names: BTreeMap<&str, &str> = metadata.packages.iter().map(|package| (&*package.id, &*package.name)).collect();
    let mut graph = Graph::new();
    for node in &metadata.resolve.nodes {
        let normal = node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind.is_none()));
        let targets = normal.filter_map(|dep| names.get(&*dep.pkg)).map(|name| (*name).to_owned());
        let name = names.get(&*node.id).context("cargo resolved a package it does not describe")?;
        graph.entry((*name).to_owned()).or_default().extend(targets);
    }
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::new();
        for (from, to) in edges {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        graph
    }

    #[test]
    fn allowed_arrows_pass() {
        assert!(violations(&graph(&[("wstp-engine", "wstp-protocol"), ("wstp-protocol", "blake3")])).is_empty());
    }

    #[test]
    fn a_forbidden_crate_is_found_however_far_away() {
        let found = violations(&graph(&[("wstp-engine", "innocent"), ("innocent", "deeper"), ("deeper", "tokio")]));
        assert_eq!(found, ["wstp-engine reaches tokio"]);
    }

    #[test]
    fn the_protocol_may_name_nothing_new() {
        assert_eq!(violations(&graph(&[("wstp-protocol", "rand")])), ["wstp-protocol uses rand"]);
    }

    #[test]
    fn every_crate_with_rules_exists() {
        let graph = resolve("x86_64-unknown-linux-gnu").unwrap();
        for (name, _) in FORBIDDEN {
            assert!(graph.contains_key(*name), "{name} is not in the workspace");
        }
    }
}
