//! Writes the table of nodes over zeros: `cargo run --release --example voids > protocol/src/zeros/voids.bin`.

use std::io::{Write, stdout};

use wstp_protocol::zeros::{KNOWN_VOIDS, VOID_LEVEL, computed};

fn main() -> std::io::Result<()> {
    (0..KNOWN_VOIDS).try_for_each(|index| stdout().write_all(&computed(VOID_LEVEL, index)))
}
