//! A wire with the kernel's own TCP at both ends. Two network namespaces are joined by two TUN devices and a forwarder
//! that gives the wire its delay, rate, queue and loss.
//!
//! [`wstp_testkit::Link`] ends each TCP connection at a proxy, so nothing is lost there, and congestion control plays
//! no part. This one passes packets. The program `wstp-wire` holds the namespaces and forwards; programs are started in
//! them with `nsenter`. It needs root, or a system that lets users make namespaces.

mod forward;
mod pipe;

use std::ffi::OsStr;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::runtime;
use tokio::sync::oneshot;
use wstp_testkit::Child;

pub use forward::run;
pub use pipe::Pipe;

/// The client's address.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 71, 0, 1);
/// The server's address.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 71, 0, 2);

/// The properties of one direction of a wire. Both are the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// Half of the round trip.
    pub delay: Duration,
    /// Bytes a second.
    pub rate: u64,
    /// How long a packet may wait to be sent. A packet that would wait longer is dropped.
    pub queue: Duration,
    /// The share of packets that get lost.
    pub loss: f64,
}

const fn profile(name: &'static str, round_trip: u64, megabits: u64, queue: u64, loss: f64) -> Profile {
    let (delay, queue) = (Duration::from_micros(round_trip * 500), Duration::from_millis(queue));
    Profile { name, delay, rate: megabits * 125_000, queue, loss }
}

/// A fast line in the same city.
pub const FIBRE: Profile = profile("fibre", 10, 1000, 20, 0.0);
/// A fast line at home.
pub const CABLE: Profile = profile("cable", 30, 500, 50, 0.0005);
/// A server on another continent.
pub const FAR: Profile = profile("far", 100, 200, 100, 0.001);
/// The same over bad radio.
pub const BAD: Profile = profile("bad", 100, 50, 100, 0.01);
/// A line whose queue is far too long.
pub const MOBILE: Profile = profile("mobile", 60, 40, 500, 0.0);

/// A line of 100 Mbit/s without faults.
pub const HUNDRED: Profile = profile("hundred", 20, 100, 50, 0.0);

/// All of them.
pub const PROFILES: [Profile; 6] = [FIBRE, CABLE, FAR, BAD, MOBILE, HUNDRED];

/// The system does not allow a wire.
#[derive(Debug, thiserror::Error)]
#[error("no wire can be laid here: it needs root, or namespaces for users, and /dev/net/tun")]
pub struct Impossible;

/// A wire. It ends, with all that runs on it, when dropped.
#[derive(Debug)]
pub struct Wire {
    _forwarder: Child,
    client: u32,
    server: u32,
}

impl Wire {
    /// Lays a wire with the program `wstp-wire`. Both ends use this congestion control.
    ///
    /// # Errors
    ///
    /// [`Impossible`] when the system does not allow it.
    pub async fn lay(program: &Path, profile: Profile, seed: u64, congestion: &str) -> Result<Self> {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.arg("--net").arg(program).args([profile.name, &seed.to_string(), congestion]);
        let mut forwarder = Child::spawn(command.stdout(Stdio::piped()))?;
        let mut said = BufReader::new(forwarder.stdout()?).lines();
        let ready = said.next_line().await?;
        let (client, server) = ready.as_deref().and_then(|line| line.split_once(' ')).ok_or(Impossible)?;
        Ok(Self { client: client.parse()?, server: server.parse()?, _forwarder: forwarder })
    }

    /// A program at the client's end.
    pub fn client(&self, program: impl AsRef<OsStr>) -> Command {
        enter(self.client, program.as_ref())
    }

    /// A program at the server's end.
    pub fn server(&self, program: impl AsRef<OsStr>) -> Command {
        enter(self.server, program.as_ref())
    }

    /// Does work on a thread of its own at the client's end: its sockets and its programs are there. The work is
    /// cancelled when this is dropped.
    ///
    /// # Errors
    ///
    /// [`Impossible`] when the system lets only root move there, and the error of the work.
    pub async fn at_client<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let namespace = File::open(format!("/proc/{}/ns/net", self.client))?;
        let (mut answer, done) = oneshot::channel();
        let thread = thread::spawn(move || {
            let moved = move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network));
            let done = moved.map_err(|_| Impossible.into()).and_then(|()| {
                let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(async {
                    tokio::select! {
                        done = work() => done,
                        () = answer.closed() => Err(anyhow::anyhow!("nobody waits for this any more")),
                    }
                })
            });
            // Nobody waits any more if this fails.
            let _ = answer.send(done);
        });
        let mut running = Running { done, thread: Some(thread) };
        (&mut running.done).await.context("the thread at the client's end broke")?
    }

    /// The processes whose namespaces the ends are: the client's and the server's.
    #[must_use]
    pub fn processes(&self) -> [u32; 2] {
        [self.client, self.server]
    }

    /// The address of a port at the server's end.
    pub fn address(&self, port: u16) -> SocketAddr {
        (SERVER, port).into()
    }
}

/// Work on a thread of its own. It is cancelled, and the thread has ended, when this is dropped.
struct Running<T> {
    done: oneshot::Receiver<Result<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.done.close();
        // A panic of the thread has closed `done`, which its reader was told.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn enter(process: u32, program: &OsStr) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &process.to_string(), "--net"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--preserve-credentials"]);
    }
    command.arg("--").arg(program);
    command
}
