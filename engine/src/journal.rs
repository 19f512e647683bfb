//! The journal: what of a transfer is on disk, in a form that survives being cut off anywhere.
