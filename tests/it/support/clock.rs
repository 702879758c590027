//! Clocks that do more than tell the time.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use sse_queue::{Clock, FakeClock};

type Work = Box<dyn FnOnce() + Send>;

/// A clock that runs some work at one of its next readings, as another thread would between two
/// parts of a call.
#[derive(Clone, Default)]
pub struct Interrupted {
    pub clock: FakeClock,
    /// The readings to come before it, and the work.
    work: Arc<Mutex<Option<(usize, Work)>>>,
}

impl Interrupted {
    pub fn new(clock: &FakeClock) -> Self {
        Self {
            clock: clock.clone(),
            work: Arc::default(),
        }
    }

    pub fn run_after(&self, readings: usize, work: impl FnOnce() + Send + 'static) {
        *self.work.lock().unwrap() = Some((readings, Box::new(work)));
    }

    pub fn has_run(&self) -> bool {
        self.work.lock().unwrap().is_none()
    }
}

impl Clock for Interrupted {
    fn now(&self) -> SystemTime {
        let now = self.clock.now();
        let work = self.work.lock().unwrap().take();
        match work {
            Some((0, work)) => work(),
            Some((left, work)) => *self.work.lock().unwrap() = Some((left - 1, work)),
            None => {}
        }
        now
    }
}
