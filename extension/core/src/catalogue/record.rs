//! The format of what the catalogue writes: its journal, and files of one record that are read back with the list, such
//! as [`super::about`].
//!
//! The first record of a journal is a snapshot. A record that is whole and can't be understood is never passed over.
//! Another build wrote it; its content is not lost but unknown.

use wstp_records::Format;

/// Versions 1 and 2 have shorter snapshots: see [`super::model::Model`].
pub const FORMAT: Format = Format { magic: *b"WSTPLIST", version: 4, uncounted: 3 };
