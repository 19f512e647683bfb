//! chromedriver, which presses a browser's buttons.

use std::env;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::{Child, SHORT};

/// Most tries to start it.
const MOST_TRIES: u32 = 5;

/// A running chromedriver; it ends when this is dropped.
#[derive(Debug)]
pub struct Driver {
    _child: Child,
    port: u16,
}

/// It ended at once, with this output.
#[derive(Debug, thiserror::Error)]
#[error("chromedriver ended without saying its port: {0}")]
struct Ended(String);

impl Driver {
    /// Starts it on a port the system chooses. `CHROMEDRIVER` names another program.
    ///
    /// It wants the same port for IPv6 that it got for IPv4, and ends if another program has it. Then it is started
    /// again.
    ///
    /// # Errors
    ///
    /// When it can't be started or does not say its port in time.
    pub async fn start() -> Result<Self> {
        let mut tries = 1;
        loop {
            match Self::try_start().await {
                Err(error) if tries < MOST_TRIES && error.is::<Ended>() => tries += 1,
                result => return result,
            }
        }
    }

    async fn try_start() -> Result<Self> {
        let program = env::var_os("CHROMEDRIVER").unwrap_or_else(|| "chromedriver".into());
        let mut command = Command::new(program);
        command.args(["--port=0", "--log-level=SEVERE"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = Child::spawn(&mut command)?;
        let mut lines = BufReader::new(child.stdout()?).lines();
        let port = timeout(SHORT, async {
            let mut said = String::new();
            while let Some(line) = lines.next_line().await? {
                if let Some(port) = port_in(&line) {
                    return Ok(port);
                }
                said.push_str(&line);
                said.push('\n');
            }
            bail!(Ended(said))
        })
        .await
        .context("chromedriver did not say its port")??;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { _child: child, port })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn port_in(line: &str) -> Option<u16> {
    line.split_once("was started successfully on port ")?.1.trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_its_own_words() {
        assert_eq!(port_in("ChromeDriver was started successfully on port 34567."), Some(34567));
        assert_eq!(port_in("Starting ChromeDriver 156 on port 0"), None);
    }
}
