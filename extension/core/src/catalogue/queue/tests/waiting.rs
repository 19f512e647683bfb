//! Transfers that wait for a server.

use super::*;

#[test]
fn one_that_waits_for_its_server_takes_nothing_from_the_others() {
    let mut desk = Desk::with_places(3);
    desk.limit_all(Some(9_000_000));
    let [waiting, running] = ["a", "b"].map(|path| desk.download(path));
    let mut said = desk.view(&waiting);
    said.state = TransferState::Waiting { retry_seconds: 4.0 };
    desk.report(&waiting, WorkerReport::Progress(Box::new(said)));
    assert_eq!((desk.rate_limit(&waiting), desk.rate_limit(&running)), (Some(4_500_000), Some(9_000_000)));
}

impl Desk {
    /// Says so often of these that they wait for their server.
    fn waits(&mut self, ids: &[TransferId], times: u32) {
        for _ in 0..times {
            for id in ids {
                let mut said = self.view(id);
                said.state = TransferState::Waiting { retry_seconds: 4.0 };
                self.report(id, WorkerReport::Progress(Box::new(said)));
            }
        }
    }

    fn stopped(&mut self) -> Vec<TransferId> {
        let stopped = |inner: &Inner| match inner {
            Inner::Stop(id) => Some(id.clone()),
            _ => None,
        };
        std::mem::take(&mut self.said).iter().filter_map(stopped).collect()
    }
}

#[test]
fn those_that_wait_for_a_server_that_is_gone_do_not_hold_up_all_others() {
    let mut desk = Desk::with_places(3);
    let mut dead: Vec<_> = (0..8)
        .map(|number| {
            let id = desk.download(&format!("dead {number}"));
            desk.waits(std::slice::from_ref(&id), 1);
            id
        })
        .collect();
    desk.started();
    let alive = desk.download("alive");
    desk.waits(&dead, 30);
    assert_eq!((desk.started(), desk.state(&alive)), (vec![], TransferState::Queued));
    desk.waits(&dead, 20);
    let stopped = desk.stopped();
    let [first] = stopped.as_slice() else { panic!("one makes room: {stopped:?}") };
    dead.retain(|id| id != first);
    desk.report(first, WorkerReport::Stopped);
    assert_eq!(desk.started(), ["alive"]);
    assert_eq!(desk.state(first), TransferState::Queued);
    desk.complete(&alive);
    assert_eq!(desk.started().len(), 1, "it comes back as soon as there is a place");
}

#[test]
fn those_that_made_room_come_to_their_turn_again() {
    let mut desk = Desk::with_places(3);
    let all: Vec<_> = (0..10).map(|number| desk.download(&format!("dead {number}"))).collect();
    let (mut seen, mut made_room, mut back) = (HashSet::new(), HashSet::new(), HashSet::new());
    let mut stops = 0;
    for _ in 0..1700 {
        let (waiting, running): (Vec<_>, Vec<_>) =
            all.iter().cloned().partition(|id| desk.state(id) == TransferState::Queued);
        assert!(waiting.len() >= 2);
        back.extend(running.iter().filter(|id| made_room.contains(*id)).cloned());
        desk.said.clear();
        desk.waits(&running, 1);
        for id in desk.stopped() {
            stops += 1;
            made_room.insert(id.clone());
            desk.report(&id, WorkerReport::Stopped);
        }
        seen.extend(running);
    }
    assert_eq!(seen.len(), all.len(), "each had its turn");
    assert!(!back.is_empty(), "and the first comes back");
    assert!(stops <= 2 + 8 + 2, "but nobody is driven round and round: {stops}");
}
