//! The timer thread: it sleeps until the next deadline, fires what is due, and wakes tasks.

use core::task::Waker;
use core::time::Duration;
use std::sync::{LazyLock, OnceLock};
use std::thread::{self, Thread};
use std::time::Instant;

use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use crate::time::timers::Timers;
use crate::wake::wake;

/// The number of locks that the tickers share. Two are enough for loom models.
pub(super) const SHARDS: usize = if cfg!(loom) { 2 } else { 16 };

/// The maximum number of ticks that are fired in one hold of a lock.
pub(super) const MAX_PER_LOCK: usize = 64;

/// The time of the next wake-up if there is none.
const NEVER: u64 = u64::MAX;

/// Shared by the tickers and their thread. Time is an argument, so that tests can act as the
/// thread.
pub(super) struct Timer {
    pub(super) shards: [Shard; SHARDS],
    /// The number of tickers so far: they are assigned to the shards in turn.
    tickers: AtomicU64,
    /// When the thread next wakes up without being unparked, in nanoseconds.
    ///
    /// The thread sets it to [`NEVER`] before it visits the shards, and afterwards lowers it to the
    /// earliest deadline. A ticker that lowers it must unpark the thread. So the thread does not
    /// sleep past a deadline that is armed in a shard that it has just visited. The shard's lock
    /// orders all that matters, so `Relaxed` is enough.
    wakes_at: AtomicU64,
    /// The latest time for which the thread has begun to fire, in nanoseconds. The thread stores it
    /// before it calls the wakers, so the poll after a wake-up sees it.
    fired_until: AtomicU64,
    pub(super) thread: OnceLock<Thread>,
}

/// The timers of some tickers. Each lock has a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
pub(super) struct Shard(pub(super) Mutex<Timers>);

/// When the thread must fire again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextWake {
    /// At once, because it has called wakers, which may have taken a while.
    Now,
    At(Duration),
    /// When it is unparked.
    Never,
}

impl Default for Timer {
    fn default() -> Self {
        Self {
            shards: Default::default(),
            tickers: AtomicU64::new(0),
            // The thread is still starting, which is as if it were about to wake up.
            wakes_at: AtomicU64::new(0),
            fired_until: AtomicU64::new(0),
            thread: OnceLock::new(),
        }
    }
}

impl Timer {
    pub(super) fn assign_shard(&self) -> usize {
        let number = self.tickers.fetch_add(1, Ordering::Relaxed);
        let shard = number.checked_rem(SHARDS as u64).unwrap_or_default();
        usize::try_from(shard).unwrap_or_default()
    }

    pub(super) fn timers(&self, shard: usize) -> MutexGuard<'_, Timers> {
        let [first, ..] = &self.shards;
        self.shards.get(shard).unwrap_or(first).0.lock()
    }

    /// Makes sure that the thread does not sleep past a deadline that has been armed.
    pub(super) fn wake_by(&self, deadline: Duration) {
        if self.bring_forward(deadline)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// Brings the thread's next wake-up forward to `deadline`. Returns whether the thread must be
    /// unparked for that.
    pub(super) fn bring_forward(&self, deadline: Duration) -> bool {
        let deadline = nanos(deadline);
        // Most deadlines are later than the next wake-up, and then there is no write.
        deadline < self.wakes_at.load(Ordering::Relaxed)
            && deadline < self.wakes_at.fetch_min(deadline, Ordering::Relaxed)
    }

    /// False if the thread has certainly not begun to fire what is due at `deadline`.
    pub(super) fn may_have_fired(&self, deadline: Duration) -> bool {
        nanos(deadline) <= self.fired_until.load(Ordering::Relaxed)
    }

    /// Visits each shard once, fires up to 64 arms that are due at `now`, and calls their wakers
    /// outside the lock.
    pub(super) fn fire(&self, now: Duration, due: &mut Vec<Waker>) -> NextWake {
        self.wakes_at.store(NEVER, Ordering::Relaxed);
        self.fired_until.fetch_max(nanos(now), Ordering::Relaxed);
        let (mut next, mut has_woken) = (NEVER, false);
        for shard in &self.shards {
            let deadline = {
                let mut timers = shard.0.lock();
                timers.pop_due(now, MAX_PER_LOCK, due);
                timers.next_deadline()
            };
            next = next.min(deadline.map_or(NEVER, nanos));
            has_woken |= !due.is_empty();
            due.drain(..).for_each(wake);
        }
        let next = self.wakes_at.fetch_min(next, Ordering::Relaxed).min(next);
        match next {
            // A waker may have consumed the thread's unpark token by parking the thread.
            _ if has_woken => NextWake::Now,
            NEVER => NextWake::Never,
            next => NextWake::At(Duration::from_nanos(next)),
        }
    }

    /// Runs the thread. If a ticker is armed between `fire` and the park, its unpark token makes
    /// the park return at once.
    pub(super) fn run(&self) {
        let mut due = Vec::new();
        loop {
            let now = now();
            match self.fire(now, &mut due) {
                NextWake::Now => {}
                NextWake::At(next) => thread::park_timeout(next.saturating_sub(now)),
                NextWake::Never => thread::park(),
            }
        }
    }
}

/// A duration in nanoseconds; the highest number if it is longer than 584 years.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The time of all thread tickers.
pub(super) fn now() -> Duration {
    // Initialized by a ticker or the thread, so never on a platform without threads, which may have
    // no `Instant` either.
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    ORIGIN.elapsed()
}
