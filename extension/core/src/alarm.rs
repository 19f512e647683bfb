//! One timer that is set again after every event, nearly always for later than before.

use std::cell::RefCell;
use std::time::Duration;

use gloo_timers::callback::Timeout;
use wstp_engine::Instant;

use crate::clock;

/// The browser's timers can't be set for longer.
const MAX_WAIT: Duration = Duration::from_secs(1 << 20);

/// A timer. Dropping it stops it.
#[derive(Default)]
pub struct Alarm {
    armed: RefCell<Option<(Instant, Timeout)>>,
}

impl Alarm {
    /// Rings at `due`, or earlier where it is armed for an earlier time. Setting the browser's timer costs as much as
    /// handling a message, so it stays as it is until it rings. The one who hears it sets it again.
    pub fn set(&self, due: Option<Instant>, ring: impl FnOnce() + 'static) {
        let Some(due) = due else { return self.stop() };
        let mut armed = self.armed.borrow_mut();
        if armed.as_ref().is_some_and(|(earlier, _)| *earlier <= due) {
            return;
        }
        let wait = (due - clock::now()).min(MAX_WAIT);
        // Rounded up: ringing a moment too early would be for nothing.
        let wait = wait.as_millis() as u32 + u32::from(!wait.is_zero());
        *armed = Some((due, Timeout::new(wait, ring)));
    }

    /// Does not ring, until it is set again.
    pub fn stop(&self) {
        self.armed.take();
    }

    /// To be called when it rings.
    pub fn rang(&self) {
        // The timer is done; dropping it later would do nothing.
        self.armed.take().map(|(_, timer)| timer.forget());
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use gloo_timers::future::sleep;
    use wasm_bindgen_test::wasm_bindgen_test;

    const SOON: Duration = Duration::from_millis(20);
    const LATER: Duration = Duration::from_millis(60);
    const NEVER: Duration = Duration::from_secs(3600);

    struct Listener {
        alarm: Alarm,
        rang: Cell<Option<&'static str>>,
    }

    impl Listener {
        fn new() -> Rc<Self> {
            Rc::new(Self { alarm: Alarm::default(), rang: Cell::default() })
        }

        fn set(self: &Rc<Self>, wait: Option<Duration>, name: &'static str) {
            let listener = self.clone();
            self.alarm.set(wait.map(|wait| clock::now() + wait), move || {
                listener.alarm.rang();
                listener.rang.set(Some(name));
            });
        }
    }

    #[wasm_bindgen_test]
    async fn it_rings_at_the_earliest_time_that_was_set() {
        for (first, second, heard) in [(SOON, NEVER, "first"), (NEVER, SOON, "second")] {
            let listener = Listener::new();
            listener.set(Some(first), "first");
            listener.set(Some(second), "second");
            sleep(LATER).await;
            assert_eq!(listener.rang.get(), Some(heard));
        }
    }

    #[wasm_bindgen_test]
    async fn it_rings_once_and_can_be_set_again() {
        let listener = Listener::new();
        for name in ["first", "second"] {
            listener.set(Some(SOON), name);
            sleep(LATER).await;
            assert_eq!(listener.rang.take(), Some(name));
        }
        sleep(LATER).await;
        assert_eq!(listener.rang.get(), None);
    }

    #[wasm_bindgen_test]
    async fn an_alarm_for_no_time_does_not_ring() {
        let listener = Listener::new();
        listener.set(Some(SOON), "first");
        listener.set(None, "second");
        sleep(LATER).await;
        assert_eq!(listener.rang.get(), None);
    }
}
