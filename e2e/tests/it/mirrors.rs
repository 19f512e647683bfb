//! One file from several servers.

use std::fs;
use std::net::SocketAddr;

use anyhow::Result;
use serde_json::json;
use tempfile::TempDir;
use wstp_e2e::{Page, Stage, View};
use wstp_protocol::{BlocksReply, ServerMessage};
use wstp_testkit::{Bait, Contents, Hashed, Hostile, Manner, Proxy, SHORT, Server, WebServer, binary, until};

const MIB: u64 = 1 << 20;
/// Bytes that may be on their way when connections are given up.
const UNDER_WAY: u64 = 4 * MIB;

/// A second server, with a folder of its own.
async fn mirror_of(path: &str, contents: Contents) -> Result<(TempDir, Server)> {
    let folder = tempfile::tempdir()?;
    contents.write(&folder.path().join(path))?;
    let server = Server::start(folder.path()).await?;
    Ok((folder, server))
}

/// Starts the download, holds it half-way, and adds a mirror.
async fn half_way_with<'a>(stage: &'a Stage, name: &str, size: u64, mirror: &str) -> Result<View<'a>> {
    half_way_with_path(stage, name, size, mirror, name).await
}

/// The same with a mirror that has the file under a path of its own.
async fn half_way_with_path<'a>(stage: &'a Stage, name: &str, size: u64, mirror: &str, path: &str) -> Result<View<'a>> {
    let view = stage.open_connected().await?;
    stage.download_part(&view, name, size / 2).await?;
    view.click("[data-testid=expand]").await?;
    view.wait_for_value("[data-testid=mirror-path]", name).await?;
    view.enter_text("[data-testid=mirror-address]", mirror).await?;
    view.enter_text("[data-testid=mirror-path]", path).await?;
    // A first click may do no more than close the list of suggestions.
    until("the form to take the mirror", SHORT, async || {
        view.click("[data-testid=add-mirror]").await?;
        let typed = view.run("return document.querySelector('[data-testid=mirror-address]').value", json!([])).await?;
        Ok((typed == json!("")).then_some(()))
    })
    .await?;
    Ok(view)
}

fn standing_of(server: SocketAddr) -> String {
    format!("[data-testid=source][data-name='{server}'] .source-words")
}

