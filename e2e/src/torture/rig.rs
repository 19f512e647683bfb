//! The test rig: browser, server and bad line, and how each fault is caused.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::Log;
use super::blow::Blow;
use super::downloads::Downloads;
use super::harm::{BLOCK, Harm};
use crate::sandbox::{self, file_of_length};
use crate::{Page, Stage, View};
use wstp_testkit::{Fault, LONG, Random, Sums, until};

/// Bytes a second over the bad line: a file takes some seconds.
const RATE: u64 = 12 << 20;
/// Time between two checks of the downloads.
const LOOK: Duration = Duration::from_secs(1);
/// The longest time without the server.
const LONGEST_ABSENCE: Duration = Duration::from_secs(2);
/// Tries for a fault. Its target may have ended by itself a moment ago, or have nothing on record yet.
const TRIES: u32 = 10;
/// Bytes between the first two tries, then twice as many each time up to the other number. That takes longer than a
/// commit, so that something is on record in the end although each try kills the browser.
const BETWEEN_TRIES: [u64; 2] = [1 << 20, 32 << 20];
/// The blocks in one message, in bytes.
const LONGEST_MESSAGE: u64 = 256 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Rig {
    pub(super) random: Random,
    stage: Stage,
    downloads: Downloads,
    /// The faults requested from the line.
    asked: Vec<Fault>,
    log: Log,
}

impl Rig {
    pub(super) async fn set_up(seed: u64, log: Log) -> Result<Self> {
        let mut random = Random::new(seed);
        let stage = Stage::on_a_bad_line(random.number()).await?;
        stage.proxy.limit_rate(RATE);
        Ok(Self { random, stage, downloads: Downloads::default(), asked: Vec::new(), log })
    }

    /// How many files arrived whole.
    pub(super) fn whole(&self) -> u32 {
        self.downloads.whole()
    }

    pub(super) fn sums(&self) -> Sums {
        self.stage.proxy.sums()
    }

    /// Lets this many bytes pass, and ensures that a download runs. A page stays open that may watch the next fault, or
    /// none does.
    pub(super) async fn download(&mut self, bytes: u64) -> Result<()> {
        self.downloads.fill_stock(&self.stage, &mut self.random)?;
        let goal = self.stage.proxy.passed() + bytes;
        self.stage.browser()?.close_pages().await?;
        let view = self.stage.open(Page::Manager).await?;
        let mut moved = Moved::new(&self.stage);
        while self.stage.proxy.passed() < goal {
            self.downloads.take_complete(&self.stage, &view, self.log).await?;
            self.downloads.begin(&self.stage, &view).await?;
            pass_time(&self.stage, goal).await?;
            moved.check(&self.stage, &view).await?;
        }
        if self.random.below(2) == 0 {
            self.stage.browser()?.close_pages().await?;
        }
        Ok(())
    }

    /// Lets the running downloads finish.
    pub(super) async fn finish(&mut self) -> Result<()> {
        self.stage.proxy.faithful();
        self.stage.browser()?.close_pages().await?;
        let view = self.stage.open(Page::Manager).await?;
        let mut moved = Moved::new(&self.stage);
        loop {
            self.downloads.take_complete(&self.stage, &view, self.log).await?;
            if self.downloads.is_idle() {
                return self.stage.browser()?.check_no_panic();
            }
            pass_time(&self.stage, u64::MAX).await?;
            moved.check(&self.stage, &view).await?;
        }
    }

    /// Fails if requested faults did not reach messages, or if the account has less than what arrived.
    pub(super) fn check(&self) -> Result<()> {
        let (asked, struck) = (&self.asked, self.stage.proxy.struck());
        // Some faults wait for each other, and the last of them for messages that never came.
        let come = asked.starts_with(&struck) && asked.len() - struck.len() < Fault::ALL.len();
        ensure!(come, "of the faults {asked:?} only {struck:?} came to a message");
        // A message with a flipped bit is not in the account, but every block of it but one may be of use.
        let flipped = struck.iter().filter(|fault| **fault == Fault::FlippedBit).count() as u64 * LONGEST_MESSAGE;
        let (arrived, fetched) = (self.downloads.accounted(), self.sums().fetched);
        ensure!(fetched + flipped >= arrived, "files of {arrived} bytes arrived, and the account knows of {fetched}");
        Ok(())
    }

