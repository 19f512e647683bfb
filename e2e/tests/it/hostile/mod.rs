//! Servers that lie. Each is told apart in words or does no harm. Every part of the extension still answers afterwards.
//! A good download from a good server at the same time is not disturbed.

mod folders;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use tokio_websockets::Message;
use wstp_e2e::{Page, Row, Stage, View};
use wstp_protocol::{BlocksReply, ClientMessage, EntryKind, Goodbye, Listing, Opened, RootReady, ServerMessage, Stale};
use wstp_testkit::{Bait, Hostile, LONG, binary, entry, until};

const MIB: u64 = 1 << 20;
const GOOD: &str = "good.bin";
const GOOD_SIZE: u64 = 24 * MIB;
/// A good download that is under way for as long as many lies take.
const LONG_SIZE: u64 = 3 * GOOD_SIZE;
/// Bytes a second: the good download takes some seconds.
const GOOD_RATE: u64 = 3 * MIB;
const BAIT: &str = "bait.bin";
/// The messages for wrong bytes, impossible sizes, and answers that fit no request.
const OTHER_BYTES: &str = "sent bytes that do not belong to this file.";
const NO_SUCH_SIZE: &str = "The server names a size that no file can have.";
const NOT_UNDERSTOOD: &str = "can't be understood";
/// Twenty blocks and a bit.
const BAIT_SIZE: usize = 20 * 8192 + 5;

fn bait() -> Bait {
    Bait::new(BAIT, BAIT_SIZE)
}

/// The answers of a hostile server.
type Script = Box<dyn Fn(ClientMessage) -> Vec<Message> + Send + Sync>;

