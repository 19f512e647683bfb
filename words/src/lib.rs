//! Sentences that have no language yet.
//!
//! A [`Phrase`] is the key of a sentence and its arguments. It travels between contexts and is kept in journals. Only
//! the place that shows it says it ([`Phrase::say`]), in the language of whoever reads it. All sentences are in
//! `manifest/_locales/LANGUAGE/messages.json`, in Chrome's format. A page brings its language with
//! `language::use_language`. Without one, and in every native program, the language is English.
//!
//! The crate does no I/O. Arguments from strangers are drawn with marks, so they can neither mislead nor end a phrase.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails where it panics"))]

pub mod language;
mod phrase;
mod say;
pub mod units;

pub use phrase::{Arg, Phrase};
pub use say::{say, shown};

/// A [`Phrase`]: the key of a sentence, then its arguments in the order of the placeholders.
#[macro_export]
macro_rules! phrase {
    ($key:ident $(, $argument:expr)* $(,)?) => {
        $crate::Phrase::new(stringify!($key), &[$(($argument).into()),*])
    };
}

/// A sentence in the present language: [`phrase!`] that is said at once.
#[macro_export]
macro_rules! say {
    ($key:ident) => {
        $crate::language::word(stringify!($key))
    };
    ($key:ident $(, $argument:expr)+ $(,)?) => {
        $crate::say(stringify!($key), &[$(($argument).into()),+])
    };
}

/// A phrase without arguments as a constant text, for [`Phrase::from`].
#[macro_export]
macro_rules! key {
    ($key:ident) => {
        concat!("\u{1}", stringify!($key), "\u{3}")
    };
}
