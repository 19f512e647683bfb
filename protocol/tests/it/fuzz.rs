//! The fuzz targets on a stable compiler: see [`wstp_testkit::fuzz`].

#[path = "../../fuzz/bodies.rs"]
mod bodies;

use std::path::Path;

fn fuzz(name: &str, target: fn(&[u8])) {
    wstp_testkit::fuzz(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name), target);
}

#[test]
fn no_client_frame_does_harm() {
    fuzz("client_frame", bodies::client_frame);
}

#[test]
fn no_server_frame_does_harm() {
    fuzz("server_frame", bodies::server_frame);
}

#[test]
fn no_page_does_harm() {
    fuzz("page", bodies::page);
}
