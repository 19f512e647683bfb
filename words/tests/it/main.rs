//! The tables of words are complete, and the code holds no sentence.
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod code;
mod tables;
