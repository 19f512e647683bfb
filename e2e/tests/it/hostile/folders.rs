//! Folders that are fetched as a whole from servers that lie about them.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use tokio_websockets::Message;
use wstp_e2e::{Row, Stage, View};
use wstp_protocol::{
    BlocksReply, BundleReply, Bundled, BundledFile, ClientMessage, EntryKind, FileVersion, Listing, Opened,
    ServerMessage,
};
use wstp_testkit::{Bait, binary, entry};

use super::{does_no_harm, page, says};

/// A folder that is not what it seems.
const TRAP: &str = "trap";

/// A server with one folder, of which `below` says what is in it.
fn trap(below: impl Fn(&ClientMessage) -> Vec<Message>) -> impl Fn(ClientMessage) -> Vec<Message> {
    move |asked| match &asked {
        ClientMessage::List(list) if list.path.is_root() => {
            page(list.id, std::iter::once(TRAP.to_owned()), EntryKind::Directory, None)
        }
        _ => below(&asked),
    }
}

/// Downloads the trap as a folder, and expects its row to say how much it lacks, and its files to say why.
async fn trap_lacks(view: &View<'_>, hostile: SocketAddr, what: &str, why: &str) -> Result<()> {
    view.ask_for(&hostile.to_string()).await?;
    view.download_folder(TRAP).await?;
    let lacks = |row: &&Row| row.state == "complete" && row.text.contains(&format!("{what} could not be downloaded."));
    let row = view.wait_for_rows(what, |rows| rows.iter().find(lacks).cloned()).await?;
    view.expand(&row).await?;
    // There is no file to show: the row opens on the reasons.
    view.wait_for_text(why).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_folders_that_are_listed_without_end() -> Result<()> {
    let script = trap(|asked| match asked {
        ClientMessage::List(list) if list.path.as_str() == TRAP => {
            page(list.id, (10..26).map(|number| number.to_string()), EntryKind::Directory, None)
        }
        ClientMessage::List(list) => page(list.id, std::iter::empty(), EntryKind::File, Some("more")),
        _ => Vec::new(),
    });
    does_no_harm(script, async |_, view, hostile| {
        trap_lacks(view, hostile, "16 files or folders", "lists this folder without an end.").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_lies_in_itself() -> Result<()> {
    let script = trap(|asked| match asked {
        ClientMessage::List(list) => page(list.id, std::iter::once("in".to_owned()), EntryKind::Directory, None),
        _ => Vec::new(),
    });
    does_no_harm(script, async |_, view, hostile| {
        trap_lacks(view, hostile, "1 file or folder", "It lies more than 64 folders deep.").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_names_that_lead_elsewhere() -> Result<()> {
    const TRAPS: [(&str, &str); 3] = [("trap", ".."), ("trap 2", "../escaped"), ("trap 3", "/etc/passwd")];
    let script = |asked| match asked {
        ClientMessage::List(list) => match TRAPS.iter().find(|(folder, _)| *folder == list.path.as_str()) {
            Some((_, name)) => page(list.id, std::iter::once((*name).to_owned()), EntryKind::File, None),
            None => page(list.id, TRAPS.iter().map(|(name, _)| (*name).to_owned()), EntryKind::Directory, None),
        },
        _ => Vec::new(),
    };
    does_no_harm(script, async |stage, view, hostile| {
        view.ask_for(&hostile.to_string()).await?;
        for (folder, _) in TRAPS {
            view.download_folder(folder).await?;
        }
        for (folder, _) in TRAPS {
            says(view, folder, "can't be understood").await?;
        }
        ensure!(stage.saved_files()?.is_empty(), "these were saved: {:?}", stage.saved_files()?);
        Ok(())
    })
    .await
}

/// A trap with two small files, which come in a bundle as `bundled` makes them.
fn trap_with_files(listed: [u64; 2], bundled: impl Fn(&str) -> BundledFile) -> impl Fn(ClientMessage) -> Vec<Message> {
    trap(move |asked| match asked {
        ClientMessage::List(list) => {
            let files = ["a.bin", "b.bin"].iter().zip(listed);
            let entries = files.map(|(name, size)| entry(name, EntryKind::File, size)).collect();
            vec![binary(&ServerMessage::Listing(Listing { id: list.id, entries, next: None }))]
        }
        ClientMessage::Bundle(asked) => {
            let files = asked.names.iter().map(|name| Bundled::File(bundled(name))).collect();
            vec![binary(&ServerMessage::Bundle(BundleReply { id: asked.id, files }))]
        }
        _ => Vec::new(),
    })
}

/// A whole file of a name.
fn whole(name: &str) -> BundledFile {
    let data = Bait::new(name, 5000).bytes;
    BundledFile { modified_ms: None, version: FileVersion([1; 16]), root: *blake3::hash(&data).as_bytes(), data }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_a_file_that_has_not_its_hash() -> Result<()> {
    let script = trap_with_files([5000; 2], |name| match name {
        "a.bin" => BundledFile { root: [7; 32], ..whole(name) },
        _ => whole(name),
    });
    does_no_harm(script, async |stage, view, hostile| {
        view.ask_for(&hostile.to_string()).await?;
        view.download_folder(TRAP).await?;
        let lacks =
            |row: &&Row| row.state == "complete" && row.text.contains("1 file or folder could not be downloaded.");
        let row = view.wait_for_rows("all but one", |rows| rows.iter().find(lacks).cloned()).await?;
        view.expand(&row).await?;
        view.wait_for_text("sent bytes that do not belong to this file.").await?;
        view.save_folder(TRAP).await?;
        ensure!(stage.saved_files()? == [stage.downloads().join(TRAP).join("b.bin")], "{:?}", stage.saved_files()?);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_whose_files_have_other_sizes_than_it_says() -> Result<()> {
    // The arrived bytes have their own hash, so they count and not the listing.
    does_no_harm(trap_with_files([0, 100_000], whole), async |stage, view, hostile| {
        view.ask_for(&hostile.to_string()).await?;
        view.download_folder(TRAP).await?;
        view.save_folder(TRAP).await?;
        for name in ["a.bin", "b.bin"] {
            let saved = std::fs::read(stage.downloads().join(TRAP).join(name))?;
            ensure!(saved == whole(name).data, "{name} has other bytes: {}", saved.len());
        }
        Ok(())
    })
    .await
}

/// Too large for a bundle.
const LARGE: usize = 200_000;
/// The handle of the honest one of two large files.
const HONEST: u32 = Bait::HANDLE + 1;

/// A trap with two large files. The server says of `a.bin` the result of `lie` on the truth, and this for its size.
fn trap_with_large_files(
    listed: u64,
    lie: impl Fn(ServerMessage) -> ServerMessage,
) -> impl Fn(ClientMessage) -> Vec<Message> {
    let baits = ["a.bin", "b.bin"].map(|name| Bait::new(name, LARGE));
    trap(move |asked| {
        let is_honest = match asked {
            ClientMessage::Open(open) => open.path.as_str() == "trap/b.bin",
            ClientMessage::Blocks(asked) => asked.handle == HONEST,
            ClientMessage::Hashes(asked) => asked.handle == HONEST,
            ClientMessage::List(list) => {
                let files = baits.iter().zip([listed, LARGE as u64]);
                let entries = files.map(|(bait, size)| entry(&bait.name, EntryKind::File, size)).collect();
                return vec![binary(&ServerMessage::Listing(Listing { id: list.id, entries, next: None }))];
            }
            _ => false,
        };
        let Some(truth) = baits[usize::from(is_honest)].answer(asked) else { return Vec::new() };
        let said = match truth {
            ServerMessage::Opened(opened) if is_honest => ServerMessage::Opened(Opened { handle: HONEST, ..opened }),
            truth if is_honest => truth,
            truth => lie(truth),
        };
        vec![binary(&said)]
    })
}

/// Downloads the trap, and expects all of it but `a.bin`, of which it says these words.
async fn all_but_the_lie(stage: &Stage, view: &View<'_>, hostile: SocketAddr, words: &str) -> Result<()> {
    view.ask_for(&hostile.to_string()).await?;
    view.download_folder(TRAP).await?;
    let row = view.wait_for_rows("the trap", |rows| rows.iter().find(|row| row.name == TRAP).cloned()).await?;
    view.expand(&row).await?;
    view.wait_for_text(words).await?;
    let lacks = |row: &&Row| row.state == "complete" && row.text.contains("1 file or folder could not be downloaded.");
    view.wait_for_rows("all but one", |rows| rows.iter().any(|row| lacks(&row)).then_some(())).await?;
    view.save_folder(TRAP).await?;
    ensure!(stage.saved_files()? == [stage.downloads().join(TRAP).join("b.bin")], "{:?}", stage.saved_files()?);
    let saved = std::fs::read(stage.downloads().join(TRAP).join("b.bin"))?;
    ensure!(saved == Bait::new("b.bin", LARGE).bytes, "b.bin has other bytes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_a_large_file_of_other_bytes() -> Result<()> {
    let script = trap_with_large_files(LARGE as u64, |truth| match truth {
        ServerMessage::Blocks(reply) => {
            let mut data = reply.data.to_vec();
            data[0] ^= 1;
            ServerMessage::Blocks(BlocksReply { data: data.into(), ..reply })
        }
        truth => truth,
    });
    let words = "sent bytes that do not belong to this file.";
    does_no_harm(script, async |stage, view, hostile| all_but_the_lie(stage, view, hostile, words).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_a_large_file_larger_than_anything() -> Result<()> {
    let script = trap_with_large_files(u64::MAX, |truth| match truth {
        ServerMessage::Opened(opened) => ServerMessage::Opened(Opened { size: u64::MAX, ..opened }),
        truth => truth,
    });
    let words = "The server names a size that no file can have.";
    does_no_harm(script, async |stage, view, hostile| all_but_the_lie(stage, view, hostile, words).await).await
}
