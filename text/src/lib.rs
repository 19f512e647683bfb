//! How names, words and numbers are shown, ordered and searched, in every front end and on the server's pages.
//!
//! A name comes from a stranger. [`strangers`] tells which of its characters mislead, and draws those as visible marks.
//! [`order`] puts names into the order that people expect, and finds them by letters. [`units`] writes sizes and speeds.
//! The crate depends on nothing and does no I/O.

pub mod order;
pub mod strangers;
pub mod units;
