//! The forwarder: makes the devices and the second namespace, and passes packets between them.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rustix::process::{Signal, set_parent_process_death_signal};
use tun_rs::{DeviceBuilder, SyncDevice};

use super::{CLIENT, Pipe, Profile, SERVER};

/// Bytes of the largest packet.
const MTU: u16 = 1500;
/// Packets that the kernel may hold before the forwarder takes them. The wire's own queue is the one that drops.
const KERNEL_QUEUE: u32 = 10_000;
/// The least, usual and largest buffer of a socket, in bytes. The largest holds what is under way on the longest wire.
const BUFFERS: &str = "4096 131072 33554432";

/// Lays a wire between this namespace and a new one, says on standard output in which processes they live, and forwards
/// until it is ended.
///
/// # Errors
///
/// When the system does not allow it.
pub fn run(profile: Profile, seed: u64, congestion: &str) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut far_end = Command::new("unshare");
    // It ends when this process does, because its input ends.
    let far_end = far_end.args(["--net", "sh", "-c", "echo; exec cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut far_end = far_end.spawn().context("can't start unshare")?;
    wait_for(&mut far_end)?;
    let (own, far) = (std::process::id().to_string(), far_end.id().to_string());
    let client = device("wire0")?;
    let server = device("wire1")?;
    succeed(Command::new("ip").args(["link", "set", "wire1", "netns", &far]))?;
    for (process, device, address, peer) in [(&own, "wire0", CLIENT, SERVER), (&far, "wire1", SERVER, CLIENT)] {
        let script = format!(
            "ip link set lo up && ip addr add {address} peer {peer} dev {device} && ip link set {device} up mtu {MTU} && \
             ip route replace {peer} dev {device} src {address} congctl {congestion} && cd /proc/sys/net/ipv4 && \
             echo {BUFFERS} > tcp_rmem && echo {BUFFERS} > tcp_wmem && echo 1 > tcp_no_metrics_save"
        );
        succeed(Command::new("nsenter").args(["--target", process, "--net", "sh", "-c", &script]))?;
    }
    let (client, server) = (Arc::new(client), Arc::new(server));
    let down = forward(server.clone(), client.clone(), profile, seed);
    let up = forward(client, server, profile, !seed);
    writeln!(io::stdout(), "{own} {far}")?;
    down.join().and_then(|()| up.join()).map_err(|_| anyhow::anyhow!("a direction broke"))
}

fn wait_for(child: &mut Child) -> Result<()> {
    let mut said = [0];
    let output = child.stdout.as_mut().context("the output is piped")?;
    io::Read::read_exact(output, &mut said).context("no second namespace can be made")
}

fn device(name: &str) -> Result<SyncDevice> {
    let builder = DeviceBuilder::new().name(name).enable(false).tx_queue_len(KERNEL_QUEUE);
    builder.build_sync().context("no TUN device can be made")
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("can't run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}

/// Packets under way, each with the time of its arrival.
#[derive(Default)]
struct UnderWay {
    packets: Mutex<VecDeque<(Instant, Vec<u8>)>>,
    changed: Condvar,
}

/// Forwards from one device to another, in two threads.
fn forward(from: Arc<SyncDevice>, to: Arc<SyncDevice>, profile: Profile, seed: u64) -> thread::JoinHandle<()> {
    let under_way = Arc::new(UnderWay::default());
    let arriving = under_way.clone();
    thread::spawn(move || {
        let mut pipe = Pipe::new(profile, seed, Instant::now());
        let mut buffer = vec![0; usize::from(u16::MAX)];
        while let Ok(bytes) = from.recv(&mut buffer) {
            if let Some(at) = pipe.offer(Instant::now(), bytes) {
                let mut packets = under_way.packets.lock().unwrap_or_else(PoisonError::into_inner);
                packets.push_back((at, buffer[..bytes].to_vec()));
                under_way.changed.notify_one();
            }
        }
    });
    thread::spawn(move || {
        loop {
            let mut packets = arriving.packets.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let next = packets.front().map(|(at, _)| *at);
            match next {
                Some(at) if at <= now => {
                    let packet = packets.pop_front().map(|(_, packet)| packet);
                    drop(packets);
                    // The far end may have no room for it, as on any wire.
                    packet.and_then(|packet| to.send(&packet).ok());
                }
                Some(at) => {
                    drop(packets);
                    thread::sleep(at - now);
                }
                None => drop(arriving.changed.wait(packets)),
            }
        }
    })
}