    /// Causes a fault.
    pub(super) async fn strike(&mut self, blow: Blow) -> Result<()> {
        for attempt in 0..TRIES {
            if self.has_struck(blow).await? {
                return Ok(());
            }
            self.log.say("     which was not there");
            self.download((BETWEEN_TRIES[0] << attempt).min(BETWEEN_TRIES[1])).await?;
        }
        bail!("there was nothing to strike, {TRIES} times")
    }

    /// Causes a fault. False if its target does not exist.
    async fn has_struck(&mut self, blow: Blow) -> Result<bool> {
        let loses_blocks =
            matches!(blow, Blow::Browser | Blow::Extension | Blow::TransferWorker | Blow::Offscreen | Blow::Stored(_));
        if loses_blocks {
            self.stage.proxy.note_kill();
        }
        let is_there = self.deal(blow).await?;
        if loses_blocks {
            // A kill takes a moment, in which data may still pass.
            self.stage.proxy.note_kill();
        }
        if (matches!(blow, Blow::Browser | Blow::Extension) && is_there) || matches!(blow, Blow::Stored(_)) {
            self.stage.start_browser().await?;
        }
        Ok(is_there)
    }

    async fn deal(&mut self, blow: Blow) -> Result<bool> {
        match blow {
            Blow::Browser => {
                self.stage.browser()?.check_no_panic()?;
                self.stage.kill_browser().await?;
            }
            Blow::Extension => {
                let browser = self.stage.browser()?;
                browser.check_no_panic()?;
                if browser.processes()?.kill_extensions() == 0 {
                    return Ok(false);
                }
                self.stage.close_browser().await?;
            }
            Blow::Stored(harm) => {
                let browser = self.stage.browser()?;
                browser.check_no_panic()?;
                let sandbox = browser.disk().join(sandbox::FOLDER);
                self.stage.kill_browser().await?;
                return self.harm(harm, &sandbox);
            }
            Blow::Server => {
                self.stage.server.kill().await?;
                tokio::time::sleep(self.random.up_to(LONGEST_ABSENCE)).await;
                self.stage.server.restart().await?;
            }
            Blow::TransferWorker => return self.stage.browser()?.end_worker("transfer").await,
            Blow::Catalogue => return self.stage.browser()?.end_worker("catalogue").await,
            Blow::Offscreen => return self.stage.browser()?.end_offscreen().await,
            Blow::ServiceWorker => self.stage.browser()?.strike_service_worker().await?,
            Blow::Connections => self.stage.proxy.cut(),
            Blow::Message(fault) => {
                self.asked.push(fault);
                self.stage.proxy.fault(fault);
            }
        }
        Ok(true)
    }

    /// Harms the stored bytes of an incomplete download. False if there is none.
    fn harm(&mut self, harm: Harm, sandbox: &Path) -> Result<bool> {
        for (path, size) in self.downloads.files(&self.stage)? {
            let stored = self.stage.proxy.passed_of(&path);
            // A download that is nearly complete may be complete by now.
            if stored.len() * BLOCK > size / 10 * 9 {
                continue;
            }
            let Some(data) = file_of_length(sandbox, size) else { continue };
            let harmed = harm.deal(&data, &stored, &mut self.random)?;
            if harmed.is_empty() {
                continue;
            }
            self.log.say(&format!("     in {path}, blocks {harmed:?}"));
            harmed.into_iter().for_each(|blocks| self.stage.proxy.note_harm(&path, blocks));
            return Ok(true);
        }
        Ok(false)
    }
}

/// Waits until enough bytes have passed, or it is time to check the downloads.
async fn pass_time(stage: &Stage, goal: u64) -> Result<()> {
    let end = Instant::now() + LOOK;
    until("a second to pass", LONG, async || Ok((stage.proxy.passed() >= goal || Instant::now() >= end).then_some(())))
        .await
}

/// When bytes passed last.
struct Moved(u64, Instant);

impl Moved {
    fn new(stage: &Stage) -> Self {
        Self(stage.proxy.passed(), Instant::now())
    }

    /// Fails if nothing passes for too long.
    async fn check(&mut self, stage: &Stage, view: &View<'_>) -> Result<()> {
        let passed = stage.proxy.passed();
        if passed != self.0 {
            *self = Self(passed, Instant::now());
        } else if self.1.elapsed() > LONG {
            bail!("nothing has moved for {} s: {:#?}", LONG.as_secs(), view.rows().await?);
        }
        Ok(())
    }
}
