//! The fuzz targets on a stable compiler: see [`wstp_testkit::fuzz`].

#[path = "../../fuzz/bodies.rs"]
mod bodies;

use std::path::Path;

fn fuzz(name: &str, target: fn(&[u8])) {
    wstp_testkit::fuzz(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name), target);
}

#[test]
fn no_sequence_of_operations_breaks_a_session() {
    fuzz("session", bodies::session);
}

#[test]
fn no_configuration_does_harm() {
    fuzz("configuration", bodies::configuration);
}

#[test]
fn no_range_does_harm() {
    fuzz("byte_range", bodies::byte_range);
}