/// Does `act` to a hostile server while a good download runs, and checks that it did no harm.
async fn does_no_harm(
    script: impl Fn(ClientMessage) -> Vec<Message> + Send + Sync + 'static,
    act: impl AsyncFnOnce(&Stage, &View<'_>, SocketAddr) -> Result<()>,
) -> Result<()> {
    nothing_does_harm(GOOD_SIZE, GOOD_RATE, async |stage, view| {
        let hostile = Hostile::start(script).await?;
        act(stage, view, hostile.address()).await
    })
    .await
}

/// Does `act` while a good download of `size` bytes runs at a rate, and checks that it did no harm.
async fn nothing_does_harm(size: u64, rate: u64, act: impl AsyncFnOnce(&Stage, &View<'_>) -> Result<()>) -> Result<()> {
    let stage = Stage::serving(&[(GOOD, size)]).await?;
    let view = stage.open(Page::Manager).await?;
    view.fix_connections(4).await?;
    view.connect(&stage.address()).await?;
    view.wait_for_name(GOOD).await?;
    stage.proxy.limit_rate(rate);
    view.download(GOOD).await?;
    until("the good download to have its connections", LONG, async || {
        Ok((stage.proxy.open() >= 5 && stage.proxy.passed() > MIB).then_some(()))
    })
    .await?;
    let connections = stage.proxy.accepted();
    act(&stage, &view).await?;
    stage.proxy.limit_rate(u64::MAX);
    // Listing needs the catalogue, the rest of the download its worker, and saving the offscreen document and the
    // service worker.
    view.ask_for(&stage.address()).await?;
    view.wait_for_name(GOOD).await?;
    let saved = view.save(GOOD).await?;
    stage.check_saved(GOOD, &saved)?;
    let more = stage.proxy.accepted() - connections;
    ensure!(more <= 1, "the good download needed {more} further connections");
    let log = stage.browser()?.log()?;
    ensure!(!log.contains("replacing a silent worker"), "a worker fell silent: {log}");
    stage.browser()?.check_no_panic()
}

/// Waits until a transfer failed or waits for the reason in these words.
async fn says(view: &View<'_>, name: &str, words: &str) -> Result<()> {
    let fits = |row: &Row| ["failed", "waiting"].contains(&row.state.as_str()) && row.text.contains(words);
    view.wait_for_rows(words, |rows| rows.iter().any(|row| row.name == name && fits(row)).then_some(())).await
}

/// Opens the hostile server's folder, and expects words about why that fails.
async fn folder_fails_in_words(script: impl Fn(ClientMessage) -> Vec<Message> + Send + Sync + 'static) -> Result<()> {
    does_no_harm(script, async |_, view, hostile| {
        view.ask_for(&hostile.to_string()).await?;
        let words = view.wait_for_error().await?;
        ensure!(is_sentence(&words), "that is not a sentence: {words:?}");
        Ok(())
    })
    .await
}

fn is_sentence(words: &str) -> bool {
    let first = words.lines().next().unwrap_or_default();
    first.split_whitespace().count() >= 4 && first.trim_end().ends_with('.')
}

/// The bait's honest answers, except those that `lie` replaces.
fn but_for(
    bait: Bait,
    lie: impl Fn(&Bait, &ClientMessage) -> Option<Vec<Message>>,
) -> impl Fn(ClientMessage) -> Vec<Message> {
    move |asked| lie(&bait, &asked).unwrap_or_else(|| bait.answer(&asked).iter().map(binary).collect())
}

/// The same for the description of an open file.
fn opened_as(bait: Bait, lie: impl Fn(Opened) -> Opened) -> impl Fn(ClientMessage) -> Vec<Message> {
    but_for(bait, move |bait, asked| match asked {
        ClientMessage::Open(open) => Some(vec![binary(&ServerMessage::Opened(lie(bait.opened(open.id))))]),
        _ => None,
    })
}

/// The same for blocks.
fn blocks_as(bait: Bait, lie: impl Fn(BlocksReply) -> Vec<BlocksReply>) -> impl Fn(ClientMessage) -> Vec<Message> {
    but_for(bait, move |bait, asked| match asked {
        ClientMessage::Blocks(asked) => {
            let honest = bait.blocks(asked)?;
            Some(lie(honest).into_iter().map(|reply| binary(&ServerMessage::Blocks(reply))).collect())
        }
        _ => None,
    })
}

fn size_that_is_another_each_time(bait: Bait) -> Script {
    let opens = AtomicU64::new(0);
    Box::new(but_for(bait, move |bait, asked| match asked {
        ClientMessage::Open(open) => {
            let opened = bait.opened(open.id);
            let size = opened.size + opens.fetch_add(1, Ordering::SeqCst);
            Some(vec![binary(&ServerMessage::Opened(Opened { size, ..opened }))])
        }
        // Only opening it again continues the transfer.
        ClientMessage::Blocks(_) => Some(vec![binary(&ServerMessage::Stale(Stale { handle: Bait::HANDLE }))]),
        _ => None,
    }))
}

fn sizes_that_can_not_be(bait: Bait) -> Script {
    let opens = AtomicU32::new(0);
    Box::new(opened_as(bait, move |opened| {
        let turn = opens.fetch_add(1, Ordering::SeqCst) as usize;
        Opened { size: [0, 1 << 63, u64::MAX][turn % 3], ..opened }
    }))
}

fn pages_that_do_not_hash(bait: Bait) -> Script {
    Box::new(but_for(bait, |bait, asked| match asked {
        ClientMessage::Hashes(asked) => {
            let mut page = bait.page(asked)?;
            page.nodes.iter_mut().for_each(|node| node[0] ^= 1);
            Some(vec![binary(&ServerMessage::HashPage(page))])
        }
        _ => None,
    }))
}

fn blocks_nobody_asked_for(bait: Bait) -> Script {
    Box::new(blocks_as(bait, |reply| {
        let mut run = reply.run;
        run.first += 1000;
        vec![BlocksReply { run, ..reply }]
    }))
}

/// Another message in place of blocks.
fn in_place_of_blocks(bait: Bait, message: impl Fn() -> Message + Send + Sync + 'static) -> Script {
    Box::new(but_for(bait, move |_, asked| matches!(asked, ClientMessage::Blocks(_)).then(|| vec![message()])))
}

/// A lie about a file: the file's name, which says what the lie is, the words that the user reads, and the server.
type Lie = (&'static str, &'static str, fn(Bait) -> Script);

const LIES: [Lie; 11] = [
    ("empty, then huge, then larger than anything", NO_SUCH_SIZE, sizes_that_can_not_be),
    ("said to be empty", "(an empty file has another hash)", |bait| {
        Box::new(opened_as(bait, |opened| Opened { size: 0, ..opened }))
    }),
    ("of two to the 63 bytes", NO_SUCH_SIZE, |bait| {
        Box::new(opened_as(bait, |opened| Opened { size: 1 << 63, ..opened }))
    }),
    ("larger than anything", NO_SUCH_SIZE, |bait| {
        Box::new(opened_as(bait, |opened| Opened { size: u64::MAX, ..opened }))
    }),
    ("another size each time", "(one version has two sizes or hashes)", size_that_is_another_each_time),
    ("wrong pages of hashes", "(the page does not lead to the file's root hash)", pages_that_do_not_hash),
    ("other blocks", OTHER_BYTES, |bait| {
        Box::new(blocks_as(bait, |reply| vec![BlocksReply { data: vec![7; reply.data.len()].into(), ..reply }]))
    }),
    ("blocks nobody asked for", NOT_UNDERSTOOD, blocks_nobody_asked_for),
    ("replies with other ids", NOT_UNDERSTOOD, |bait| {
        Box::new(blocks_as(bait, |reply| vec![BlocksReply { id: reply.id ^ 1 << 31, ..reply }]))
    }),
    ("text in place of blocks", NOT_UNDERSTOOD, |bait| {
        in_place_of_blocks(bait, || Message::text("here are your blocks"))
    }),
    ("huge frames in place of blocks", NOT_UNDERSTOOD, |bait| {
        in_place_of_blocks(bait, || Message::binary(vec![0x85; 128 << 20]))
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_lie_about_a_file_is_told_in_words() -> Result<()> {
    nothing_does_harm(LONG_SIZE, GOOD_RATE / 3, async |stage, view| {
        for (lie, words, script) in LIES {
            let is_told = async {
                let hostile = Hostile::start(script(Bait::new(lie, BAIT_SIZE))).await?;
                view.ask_for(&hostile.address().to_string()).await?;
                view.wait_for_name(lie).await?;
                view.download(lie).await?;
                says(view, lie, words).await?;
                // One that waits to try again would hold the place of the next.
                let row = view.rows().await?.into_iter().find(|row| row.name == lie).context("it has no row")?;
                if row.state != "failed" {
                    view.press(&row, "cancel").await?;
                }
                anyhow::Ok(())
            };
            is_told.await.with_context(|| format!("a file that is {lie}"))?;
        }
        ensure!(stage.proxy.passed() < LONG_SIZE, "the good download was over before the last lie");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_to_what_has_ended() -> Result<()> {
    // The reply itself is right, so that the file may well arrive: what is asked is that nothing breaks.
    let script = blocks_as(bait(), |reply| vec![reply.clone(), reply]);
    does_no_harm(script, async |_, view, hostile| {
        view.ask_for(&hostile.to_string()).await?;
        view.wait_for_name(BAIT).await?;
        view.download(BAIT).await?;
        let row = view.wait_for_state(BAIT, &["failed", "waiting", "complete"]).await?;
        if row.state == "complete" {
            ensure!(std::fs::read(view.save(BAIT).await?)? == bait().bytes, "another file was saved");
        } else {
            ensure!(row.text.contains(NOT_UNDERSTOOD), "{}", row.text);
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn goodbye_after_goodbye_that_says_to_come_back_in_weeks() -> Result<()> {
    let goodbye = || binary(&ServerMessage::Goodbye(Goodbye { retry_after_ms: u32::MAX }));
    let script = but_for(bait(), move |_, asked| match asked {
        ClientMessage::Open(_) => Some((0..1000).map(|_| goodbye()).collect()),
        _ => None,
    });
    does_no_harm(script, async |_, view, hostile| {
        view.ask_for(&hostile.to_string()).await?;
        view.wait_for_name(BAIT).await?;
        view.download(BAIT).await?;
        says(view, BAIT, "was lost. Retrying automatically.").await?;
        let row = view.wait_for_state(BAIT, &["waiting"]).await?;
        let retry = row.text.lines().find(|line| line.starts_with("Retry in ")).context("no time is told")?;
        ensure!(!retry.contains(" h") && !retry.contains(" d"), "{retry}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_notices_for_handles_nobody_opened() -> Result<()> {
    let floods = AtomicBool::new(true);
    let script = but_for(bait(), move |bait, asked| match asked {
        ClientMessage::Open(open) => {
            // One connection has it. Each of the others would add the same amount of work, and nothing new.
            let flood = if floods.swap(false, Ordering::SeqCst) { 0..100_000_u32 } else { 0..0 };
            let flood = flood.flat_map(|number| {
                let handle = number + 1000;
                [ServerMessage::RootReady(RootReady { handle, root: [7; 32] }), ServerMessage::Stale(Stale { handle })]
            });
            let opened = ServerMessage::Opened(bait.opened(open.id));
            Some(flood.chain([opened]).map(|message| binary(&message)).collect())
        }
        _ => None,
    });
    does_no_harm(script, async |stage, view, hostile| {
        view.ask_for(&hostile.to_string()).await?;
        view.wait_for_name(BAIT).await?;
        view.download(BAIT).await?;
        let saved = view.save(BAIT).await?;
        ensure!(
            saved.starts_with(stage.downloads()) && std::fs::read(saved)? == bait().bytes,
            "another file was saved"
        );
        Ok(())
    })
    .await
}

/// One page of a folder of other folders or files, with a cursor for the next.
fn page(id: u32, names: impl Iterator<Item = String>, kind: EntryKind, next: Option<&str>) -> Vec<Message> {
    let entries = names.map(|name| entry(&name, kind, 0)).collect();
    vec![binary(&ServerMessage::Listing(Listing { id, entries, next: next.map(str::to_owned) }))]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_never_ends() -> Result<()> {
    let pages = AtomicU64::new(0);
    let script = move |asked| match asked {
        ClientMessage::List(list) => {
            let first = pages.fetch_add(1, Ordering::SeqCst) * 1000;
            page(list.id, (first..first + 1000).map(|number| format!("{number}")), EntryKind::File, Some("more"))
        }
        _ => Vec::new(),
    };
    does_no_harm(script, async |_, view, hostile| {
        view.ask_for(&hostile.to_string()).await?;
        until("the list to be cut", LONG, async || {
            let text = view.run("return document.body.innerText", serde_json::json!([])).await?;
            Ok(text.as_str().is_some_and(|text| text.contains("and more than can be shown")).then_some(()))
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_of_nothing_that_never_ends() -> Result<()> {
    folder_fails_in_words(|asked| match asked {
        ClientMessage::List(list) => page(list.id, std::iter::empty(), EntryKind::File, Some("more")),
        _ => Vec::new(),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_without_end() -> Result<()> {
    // Five of them are longer than a path may be.
    let name = |depth: usize| format!("{depth}{}", "l".repeat(999));
    let script = move |asked| match asked {
        ClientMessage::List(list) => {
            let below = name(list.path.names().count());
            page(list.id, std::iter::once(below), EntryKind::Directory, None)
        }
        _ => Vec::new(),
    };
    does_no_harm(script, async |_, view, hostile| {
        view.ask_for(&hostile.to_string()).await?;
        for depth in 0..5 {
            view.wait_for_name(&name(depth)).await?;
            view.click_entry(&name(depth)).await?;
        }
        let words = view.wait_for_error().await?;
        ensure!(is_sentence(&words), "that is not a sentence: {words:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_that_are_text_or_huge_or_of_somebody_else() -> Result<()> {
    let turn = AtomicU32::new(0);
    let script = move |asked| match asked {
        ClientMessage::List(list) => match turn.fetch_add(1, Ordering::SeqCst) % 4 {
            0 => vec![Message::text("a listing")],
            1 => vec![Message::binary(vec![0x82; 128 << 20])],
            2 => page(list.id ^ 1 << 31, std::iter::empty(), EntryKind::File, None),
            _ => vec![binary(&ServerMessage::Goodbye(Goodbye { retry_after_ms: 0 })); 1000],
        },
        _ => Vec::new(),
    };
    does_no_harm(script, async |_, view, hostile| {
        for _ in 0..4 {
            view.ask_for(&hostile.to_string()).await?;
            let words = view.wait_for_error().await?;
            ensure!(is_sentence(&words), "that is not a sentence: {words:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_lead_elsewhere() -> Result<()> {
    const NAMES: [&str; 6] = ["..", "../escaped", "a/b", "/etc/passwd", "nul\0byte", ""];
    let turn = AtomicU32::new(0);
    let script = move |asked| match asked {
        ClientMessage::List(list) => {
            let name = NAMES[turn.fetch_add(1, Ordering::SeqCst) as usize % NAMES.len()];
            page(list.id, std::iter::once(name.to_owned()), EntryKind::File, None)
        }
        _ => Vec::new(),
    };
    does_no_harm(script, async |_, view, hostile| {
        for name in NAMES {
            view.ask_for(&hostile.to_string()).await?;
            let words = view.wait_for_error().await.with_context(|| format!("{name:?} was shown"))?;
            ensure!(is_sentence(&words) && view.names().await?.is_empty(), "{name:?}: {words:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_special_elsewhere_are_saved_where_everything_is() -> Result<()> {
    let long = "n".repeat(1024);
    let names = ["C:\\Windows\\x.txt", "CON", "NUL.txt", "..\\up.txt", "a\u{202e}gnp.exe", "~", &long];
    let stage = Stage::serving(&[]).await?;
    let view = stage.open(Page::Manager).await?;
    let mut all = Vec::new();
    for name in names {
        let bait = Bait::new(name, 9000);
        let script = {
            let bait = bait.clone();
            move |asked: ClientMessage| bait.answer(&asked).iter().map(binary).collect()
        };
        let hostile = Hostile::start(script).await?;
        view.ask_for(&hostile.address().to_string()).await?;
        view.wait_for_name(name).await?;
        view.download(name).await?;
        let saved = view.save(name).await?;
        ensure!(saved.starts_with(stage.downloads()), "{name:?} was saved as {}", saved.display());
        ensure!(std::fs::read(&saved)? == bait.bytes, "{name:?} has other bytes");
        all.push(saved);
        all.sort();
        ensure!(stage.saved_files()? == all, "{name:?} left {:?}", stage.saved_files()?);
    }
    Ok(())
}
