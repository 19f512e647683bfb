//! `wstp get` beside curl and aria2 on a [`Wire`]: the kernel's TCP at both ends, with packets that are lost.
//!
//! The peers read from nginx with the system's CUBIC, as nearly every server does. Ours has `wstp-server` as it is
//! shipped, or with CUBIC too.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use tempfile::TempDir;
use tokio::process::Command;
use wstp_testkit::{Child, Listening, SHORT, Tree, listening, until};

use crate::corpus::{Corpus, Source};
use crate::figure::{Series, median};
use crate::peers::nginx_config;
use crate::wire::{BAD, CABLE, FAR, FIBRE, MOBILE, Profile, Wire};
use crate::{MIB, Plan, ours, plan, tools};

/// Bytes of the file on lines of 100 ms.
pub(super) const SIZE: u64 = 96 * MIB;
/// curl takes minutes for the whole file. In a quick run it fetches this part of it, in which its slow start weighs
/// more: that flatters it.
const QUICK_CURL_SHARE: u64 = 6;
/// The congestion control of both ends, unless a program asks for another one.
const CONGESTION: &str = "cubic";
const NGINX_PORT: u16 = 8080;
/// Small requests while nothing else is on the line.
const PINGS: usize = 9;

/// The server's congestion control.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Server {
    /// As shipped.
    Shipped,
    /// The abilities of the system.
    Cubic,
}

/// A wire with both servers at its far end.
pub(super) struct Ends {
    /// The wire.
    pub(super) wire: Wire,
    ours: Listening,
    nginx: Child,
    _folders: [TempDir; 2],
}

impl Ends {
    /// Both servers serve the corpus. They know the hash of `source`: peers don't hash.
    pub(super) async fn new(
        corpus: &Corpus,
        source: &Source,
        profile: Profile,
        seed: u64,
        server: Server,
    ) -> Result<Self> {
        let ends = Self::lay(corpus, &source.name, profile, seed, server).await?;
        // It waits for the server's hash.
        let mut verify = ends.wire.client(ours::program("WSTP_CLIENT", "wstp")?);
        verify.arg("verify").arg(&source.path).arg(ends.place(&source.name)).stdout(Stdio::null());
        Child::spawn(&mut verify)?.succeed().await.context("the server has another file")?;
        Ok(ends)
    }

    /// Both servers serve the corpus, in which there is a file of this name.
    pub(super) async fn lay(corpus: &Corpus, name: &str, profile: Profile, seed: u64, server: Server) -> Result<Self> {
        let wire = Wire::lay(&wire_program()?, profile, seed, CONGESTION).await?;
        let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
        let mut command = wire.server(ours::program("WSTP_SERVER", "wstp-server")?);
        let listen = wire.address(0).to_string();
        command.arg(corpus.dir()).args(["--public", "--listen", &listen, "--cache-dir"]).arg(folders[0].path());
        if server == Server::Cubic {
            command.args(["--congestion", "system"]);
        }
        let ours = listening(command.stderr(Stdio::null())).await?;
        let config = folders[1].path().join("nginx.conf");
        fs::write(&config, nginx_config(folders[1].path(), corpus.dir(), wire.address(NGINX_PORT)))?;
        let mut command = wire.server(tools::nginx()?);
        let nginx =
            Child::spawn(command.arg("-p").arg(folders[1].path()).arg("-c").arg(config).args(["-e", "stderr"]))?;
        let ends = Self { wire, ours, nginx, _folders: folders };
        until("nginx to answer over the wire", SHORT, async || {
            let mut curl = ends.client(tools::curl()?);
            let curl = curl.args(["--silent", "--head", "--fail", &ends.url(name)]).stdout(Stdio::null());
            Ok(Child::spawn(curl)?.succeed().await.is_ok().then_some(()))
        })
        .await?;
        Ok(ends)
    }

    /// A program at the client's end.
    pub(super) fn client(&self, program: PathBuf) -> Command {
        self.wire.client(program)
    }

