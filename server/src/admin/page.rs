//! The files of the page. They are in the server's binary if `cargo xtask build` made them before it was compiled.

use http::StatusCode;
use http::header::{self, HeaderValue};
use warp::reply::{Reply, Response};

const SHELL: &str = include_str!("../../../www/admin/index.html");
const START: &str = include_str!("../../../www/admin/start.js");
const STYLE: &str = concat!(
    include_str!("../../../ui/style/tokens.css"),
    include_str!("../../../ui/style/base.css"),
    include_str!("../../../ui/style/controls.css"),
    include_str!("../../../ui/style/crumbs.css"),
    include_str!("../../../ui/style/strip.css"),
    include_str!("../../../ui/style/notices.css"),
    include_str!("../../../www/admin/admin.css"),
);
/// The JavaScript that wasm-bindgen made; empty if this binary has no page.
const SCRIPT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/wstp_admin.js"));
/// The WebAssembly, gzipped.
const WASM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/wstp_admin_bg.wasm.gz"));

const NOT_BUILT: &str = "This server was compiled without its administration page. In a clone of its source, run \
                         `cargo xtask build` and compile it again.\n";

/// The file at a path behind `/admin`.
pub fn file(path: &str) -> Option<Response> {
    let (kind, bytes): (_, &'static [u8]) = match path {
        // The page's own paths are relative to the folder.
        "" => {
            let moved = warp::reply::with_header(StatusCode::PERMANENT_REDIRECT, header::LOCATION, "admin/");
            return Some(moved.into_response());
        }
        "/" if SCRIPT.is_empty() => {
            return Some(warp::reply::with_status(NOT_BUILT, StatusCode::NOT_FOUND).into_response());
        }
        "/" => ("text/html; charset=utf-8", SHELL.as_bytes()),
        "/start.js" => ("text/javascript", START.as_bytes()),
        "/style.css" => ("text/css; charset=utf-8", STYLE.as_bytes()),
        "/wstp_admin.js" => ("text/javascript", SCRIPT),
        "/wstp_admin_bg.wasm" => ("application/wasm", WASM),
        _ => return None,
    };
    let mut response = warp::reply::with_header(bytes, header::CONTENT_TYPE, kind).into_response();
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if path.ends_with(".wasm") {
        // Every browser that runs WebAssembly reads gzip.
        fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Some(response)
}
