//! A wire is as slow as it is told to be, with the kernel's own TCP at both ends.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use wstp_bench::wire::{CLIENT, Impossible, MOBILE, SERVER, Wire};

const BYTES: u64 = 2 << 20;

/// Does this in the namespace of a process.
fn within<T: Send + 'static>(process: u32, what: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::spawn(move || {
        let namespace = File::open(format!("/proc/{process}/ns/net")).expect("the process runs while the wire is held");
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("root may enter a namespace");
        what()
    })
}

#[tokio::test]
async fn a_wire_has_its_delay_and_its_rate_and_the_congestion_control_it_is_told() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: only root may enter another namespace with one thread");
    }
    let wire = match Wire::lay(Path::new(env!("CARGO_BIN_EXE_wstp-wire")), MOBILE, 1, "reno").await {
        Ok(wire) => wire,
        Err(error) if error.is::<Impossible>() => return eprintln!("skipped: {error}"),
        Err(error) => panic!("{error:#}"),
    };
    let [client, server] = wire.processes();
    let listener = within(server, || TcpListener::bind((SERVER, 0)).unwrap()).join().unwrap();
    let port = listener.local_addr().unwrap().port();
    let sent = thread::spawn(move || {
        let (mut stream, from) = listener.accept().unwrap();
        assert_eq!(from.ip(), CLIENT);
        stream.write_all(&vec![7; BYTES as usize]).unwrap();
        socket2::SockRef::from(&stream).tcp_congestion().unwrap()
    });
    let (connected, arrived) = within(client, move || {
        let began = Instant::now();
        let mut stream = TcpStream::connect((SERVER, port)).unwrap();
        let (connected, mut got) = (began.elapsed(), Vec::new());
        stream.read_to_end(&mut got).unwrap();
        assert_eq!(got, vec![7; BYTES as usize]);
        (connected, began.elapsed() - connected)
    })
    .join()
    .unwrap();
    assert!(connected >= MOBILE.delay * 2, "a round trip took {connected:?}");
    assert!(arrived >= Duration::from_secs_f64(BYTES as f64 / MOBILE.rate as f64), "it took {arrived:?}");
    assert!(sent.join().unwrap().starts_with(b"reno"));
}