    /// The URL of a file, or of a folder, at nginx.
    pub(super) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.wire.address(NGINX_PORT))
    }

    /// The address of a file, or of a folder, at our server.
    pub(super) fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.ours.address)
    }

    /// The address of our server, and the processes of both servers: ours and nginx.
    pub(super) fn servers(&self) -> Result<(SocketAddr, [Tree; 2])> {
        Ok((self.ours.address, [self.ours.child.tree()?, self.nginx.tree()?]))
    }

    pub(super) async fn get(&self, source: &Source) -> Result<Duration> {
        let command = self.client(ours::program("WSTP_CLIENT", "wstp")?);
        timed(
            command,
            |command, folder| {
                command.arg("get").arg(self.place(&source.name)).args(["--quiet", "-o"]).arg(folder.join("got"));
            },
            |folder| source.check(&folder.join("got")),
        )
        .await
    }

    async fn aria2(&self, source: &Source, connections: u8) -> Result<Duration> {
        let (command, url) = (self.client(tools::aria2()?), self.url(&source.name));
        timed(
            command,
            |command, folder| {
                let connections = [format!("-x{connections}"), format!("-s{connections}")];
                command
                    .args(["--quiet", "--min-split-size=1M", "--file-allocation=none", "--out=got", "--dir"])
                    .arg(folder);
                command.args(connections).arg(url);
            },
            |folder| source.check(&folder.join("got")),
        )
        .await
    }

    /// How many milliseconds longer a small request takes beside a download.
    async fn more_with_download(&self, source: &Source, small: &Source) -> Result<f64> {
        let mut idle = Vec::new();
        for _ in 0..PINGS {
            idle.push(self.ping(small).await?);
        }
        let (mut busy, download) = (Vec::new(), self.get(source));
        tokio::pin!(download);
        loop {
            tokio::select! {
                done = &mut download => break done.map(drop)?,
                took = self.ping(small) => busy.push(took?),
            }
        }
        let [idle, busy] = [idle, busy].map(|times| median(&times));
        let (idle, busy) = (idle.context("no idle request")?, busy.context("the download was over at once")?);
        eprintln!("bench: {}: a small request takes {idle:.0} ms, beside a download {busy:.0} ms", MOBILE.name);
        Ok(busy - idle)
    }

    /// Milliseconds that one small request takes, with its connection.
    async fn ping(&self, small: &Source) -> Result<f64> {
        let (command, url) = (self.client(tools::curl()?), format!("http://{}/files/small", self.ours.address));
        let took = timed(
            command,
            |command, folder| {
                command.args(["--silent", "--show-error", "--fail", "--output"]).arg(folder.join("got")).arg(url);
            },
            |folder| small.check(&folder.join("got")),
        );
        Ok(took.await?.as_secs_f64() * 1000.0)
    }

    /// The time in which the whole file would come, from that of the first of so many shares.
    pub(super) async fn curl(&self, source: &Source, shares: u64) -> Result<Duration> {
        let (command, url) = (self.client(tools::curl()?), self.url(&source.name));
        let last = source.size / shares - 1;
        let took = timed(
            command,
            |command, folder| {
                command.args(["--silent", "--show-error", "--fail", "--range", &format!("0-{last}"), "--output"]);
                command.arg(folder.join("got")).arg(url);
            },
            |folder| {
                let got = fs::read(folder.join("got"))?;
                ensure!(got.len() as u64 == last + 1, "curl got {} bytes", got.len());
                source.check_beginning(&got)
            },
        )
        .await?;
        Ok(took * u32::try_from(shares)?)
    }
}

/// From the start of the process to its end, in a folder that is gone afterwards.
async fn timed(
    mut command: Command,
    arguments: impl FnOnce(&mut Command, &Path),
    check: impl FnOnce(&Path) -> Result<()>,
) -> Result<Duration> {
    let folder = tempfile::tempdir()?;
    arguments(&mut command, folder.path());
    timed_into(command, || check(folder.path())).await
}

/// From the start of the process to its end. The received files are checked after that.
pub(super) async fn timed_into(mut command: Command, check: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let began = Instant::now();
    Child::spawn(&mut command)?.succeed().await?;
    let took = began.elapsed();
    check()?;
    Ok(took)
}

fn wire_program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.parent().context("a program is in a folder")?.join("wstp-wire"))
}

