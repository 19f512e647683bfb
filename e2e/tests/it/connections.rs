//! How many connections one transfer has, and what carries its blocks.

use anyhow::{Result, ensure};
use wstp_e2e::{Page, Stage};
use wstp_testkit::{LONG, LONGEST, SHORT, until};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 160 * MIB;
const NAME: &str = "long.bin";
/// Bytes a second that each connection carries.
const SLOW: u64 = 2 * MIB;

/// Waits until this many connections are open, lets some megabytes pass, and fails once there are more of them.
async fn settles_at(stage: &Stage, connections: u64) -> Result<()> {
    let mut goal = None;
    until(&format!("{connections} connections"), LONG, async || {
        let (open, passed) = (stage.proxy.open(), stage.proxy.passed());
        ensure!(open <= connections, "{open} connections are open where {connections} may be");
        if open == connections {
            goal.get_or_insert(passed + 8 * MIB);
        }
        Ok(goal.is_some_and(|goal| passed >= goal).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_has_as_many_connections_as_the_user_says_also_while_it_runs() -> Result<()> {
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = stage.open(Page::Manager).await?;
    view.fix_connections(2).await?;
    view.connect(&stage.address()).await?;
    view.wait_for_name(NAME).await?;
    stage.proxy.limit_rate(8 * MIB);
    let before = stage.proxy.open();
    view.download(NAME).await?;
    settles_at(&stage, before + 2).await?;
    view.change_connections(2..5).await?;
    settles_at(&stage, before + 5).await?;
    stage.proxy.limit_rate(u64::MAX);
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_number_of_connections_closes_those_that_are_too_many_while_it_runs() -> Result<()> {
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = stage.open(Page::Manager).await?;
    view.fix_connections(5).await?;
    view.connect(&stage.address()).await?;
    view.wait_for_name(NAME).await?;
    stage.proxy.limit_rate(8 * MIB);
    let before = stage.proxy.open();
    view.download(NAME).await?;
    settles_at(&stage, before + 5).await?;
    let accepted = stage.proxy.accepted();
    view.lower_connections(5, 2).await?;
    until("three to be closed", SHORT, async || Ok((stage.proxy.open() <= before + 2).then_some(()))).await?;
    ensure!(stage.proxy.passed() < SIZE, "the file was there before the connections were closed");
    settles_at(&stage, before + 2).await?;
    ensure!(stage.proxy.accepted() == accepted, "connections that stay were made anew");
    stage.proxy.limit_rate(u64::MAX);
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)?;
    let all = stage.proxy.passed();
    ensure!(all < SIZE + SIZE / 50 + 8 * MIB, "{all} bytes came over for a file of {SIZE}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn left_to_itself_a_transfer_takes_more_connections_where_each_carries_little() -> Result<()> {
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    view.wait_for_name(NAME).await?;
    let before = stage.proxy.open();
    stage.proxy.limit_rate_of_each(SLOW);
    view.download(NAME).await?;
    until("more connections than there are at first", LONG, async || {
        Ok((stage.proxy.open() >= before + 6).then_some(()))
    })
    .await?;
    ensure!(stage.proxy.passed() < SIZE, "the file was there before there were more connections");
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn left_to_itself_a_transfer_gives_up_connections_where_one_carries_all() -> Result<()> {
    // Large enough for a busy computer to judge wrongly twice before the file is complete. The rest is never fetched.
    let size = 8 * SIZE;
    let stage = Stage::serving(&[(NAME, size)]).await?;
    let view = stage.open(Page::Manager).await?;
    view.connect(&stage.address()).await?;
    view.wait_for_name(NAME).await?;
    let before = stage.proxy.open();
    stage.proxy.limit_rate(8 * MIB);
    view.download(NAME).await?;
    until("the connections that there are at first", LONG, async || {
        Ok((stage.proxy.open() >= before + 4 && stage.proxy.passed() > 2 * MIB).then_some(()))
    })
    .await?;
    // The first step that takes one away comes after twenty seconds, and each is judged by many messages.
    stage.browser()?.clocks().await?.hurry("transfer", 4).await?;
    until(
        "no more connections than are needed",
        LONGEST,
        async || Ok((stage.proxy.open() <= before + 2).then_some(())),
    )
    .await?;
    ensure!(stage.proxy.passed() < size, "the file was there before there were fewer connections");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_in_four_responses_of_a_server_and_over_websockets_where_there_are_none() -> Result<()> {
    let stage = Stage::serving(&[(NAME, SIZE)]).await?;
    let view = stage.open(Page::Manager).await?;
    view.fix_connections(6).await?;
    view.connect(&stage.address()).await?;
    view.wait_for_name(NAME).await?;
    stage.proxy.limit_rate(8 * MIB);
    view.download(NAME).await?;
    let settled = async |responses: u64| {
        let mut goal = None;
        until(&format!("six sessions with {responses} responses"), LONG, async || {
            let (open, exchanging, passed) = (stage.proxy.open(), stage.proxy.exchanging(), stage.proxy.passed());
            ensure!(exchanging <= 4, "{exchanging} responses are read at once");
            if open >= 6 && exchanging == responses {
                goal.get_or_insert(passed + 8 * MIB);
            }
            Ok(goal.is_some_and(|goal| passed >= goal).then_some(()))
        })
        .await
    };
    settled(4).await?;
    stage.proxy.pass_websockets_alone();
    stage.proxy.cut();
    settled(0).await?;
    stage.proxy.limit_rate(u64::MAX);
    let saved = view.save(NAME).await?;
    stage.check_saved(NAME, &saved)
}
