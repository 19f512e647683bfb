//! Files with holes: their zeros are neither sent nor stored.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use crate::support::{MIB, Server, hashed, sample, write, wstp, wstp_into};
use tempfile::tempdir;
use wstp_testkit::Proxy;

const SIZE: usize = 150 * MIB + 77;
const DATA: [usize; 3] = [0, 70 * MIB + 300, 149 * MIB];

/// An image with little data in it, and its bytes.
fn image(path: &Path) -> Vec<u8> {
    let (mut bytes, file) = (vec![0; SIZE], File::create(path).unwrap());
    file.set_len(SIZE as u64).unwrap();
    for (number, at) in DATA.into_iter().enumerate() {
        let data = sample(300_000, number as u8);
        file.write_all_at(&data, at as u64).unwrap();
        bytes[at..at + data.len()].copy_from_slice(&data);
    }
    bytes
}

fn room_of(path: &Path) -> usize {
    fs::metadata(path).unwrap().blocks() as usize * 512
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_holes_costs_the_line_and_the_disk_no_more_than_its_data() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = image(&share.path().join("image"));
    let server = Server::start(share.path()).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let ended = wstp(here.path(), &["get", &proxy.source("image"), "--json"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.events("saved")[0]["blake3"], blake3::hash(&bytes).to_hex().as_str());
    let image = here.path().join("image");
    assert!(fs::read(&image).unwrap() == bytes);
    assert!(room_of(&image) < 4 * MIB, "it takes {} bytes", room_of(&image));
    assert!(proxy.passed() < 3 * MIB as u64, "{} bytes were sent", proxy.passed());
    let out = File::create(here.path().join("out")).unwrap();
    let ended = wstp_into(here.path(), out, &["get", &server.source("image"), "-o", "-"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(fs::read(here.path().join("out")).unwrap() == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn holes_take_the_place_of_the_bytes_of_an_earlier_version() {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    write(here.path(), "image", &sample(SIZE, 9));
    let bytes = image(&share.path().join("image"));
    let server = Server::start(share.path()).await;
    let _hashed = hashed(server.address(), "image").await;
    let ended = wstp(here.path(), &["get", &server.source("image"), "--update"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let image = here.path().join("image");
    assert!(fs::read(&image).unwrap() == bytes);
    assert!(room_of(&image) < 4 * MIB, "it takes {} bytes", room_of(&image));
}