/// Runs ours and aria2 over 16 connections over one wire. Gives it, and their times.
async fn in_turn(
    (corpus, source): (&Corpus, &Source),
    profile: Profile,
    round: usize,
    server: Server,
) -> Result<(Ends, Duration, Duration)> {
    let ends = Ends::new(corpus, source, profile, round as u64 + 1, server).await?;
    let ours = async || ends.get(source).await;
    let (ours, aria) = plan::in_turn(round, ours, async || ends.aria2(source, 16).await).await?;
    Ok((ends, ours, aria))
}

/// The peers' time over ours on the line to another continent: curl, and aria2 with 16 connections. curl takes minutes
/// and hardly any processor time. So the curls of all rounds run side by side at the end, each on the wire of its round.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn far(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let source = corpus.random("file.bin", SIZE)?;
    let [mut over_curl, mut over_aria] = <[Series; 2]>::default();
    let share = if plan.is_quick() { QUICK_CURL_SHARE } else { 1 };
    let mut rounds = Vec::new();
    for number in plan.rounds() {
        let (ends, ours, aria) = in_turn((&corpus, &source), FAR, number, Server::Shipped).await?;
        eprintln!("bench: far: ours {ours:.1?}, aria2 over 16 {aria:.1?}");
        over_aria.push(aria.as_secs_f64() / ours.as_secs_f64());
        rounds.push((ends, ours));
    }
    let curls = try_join_all(rounds.iter().map(|(ends, _)| ends.curl(&source, share))).await?;
    for ((_, ours), curl) in rounds.iter().zip(curls) {
        eprintln!("bench: far: ours {ours:.1?}, curl {curl:.1?}");
        over_curl.push(curl.as_secs_f64() / ours.as_secs_f64());
    }
    Ok(vec![over_curl, over_aria])
}

/// aria2's time with 16 connections over ours where no server may use BBR: to another continent, and at home.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn cubic(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let source = corpus.random("file.bin", SIZE)?;
    let [mut far, mut cable] = <[Series; 2]>::default();
    for number in plan.rounds() {
        for (profile, series) in [(FAR, &mut far), (CABLE, &mut cable)] {
            let (_, ours, aria) = in_turn((&corpus, &source), profile, number, Server::Cubic).await?;
            eprintln!("bench: {} with CUBIC: ours {ours:.1?}, aria2 over 16 {aria:.1?}", profile.name);
            series.push(aria.as_secs_f64() / ours.as_secs_f64());
        }
    }
    Ok(vec![far, cable])
}

/// Ten seconds' worth on a wire: bytes of the file a second, over the rate of the line.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn fibre(plan: Plan) -> Result<Vec<Series>> {
    share(plan, FIBRE).await
}

/// The same on a wire that loses packets.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn bad(plan: Plan) -> Result<Vec<Series>> {
    share(plan, BAD).await
}

/// The same on a wire whose queue is far too long. Also how much longer a small request takes beside the download, in
/// milliseconds.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn mobile(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let (source, small) = (ten_seconds(&corpus, plan, MOBILE)?, corpus.random("small", 1000)?);
    let (mut shares, mut pings) = (Series::default(), Series::default());
    for number in plan.rounds() {
        let (ends, share) = share_of_line(&corpus, &source, MOBILE, number).await?;
        shares.push(share);
        pings.push(ends.more_with_download(&source, &small).await?);
    }
    Ok(vec![shares, pings])
}

async fn share(plan: Plan, profile: Profile) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let source = ten_seconds(&corpus, plan, profile)?;
    let mut shares = Series::default();
    for number in plan.rounds() {
        shares.push(share_of_line(&corpus, &source, profile, number).await?.1);
    }
    Ok(vec![shares])
}

fn ten_seconds(corpus: &Corpus, plan: Plan, profile: Profile) -> Result<Source> {
    corpus.random(profile.name, plan.bytes(10 * profile.rate))
}

async fn share_of_line(corpus: &Corpus, source: &Source, profile: Profile, round: usize) -> Result<(Ends, f64)> {
    let ends = Ends::new(corpus, source, profile, round as u64 + 1, Server::Shipped).await?;
    let took = ends.get(source).await?.as_secs_f64();
    let share = source.size as f64 / took / profile.rate as f64;
    eprintln!("bench: {}: {} MiB in {took:.1} s, {share:.2} of the line", profile.name, source.size / MIB);
    Ok((ends, share))
}
