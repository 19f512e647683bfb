//! `wstp get` of the folder over a [`Wire`](crate::wire::Wire), beside aria2 and rclone from nginx. Nothing but the
//! round trips and a little loss holds them back.

use std::fmt::Write;
use std::fs;
use std::time::Duration;

use anyhow::Result;

use super::super::real::{Ends, Server, timed_into};
use super::{FOLDER, Files};
use crate::wire::CABLE;
use crate::{ours, tools};

/// Files at once, of both peers.
const AT_ONCE: &str = "16";

/// The line, with both servers at its far end.
pub struct Line<'a> {
    files: &'a Files,
    ends: Ends,
}

impl<'a> Line<'a> {
    /// Lays it.
    pub async fn lay(files: &'a Files, seed: u64) -> Result<Self> {
        let ends = Ends::lay(&files.corpus, &files.names[0], CABLE, seed, Server::Shipped).await?;
        Ok(Self { files, ends })
    }

    /// The time of `wstp get`.
    pub async fn ours(&self) -> Result<Duration> {
        let mut command = self.ends.client(ours::program("WSTP_CLIENT", "wstp")?);
        let folder = self.files.folder()?;
        command.arg("get").arg(self.ends.place("")).args(["--quiet", "-o"]).arg(folder.path().join("got"));
        timed_into(command, || self.files.check(&folder.path().join("got"))).await
    }

    /// The time of aria2, which is told all names and keeps its connections.
    pub async fn aria2(&self) -> Result<Duration> {
        let mut command = self.ends.client(tools::aria2()?);
        let folder = self.files.folder()?;
        let mut list = String::new();
        for name in &self.files.names {
            write!(list, "{}\n out={name}\n", self.ends.url(name))?;
        }
        let input = folder.path().join("list");
        fs::write(&input, list)?;
        command.args(["--quiet", "--file-allocation=none", "-x", AT_ONCE, "-j", AT_ONCE, "-d"]).arg(folder.path());
        command.arg("-i").arg(&input);
        timed_into(command, || self.files.check(folder.path())).await
    }

    /// The time of rclone, which reads nginx's listings and is spared a question for each file.
    pub async fn rclone(&self) -> Result<Duration> {
        let mut command = self.ends.client(tools::rclone()?);
        let folder = self.files.folder()?;
        command.args(["copy", ":http:", "--http-no-head", "--transfers", AT_ONCE, "--checkers", AT_ONCE, "--http-url"]);
        command.arg(self.ends.url(&format!("{FOLDER}/"))).arg(folder.path().join(FOLDER));
        timed_into(command, || self.files.check(folder.path())).await
    }
}
