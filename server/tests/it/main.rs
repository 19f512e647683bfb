//! The real `wstp-server` from its clients' view. All integration tests are one binary, because each binary is linked
//! anew.

#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod account_commands;
mod acme;
mod admin;
mod archives;
mod bandwidth;
mod bundles;
mod callers;
mod changes;
mod compression;
mod configuration;
mod downstream;
mod events;
mod exchanges;
mod faults;
mod files;
mod folder_pages;
mod fuzz;
mod handed_over;
mod hashes;
mod holes;
mod http;
mod lifetime;
mod limits;
mod links;
mod listing;
mod load;
mod metrics;
mod mirrors;
mod players;
mod readers;
mod reading;
mod sessions;
mod shared_folder;
mod special_entries;
mod support;
mod tls;
mod traversal;
