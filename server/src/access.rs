//! Who asks. Every call of a store names its caller, so that a store can answer one and refuse another.

/// The one on whose behalf something is asked.
#[derive(Clone, Debug, Default)]
pub struct Caller {}
