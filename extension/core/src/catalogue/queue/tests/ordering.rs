//! The order of the transfers, sweeps over all of them, and their shares.

use super::*;

#[test]
fn pause_all_stops_those_under_way_and_starts_none_of_the_others() {
    let mut desk = Desk::with_places(1);
    let (first, second) = (desk.download("a"), desk.download("b"));
    desk.done(Command::Sweep(Sweep::Pause));
    assert!(desk.said.contains(&Inner::Stop(first.clone())));
    desk.started();
    desk.report(&first, WorkerReport::Stopped);
    assert_eq!((desk.state(&first), desk.state(&second)), (TransferState::Paused, TransferState::Paused));
    assert!(desk.started().is_empty());
    desk.restart();
    assert_eq!(desk.state(&second), TransferState::Paused);
}

#[test]
fn resume_all_goes_on_with_the_paused_and_leaves_the_cancelled() {
    let mut desk = Desk::with_places(3);
    let (paused, cancelled) = (desk.download("a"), desk.download("b"));
    desk.done(Command::Cancel { transfer: cancelled.clone() });
    desk.done(Command::Sweep(Sweep::Pause));
    desk.report(&paused, WorkerReport::Stopped);
    desk.report(&cancelled, WorkerReport::Stopped);
    desk.started();
    desk.done(Command::Sweep(Sweep::Resume));
    assert_eq!(desk.started(), ["a"]);
    assert_eq!(desk.state(&cancelled), TransferState::Cancelled);
}

#[test]
fn retry_all_takes_up_what_failed_and_nothing_else() {
    let mut desk = Desk::with_places(3);
    let (failed, paused) = (desk.download("a"), desk.download("b"));
    desk.fail(&failed);
    desk.done(Command::Pause { transfer: paused.clone() });
    desk.report(&paused, WorkerReport::Stopped);
    desk.started();
    desk.done(Command::Sweep(Sweep::Retry));
    assert_eq!(desk.started(), ["a"]);
    assert_eq!(desk.state(&paused), TransferState::Paused);
}

#[test]
fn a_sweep_that_means_nobody_writes_nothing() {
    let mut desk = Desk::with_places(3);
    let before = desk.records.len();
    for sweep in [Sweep::Pause, Sweep::Resume, Sweep::Retry] {
        desk.done(Command::Sweep(sweep));
    }
    assert_eq!(desk.records.len(), before);
}

#[test]
fn a_sweep_sent_again_under_its_id_has_no_second_effect() {
    let mut desk = Desk::with_places(3);
    let transfer = desk.download("a");
    let id = CommandId("ff".repeat(16));
    assert_eq!(desk.send_as(&id, Command::Sweep(Sweep::Pause)), Ok(Reply::Done));
    desk.report(&transfer, WorkerReport::Stopped);
    desk.done(Command::Sweep(Sweep::Resume));
    assert_eq!(desk.send_as(&id, Command::Sweep(Sweep::Pause)), Ok(Reply::Done));
    assert_eq!(desk.state(&transfer), TransferState::Starting);
}

#[test]
fn the_one_moved_to_the_top_is_the_next_to_start() {
    let mut desk = Desk::with_places(1);
    let first = desk.download("a");
    let [_, _, last] = ["b", "c", "d"].map(|path| desk.download(path));
    desk.done(Command::Move { transfer: last, step: Step::First });
    desk.started();
    desk.complete(&first);
    assert_eq!(desk.started(), ["d"]);
}

#[test]
fn steps_change_the_order_by_one_and_it_survives_a_restart() {
    let mut desk = Desk::with_places(1);
    desk.download("a");
    let [b, _, d] = ["b", "c", "d"].map(|path| desk.download(path));
    desk.done(Command::Move { transfer: d.clone(), step: Step::Earlier });
    desk.done(Command::Move { transfer: b.clone(), step: Step::Later });
    assert_eq!((desk.view(&d).place, desk.view(&b).place), (Some(1), Some(2)));
    desk.done(Command::Set { settings: Settings { active_transfers: 4, ..Settings::default() } });
    assert_eq!(desk.started(), ["a", "d", "b", "c"]);
    desk.restart();
    assert_eq!(desk.view(&d).state, TransferState::Starting);
}

