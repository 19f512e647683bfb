//! The benchmarks, one a file. Each is a function that gives a series for each of its figures in [`crate::catalogue`].

pub mod browser_far;
pub mod browser_fetch;
pub mod browser_memory;
pub mod browser_native;
pub mod compress;
pub mod list_open;
pub mod mirror_two;
pub mod popup_ready;
pub mod read_back;
pub mod real;
pub mod resume;
pub mod server_idle;
pub mod server_latency;
pub mod server_throughput;
pub mod sparse;
pub mod tree;
pub mod wan_ancestor;
pub mod wan_loss;
pub mod wan_share;
pub mod wasm_size;