/// Waits until the server has hashed a file. It knows the hash for as long as the result lives.
async fn hashed(stage: &Stage, name: &str) -> Result<Hashed> {
    Hashed::open(stage.server.address(), name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_completed_by_a_mirror_when_its_server_is_killed() -> Result<()> {
    let size = 24 * MIB;
    let mut stage = Stage::serving(&[("m.bin", size)]).await?;
    let _hashed = hashed(&stage, "m.bin").await?;
    let (_folder, mirror) = mirror_of("m.bin", Contents::new("m.bin", size)).await?;
    let before_mirror = Proxy::start(mirror.address()).await?;
    before_mirror.hold_after(size / 8);
    let view = half_way_with(&stage, "m.bin", size, &before_mirror.address().to_string()).await?;
    before_mirror.held().await?;
    view.wait_for_content(&standing_of(before_mirror.address()), "in use").await?;
    let committed = view.wait_for_committed(size / 2).await?;
    view.close().await?;
    let before = before_mirror.passed();
    stage.server.kill().await?;
    before_mirror.release();
    let view = stage.open(Page::Popup).await?;
    let saved = view.save("m.bin").await?;
    committed.check_rest(size, before_mirror.passed() - before, MIB / 2)?;
    stage.check_saved("m.bin", &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_has_the_file_under_another_path_is_used() -> Result<()> {
    const PATH: &str = "kept/in another/place.dat";
    let size = 24 * MIB;
    let stage = Stage::serving(&[("p.bin", size)]).await?;
    let _hashed = hashed(&stage, "p.bin").await?;
    let (_folder, mirror) = mirror_of(PATH, Contents::new("p.bin", size)).await?;
    let before_mirror = Proxy::start(mirror.address()).await?;
    before_mirror.hold_after(size / 8);
    let view = half_way_with_path(&stage, "p.bin", size, &before_mirror.address().to_string(), PATH).await?;
    before_mirror.held().await?;
    view.wait_for_content(&standing_of(before_mirror.address()), "in use").await?;
    before_mirror.release();
    // The first server stays stuck.
    let saved = view.save("p.bin").await?;
    stage.check_saved("p.bin", &saved)?;
    assert!(before_mirror.passed() >= size / 3, "{} bytes came from the mirror", before_mirror.passed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_with_another_file_of_that_name_is_refused_in_words() -> Result<()> {
    let size = 8 * MIB;
    let stage = Stage::serving(&[("w.bin", size)]).await?;
    let _hashed = hashed(&stage, "w.bin").await?;
    let (_folder, mirror) = mirror_of("w.bin", Contents::new("something else", size)).await?;
    let view = half_way_with(&stage, "w.bin", size, &mirror.address().to_string()).await?;
    view.wait_for_content(&standing_of(mirror.address()), "no longer used: It has another file of this name.").await?;
    stage.proxy.release();
    let saved = view.save("w.bin").await?;
    stage.check_saved("w.bin", &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_sends_other_bytes_is_left_alone_in_words_and_costs_nothing() -> Result<()> {
    const NAME: &str = "b.bin";
    let size = 24 * MIB;
    let bait = Bait::new(NAME, size as usize);
    let stage = Stage::serving(&[]).await?;
    fs::write(stage.folder().join(NAME), &bait.bytes)?;
    let _hashed = hashed(&stage, NAME).await?;
    // It knows the file and its hashes, and lies about every block.
    let liar = Hostile::start(move |asked| {
        let answer = match bait.answer(&asked) {
            Some(ServerMessage::Blocks(reply)) => {
                Some(ServerMessage::Blocks(BlocksReply { data: vec![7; reply.data.len()].into(), ..reply }))
            }
            honest => honest,
        };
        answer.iter().map(binary).collect()
    })
    .await?;
    let view = half_way_with(&stage, NAME, size, &liar.address().to_string()).await?;
    let words = "paused: It sent bytes that do not belong to this file.";
    view.wait_for_content(&standing_of(liar.address()), words).await?;
    let committed = view.wait_for_committed(size / 4).await?;
    let before = stage.proxy.passed();
    stage.proxy.release();
    let saved = view.save(NAME).await?;
    committed.check_rest(size, stage.proxy.passed() - before, UNDER_WAY)?;
    stage.check_saved(NAME, &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_nobody_answers_at_says_so_and_can_be_removed() -> Result<()> {
    let size = 4 * MIB;
    let stage = Stage::serving(&[("n.bin", size)]).await?;
    let (_folder, mut mirror) = mirror_of("n.bin", Contents::new("n.bin", size)).await?;
    mirror.kill().await?;
    let view = half_way_with(&stage, "n.bin", size, &mirror.address().to_string()).await?;
    view.wait_for_text("retrying in").await?;
    view.click("[data-testid=remove-source]").await?;
    view.wait_for_count("[data-testid=source]", 1).await?;
    stage.proxy.release();
    let saved = view.save("n.bin").await?;
    stage.check_saved("n.bin", &saved)
}

/// A link to a file as a server of plain HTTP has it.
fn link(server: SocketAddr, name: &str) -> String {
    format!("http://{server}/files/{name}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_completed_over_plain_http_while_its_server_is_stuck() -> Result<()> {
    let size = 24 * MIB;
    let stage = Stage::serving(&[("h.bin", size)]).await?;
    let _hashed = hashed(&stage, "h.bin").await?;
    let (_folder, mirror) = mirror_of("h.bin", Contents::new("h.bin", size)).await?;
    let before_mirror = Proxy::start(mirror.address()).await?;
    let view = half_way_with(&stage, "h.bin", size, &link(before_mirror.address(), "h.bin")).await?;
    let saved = view.save("h.bin").await?;
    assert!(before_mirror.passed() >= size / 2, "{} bytes came over plain HTTP", before_mirror.passed());
    stage.check_saved("h.bin", &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_server_that_compresses_what_is_asked_for_whole_is_a_mirror() -> Result<()> {
    let size = 24 * MIB;
    let stage = Stage::serving(&[("c.bin", size)]).await?;
    let _hashed = hashed(&stage, "c.bin").await?;
    let web = WebServer::start(&fs::read(stage.folder().join("c.bin"))?, Manner::Compressing).await?;
    let before_web = Proxy::start(web.address()).await?;
    let view = half_way_with(&stage, "c.bin", size, &link(before_web.address(), "c.bin")).await?;
    let saved = view.save("c.bin").await?;
    assert!(before_web.passed() >= size / 2, "{} bytes came from it", before_web.passed());
    stage.check_saved("c.bin", &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_another_file_does_no_harm_and_is_given_up_in_words() -> Result<()> {
    let size = 24 * MIB;
    let stage = Stage::serving(&[("l.bin", size)]).await?;
    let _hashed = hashed(&stage, "l.bin").await?;
    let (_folder, mirror) = mirror_of("l.bin", Contents::new("something else", size)).await?;
    let view = half_way_with(&stage, "l.bin", size, &link(mirror.address(), "l.bin")).await?;
    view.wait_for_text("It sent bytes that do not belong to this file.").await?;
    stage.proxy.release();
    let saved = view.save("l.bin").await?;
    stage.check_saved("l.bin", &saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_the_server_offers_is_used_unasked() -> Result<()> {
    let size = 24 * MIB;
    let (_folder, mirror) = mirror_of("o.bin", Contents::new("o.bin", size)).await?;
    let offer = format!("ws://{}/ws", mirror.address());
    let stage = Stage::serving_with(&[("o.bin", size)], &["--mirror", &offer]).await?;
    let _hashed = hashed(&stage, "o.bin").await?;
    let view = stage.open_connected().await?;
    stage.proxy.hold_after(size / 2);
    view.download("o.bin").await?;
    let saved = view.save("o.bin").await?;
    stage.check_saved("o.bin", &saved)
}
