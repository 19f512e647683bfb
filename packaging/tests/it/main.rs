//! The manual and the packages, as a user gets them. All integration tests are one binary, because each binary is linked
//! anew.

#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod debian;
mod manual;