#[test]
fn a_step_beyond_either_end_and_one_of_a_running_transfer_do_nothing() {
    let mut desk = Desk::with_places(1);
    let [running, first, last] = ["a", "b", "c"].map(|path| desk.download(path));
    let before = desk.records.len();
    for (transfer, step) in [
        (&running, Step::First),
        (&running, Step::Later),
        (&first, Step::First),
        (&first, Step::Earlier),
        (&last, Step::Later),
    ] {
        desk.done(Command::Move { transfer: transfer.clone(), step });
    }
    assert_eq!(desk.records.len(), before);
    assert!(desk.send(Command::Move { transfer: TransferId("gone".into()), step: Step::First }).is_err());
}

#[test]
fn the_places_of_all_that_wait_are_told_when_one_starts() {
    let mut desk = Desk::with_places(1);
    let [first, second, third] = ["a", "b", "c"].map(|path| desk.download(path));
    assert_eq!((desk.view(&second).place, desk.view(&third).place), (Some(1), Some(2)));
    desk.queue.take_events();
    desk.complete(&first);
    assert_eq!((desk.view(&second).place, desk.view(&third).place), (None, Some(1)));
    assert!(format!("{:?}", desk.queue.take_events()).contains(&third.0));
}

#[test]
fn three_are_under_way_at_once_unless_set_otherwise() {
    let mut desk = Desk::with_places(Settings::default().active_transfers);
    for path in ["a", "b", "c", "d"] {
        desk.download(path);
    }
    assert_eq!(desk.started(), ["a", "b", "c"]);
}

#[test]
fn those_that_run_share_the_limit_and_get_more_when_one_ends() {
    let mut desk = Desk::with_places(3);
    desk.limit_all(Some(9_000_000));
    let [first, second] = ["a", "b"].map(|path| desk.download(path));
    assert_eq!((desk.rate_limit(&first), desk.rate_limit(&second)), (Some(4_500_000), Some(4_500_000)));
    let third = desk.download("c");
    assert_eq!((desk.rate_limit(&first), desk.rate_limit(&third)), (Some(3_000_000), Some(3_000_000)));
    desk.complete(&second);
    assert_eq!((desk.rate_limit(&first), desk.rate_limit(&third)), (Some(4_500_000), Some(4_500_000)));
    desk.limit_all(None);
    assert_eq!(desk.rate_limit(&first), None);
}

#[test]
fn a_transfers_own_limit_leaves_the_rest_to_the_others_and_survives_a_restart() {
    let mut desk = Desk::with_places(3);
    desk.limit_all(Some(9_000_000));
    let [slow, fast] = ["a", "b"].map(|path| desk.download(path));
    desk.done(Command::Limit { transfer: slow.clone(), rate: Some(1_000_000) });
    assert_eq!((desk.rate_limit(&slow), desk.rate_limit(&fast)), (Some(1_000_000), Some(8_000_000)));
    desk.restart();
    assert_eq!((desk.rate_limit(&slow), desk.rate_limit(&fast)), (Some(1_000_000), Some(8_000_000)));
    assert_eq!(desk.view(&slow).rate_limit, Some(1_000_000));
}

#[test]
fn the_order_of_blocks_is_told_to_the_worker_and_survives_a_restart() {
    let mut desk = Desk::with_places(3);
    let [ordered, other] = ["a", "b"].map(|path| desk.download(path));
    assert_eq!(desk.order(&ordered), BlockOrder::Fastest);
    desk.done(Command::Order { transfer: ordered.clone(), order: BlockOrder::InOrder });
    assert_eq!((desk.order(&ordered), desk.order(&other)), (BlockOrder::InOrder, BlockOrder::Fastest));
    desk.restart();
    assert_eq!((desk.order(&ordered), desk.order(&other)), (BlockOrder::InOrder, BlockOrder::Fastest));
    assert_eq!(desk.view(&ordered).order, BlockOrder::InOrder);
    desk.done(Command::Order { transfer: ordered.clone(), order: BlockOrder::Fastest });
    assert_eq!(desk.order(&ordered), BlockOrder::Fastest);
}
