//! Every kind of fault twice. `cargo xtask torture` does the same for any time.

use anyhow::{Result, ensure};
use wstp_e2e::torture::{Limit, torture};

/// How many kinds of faults there are.
const KINDS: u32 = 18;

#[tokio::test(flavor = "multi_thread")]
async fn downloads_survive_every_kind_of_blow() -> Result<()> {
    let outcome = torture(1, Limit::Blows(2 * KINDS)).await?;
    ensure!(outcome.files > 0, "no file was completed: {outcome:?}");
    Ok(())
}
