//! Clocks that are interrupted, run slowly, or count their readings.

use std::sync::atomic::{AtomicUsize, Ordering};
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

/// A clock that counts its readings, and may run slower than its ticker.
#[derive(Clone)]
pub struct Counting {
    clock: FakeClock,
    percent: u32,
    reads: Arc<AtomicUsize>,
}

impl Counting {
    pub fn new(clock: &FakeClock) -> Self {
        Self {
            clock: clock.clone(),
            percent: 100,
            reads: Arc::default(),
        }
    }

    /// Runs at a part of the ticker's pace.
    pub fn percent(self, percent: u32) -> Self {
        Self { percent, ..self }
    }

    /// How often it was read since the last call.
    pub fn reads(&self) -> usize {
        self.reads.swap(0, Ordering::Relaxed)
    }
}

impl Clock for Counting {
    fn now(&self) -> SystemTime {
        self.reads.fetch_add(1, Ordering::Relaxed);
        SystemTime::UNIX_EPOCH + self.clock.elapsed() * self.percent / 100
    }
}
