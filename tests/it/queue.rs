//! The queue in memory, on a clock that the tests move.

mod bounds;
mod cancel;
mod capacity;
mod close;
mod counts;
mod driver;
mod due;
mod idle;
mod order;
mod stalled;
mod timekeeper;
mod waits;
mod wakes;

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use sse_queue::{Clock, FakeClock, Queue};

use crate::support::parser;

/// What a message of one letter counts in bytes: its frame, and 192.
const SMALL: usize = 17 + 192;

type Meanwhile = Box<dyn FnOnce() + Send>;

/// A clock that is read, and then held up while something else happens.
#[derive(Clone)]
struct HeldUp {
    clock: FakeClock,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

impl HeldUp {
    fn new(clock: &FakeClock) -> Self {
        Self {
            clock: clock.clone(),
            meanwhile: Arc::default(),
        }
    }

    fn at_the_next_reading(&self, what: impl FnOnce() + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::new(what));
    }
}

impl Clock for HeldUp {
    fn now(&self) -> SystemTime {
        let now = self.clock.now();
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        now
    }
}

/// What can be taken now without a stream: the data, with commas between.
fn rest(queue: &Queue) -> String {
    let mut bytes = Vec::new();
    while let Some(frame) = queue.next_ready() {
        bytes.extend_from_slice(&frame);
    }
    let events = parser::parse(&bytes).events;
    let data: Vec<_> = events.into_iter().map(|event| event.data).collect();
    data.join(",")
}

/// Every message that was accepted is somewhere.
#[track_caller]
fn adds_up(queue: &Queue) {
    let stats = queue.stats();
    let gone = stats.delivered + stats.dropped + stats.expired + stats.withdrawn;
    assert_eq!(stats.pushed, gone + stats.depth as u64, "{stats:?}");
}
