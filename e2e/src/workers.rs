//! The extension's offscreen document and the workers in it, reached one by one: to end them, and to change their
//! clocks.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::Browser;
use crate::devtools::DevTools;

/// Moves both clocks by a number of milliseconds and multiplies their speed. Counts the reads from then on, and returns
/// by how much the clocks moved.
const SET: &str = "((by, times) => [Date, performance].map(clock => { \
    const before = clock.now.bind(clock), then = before(); \
    clock.now = () => { self.looks += 1; return then + by + (before() - then) * times; }; \
    const moved = clock.now() - then; self.looks = 0; return moved; }))";

impl Browser {
    /// Ends one of the extension's workers, `transfer` or `catalogue`, without warning, and waits until it is gone.
    /// False if there is none.
    ///
    /// # Errors
    ///
    /// The error of DevTools, or when the worker continues to run.
    pub async fn end_worker(&self, kind: &str) -> Result<bool> {
        let mut devtools = self.connect_devtools().await?;
        let Some(document) = self.offscreen(&mut devtools).await? else { return Ok(false) };
        let session = attach_with_workers(&mut devtools, &document).await?;
        while let Some((name, session)) = next_worker(&mut devtools, &session).await? {
            if name == kind {
                devtools.evaluate(&session, "self.close()").await?;
                while devtools.event("Target.detachedFromTarget").await?["sessionId"] != json!(session) {}
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The clocks of the offscreen document and of the workers that run now.
    ///
    /// # Errors
    ///
    /// The error of DevTools, or when there is no offscreen document.
    pub async fn clocks(&self) -> Result<Clocks> {
        let mut devtools = self.connect_devtools().await?;
        let document = self.offscreen(&mut devtools).await?.context("there is no offscreen document")?;
        let session = attach_with_workers(&mut devtools, &document).await?;
        let mut contexts = vec![("offscreen".to_owned(), session.clone())];
        while let Some(worker) = next_worker(&mut devtools, &session).await? {
            contexts.push(worker);
        }
        Ok(Clocks { devtools, contexts })
    }
}

/// The clocks of the extension's parts. Changes stay when this is dropped.
#[derive(Debug)]
pub struct Clocks {
    devtools: DevTools,
    /// Name and session of each part.
    contexts: Vec<(String, String)>,
}

impl Clocks {
    /// The parts that have them, in the order of their names.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.contexts.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Makes both clocks of each part, the wall clock and the monotonic one, jump at once.
    ///
    /// # Errors
    ///
    /// When a part has ended or its clocks do not change.
    pub async fn jump(&mut self, seconds: i32) -> Result<()> {
        let by = f64::from(seconds) * 1000.0;
        for (name, session) in &self.contexts {
            let moved = self.devtools.evaluate(session, &format!("{SET}({by}, 1)")).await?;
            let moved: Vec<f64> = serde_json::from_value(moved.with_context(|| format!("{name} has ended"))?)?;
            let has_moved = moved.len() == 2 && moved.iter().all(|moved| (moved - by).abs() < 1000.0);
            ensure!(has_moved, "the clocks of {name} moved by {moved:?} ms instead of {by}");
        }
        Ok(())
    }

    /// Multiplies the speed of a part's clocks; its timers stay unchanged.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub async fn hurry(&mut self, part: &str, times: u8) -> Result<()> {
        let (_, session) = self.contexts.iter().find(|(name, _)| name == part).context("there is no such part")?;
        let moved = self.devtools.evaluate(session, &format!("{SET}(0, {times})")).await?;
        moved.with_context(|| format!("{part} has ended")).map(drop)
    }

    /// Whether each part has read its clocks since they jumped.
    ///
    /// # Errors
    ///
    /// When one has ended.
    pub async fn are_looked_at(&mut self) -> Result<bool> {
        for (name, session) in &self.contexts {
            let looks = self.devtools.evaluate(session, "self.looks").await?;
            let looks = looks.with_context(|| format!("{name} has ended"))?;
            if looks.as_u64().is_none_or(|looks| looks == 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Begins a session with the document, and with each of its workers.
async fn attach_with_workers(devtools: &mut DevTools, document: &Value) -> Result<String> {
    let session = devtools.attach(document).await?;
    let attach = json!({ "autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true });
    devtools.command(Some(&session), "Target.setAutoAttach", attach).await?;
    Ok(session)
}

/// Name and session of a worker that was not reported yet.
async fn next_worker(devtools: &mut DevTools, document: &str) -> Result<Option<(String, String)>> {
    // Existing workers are reported before the answer to this.
    devtools.command(Some(document), "Runtime.evaluate", json!({ "expression": "0" })).await?;
    while let Some(worker) = devtools.told("Target.attachedToTarget") {
        if worker["targetInfo"]["type"] != "worker" {
            continue;
        }
        let session = worker["sessionId"].as_str().context("DevTools name no session")?.to_owned();
        // A worker whose transfer is over may end by itself at this moment.
        if let Some(Value::String(name)) = devtools.evaluate(&session, "self.name").await? {
            return Ok(Some((name, session)));
        }
    }
    Ok(None)
}
