//! The real binary against the real server, with a proxy between them that counts and holds.

mod halfway;
mod server;
mod tls;
mod wstp;

pub use halfway::{HELD, Halfway, RECORDED, SIZE};
pub use server::Server;
pub use tls::{Certificate, Tls};
pub use wstp::{command, start_wstp, traced, with_a_stalled_first_source, wstp, wstp_in, wstp_into, wstp_trusting};

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use wstp_testkit::Hashed;
pub use wstp_testkit::{Ended, Wstp, on_record};

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// A mebibyte.
pub const MIB: usize = 1 << 20;

/// Opens a file and waits until its server has hashed it. The server forgets the hash of a small file later.
pub async fn hashed(server: SocketAddr, path: &str) -> Hashed {
    Hashed::open(server, path).await.unwrap()
}

/// Bytes in which every block differs, another sequence for each seed.
pub fn sample(size: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

/// Writes a file, and the folders around it.
pub fn write(dir: &Path, name: &str, bytes: &[u8]) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// The entries of a folder, hidden ones included.
pub fn names_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.collect();
    names.sort();
    names
}
