//! The caller. Every call of a store names its caller, so that a store can answer one and refuse another.

/// The client on whose behalf the server calls a store.
#[derive(Clone, Debug, Default)]
pub struct Caller {}
