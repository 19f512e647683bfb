//! The faults of the program this one descends from, as far as they can be seen in a browser. Each is a test here or
//! where its theme is:
//!
//! | the fault | the test |
//! |---|---|
//! | blocks were fetched tail first | `blocks_come_head_first` |
//! | each block that came asked for two more, without bound | `what_is_asked_for_at_once_is_bounded` |
//! | a shorter file under a longer one's name kept its tail | `transfers`: `a_shorter_file_under_the_name_of_a_longer_one_has_no_stale_tail` |
//! | a file of no bytes crashed the server | `sizes`: `a_file_of_no_bytes_arrives_and_the_server_lives_on` |
//! | a second click mixed two files | `transfers`: `a_file_clicked_twice_is_one_transfer_and_comes_over_once`, `five_transfers_at_once_all_arrive_whole` |
//! | reconnecting stacked handlers | `survival`: `connections_cut_again_and_again_do_not_pile_up` |
//! | names were injected as HTML | `names`: `markup_in_a_name_is_shown_and_not_run` |
//! | files of one name overwrote each other | `names`: `files_of_one_name_in_two_folders_stay_two_files` |
//! | any path on the server could be read | `names`: `a_link_out_of_the_folder_leads_nowhere` |
//! | an unreadable file left the client waiting for ever | `transfers`: `a_file_that_vanished_is_an_error_in_words_and_not_a_wait` |
//! | dangling links and unreadable folders crashed the server | `names`: `a_dangling_link_does_not_break_its_folder` |

use anyhow::{Result, ensure};
use wstp_e2e::{Page, Stage};

const MIB: u64 = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_head_first() -> Result<()> {
    let size = 32 * MIB;
    let stage = Stage::serving(&[("order.bin", size)]).await?;
    let view = stage.open_connected().await?;
    stage.download_part(&view, "order.bin", size / 2).await?;
    let manager = stage.open(Page::Manager).await?;
    let committed = manager.wait_for_committed(size / 4).await?;
    ensure!(committed.head() > size / 8, "half of the file has come, and of its head only {} bytes", committed.head());
    ensure!(committed.end() < size * 3 / 4, "half of the file has come, and byte {} is among it", committed.end());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_at_once_is_bounded() -> Result<()> {
    let size = 256 * MIB;
    let stage = Stage::serving(&[("window.bin", size)]).await?;
    let view = stage.open_connected().await?;
    view.wait_for_name("window.bin").await?;
    let before = stage.proxy.asked();
    stage.proxy.hold_after(size / 4);
    view.download("window.bin").await?;
    stage.proxy.held().await?;
    let at_a_quarter = stage.proxy.asked() - before;
    stage.proxy.release();
    view.show_transfers().await?;
    view.wait_for_state("window.bin", &["complete"]).await?;
    let in_all = stage.proxy.asked() - before;
    // A quarter has arrived and another quarter may be in flight.
    ensure!(
        at_a_quarter * 3 < in_all * 2,
        "{at_a_quarter} of {in_all} bytes of requests were sent when a quarter had come"
    );
    Ok(())
}
