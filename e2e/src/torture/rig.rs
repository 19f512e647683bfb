//! The rack: browser, server and bad line, and how each blow is dealt.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::Log;
use super::blow::Blow;
use super::downloads::Downloads;
use crate::{LONG, Page, Random, Stage, Sums, View, until};

/// Bytes a second over the bad line: a file takes some seconds.
const RATE: u64 = 12 << 20;
/// Between two looks at the downloads.
const LOOK: Duration = Duration::from_secs(1);
/// The server stays away for at most so long.
const LONGEST_ABSENCE: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Rig {
    pub(super) random: Random,
    stage: Stage,
    downloads: Downloads,
    log: Log,
}

impl Rig {
    pub(super) async fn set_up(seed: u64, log: Log) -> Result<Self> {
        let mut random = Random::new(seed);
        let stage = Stage::on_a_bad_line(random.number()).await?;
        stage.proxy.limit_rate(RATE);
        Ok(Self { random, stage, downloads: Downloads::default(), log })
    }

    /// How many files arrived whole.
    pub(super) fn whole(&self) -> u32 {
        self.downloads.whole()
    }

    pub(super) fn sums(&self) -> Sums {
        self.stage.proxy.sums()
    }

    /// Lets so many bytes pass, and sees to it that something is under way. A page stays open that may watch the next blow, or none does.
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

    /// Lets what is under way end in peace.
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

    /// Deals a blow.
    pub(super) async fn strike(&mut self, blow: Blow) -> Result<()> {
        let loses_blocks = matches!(blow, Blow::Browser | Blow::TransferWorker | Blow::Offscreen);
        if loses_blocks {
            self.stage.proxy.note_kill();
        }
        self.deal(blow).await?;
        if loses_blocks {
            // A kill takes a moment, in which something still passed.
            self.stage.proxy.note_kill();
        }
        if blow == Blow::Browser {
            self.stage.start_browser().await?;
        }
        Ok(())
    }

    async fn deal(&mut self, blow: Blow) -> Result<()> {
        match blow {
            Blow::Browser => {
                self.stage.browser()?.check_no_panic()?;
                self.stage.kill_browser().await?;
            }
            Blow::Server => {
                self.stage.server.kill().await?;
                tokio::time::sleep(self.random.up_to(LONGEST_ABSENCE)).await;
                self.stage.server.restart().await?;
            }
            Blow::TransferWorker => self.found(self.stage.browser()?.end_worker("transfer").await?),
            Blow::Catalogue => self.found(self.stage.browser()?.end_worker("catalogue").await?),
            Blow::Offscreen => self.found(self.stage.browser()?.end_offscreen().await?),
            Blow::ServiceWorker => self.stage.browser()?.strike_service_worker().await?,
            Blow::Connections => self.stage.proxy.cut(),
            Blow::Message(fault) => self.stage.proxy.fault(fault),
        }
        Ok(())
    }

    fn found(&self, is_there: bool) {
        if !is_there {
            self.log.say("     which was not there");
        }
    }
}

/// Waits until enough has passed, or it is time to look at the downloads.
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

    /// Fails where nothing passes for too long.
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
