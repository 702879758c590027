//! The handle of a queue.

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::shared::Shared;
use super::stats::QueueStats;

/// Competing consumers: each message goes to exactly one stream, the earliest due first.
///
/// A `Queue` is a handle; its clones are the same queue. Any number of threads may push, and any
/// number of streams may compete. Messages leave in the order of their due times; those that fall
/// due at the same time leave in the order in which they arrived, across all producers. Nothing
/// leaves before it is due, or after it has expired.
///
/// # Bounds
///
/// A queue holds at most [`capacity`](super::QueueBuilder::capacity) messages and
/// [`capacity_bytes`](super::QueueBuilder::capacity_bytes) of memory. [`Overflow`](super::Overflow)
/// decides what a push beyond these bounds does.
///
/// # Liveness
///
/// A due message wakes the stream that has waited longest; further streams are woken only for
/// messages that this one may not take. A stream that was woken but does not poll, such as one in a
/// `select!` whose other branch is busy, delays the others by at most 1 s.
///
/// As time passes, messages fall due, leases end, and expired messages free capacity for producers.
/// Up to two of the waiting streams, the *timekeepers*, wait for these deadlines: one is woken at
/// the next deadline, and the other a second later, in case the first does not poll. They are the
/// last to be woken for a message. A push that wakes a stream also wakes a timekeeper, unless one
/// was awake within the last second. A timekeeper that takes a message and does not return within a
/// second is replaced.
///
/// If both timekeepers are busy at once, the others wait until the next call, poll or keep-alive.
/// To avoid that, give the queue a [driver](Self::drive).
///
/// The cost of a call does not depend on how many streams or messages there are: one hold of the
/// queue's lock moves at most 64 messages and wakes at most 64 tasks, and the streams that were
/// woken wake the rest.
///
/// # End
///
/// [`close`](Self::close) and [`abort`](Self::abort) end all streams. When the last handle is
/// dropped, nothing can be pushed any more: streams end once all messages have left, including
/// scheduled ones, unless they are never due.
///
/// # Examples
///
/// ```
/// use sse_queue::{FakeClock, Queue};
///
/// let clock = FakeClock::new();
/// let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
/// let mut stream = queue.stream(clock.ticker())?.without_first_comment();
///
/// queue.push("hello")?;
/// queue.push("world")?;
/// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: hello\n\nid: e-2\ndata: world\n\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Queue {
    handle: Arc<Handle>,
}

impl Queue {
    pub(super) fn with(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        let handle = Arc::new(Handle { shared });
        Self { handle }
    }

    /// The epoch in the ids that this queue assigns: `EPOCH-SEQ`.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::builder().epoch("monday1")?.build();
    /// assert_eq!(queue.epoch(), "monday1");
    /// assert_eq!(queue.push("x")?.id(), "monday1-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn epoch(&self) -> &str {
        self.shared().epoch.as_str()
    }

    /// The queue's counters.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::new();
    /// queue.push("a")?;
    /// queue.push("b")?;
    /// queue.next_ready();
    /// let stats = queue.stats();
    /// assert_eq!((stats.pushed, stats.delivered, stats.depth), (2, 1, 1));
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        self.shared()
            .with_caught_up(|state, step| state.stats(step.now))
    }

    #[inline]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
}

/// Changes a reference count: no lock, no clock.
impl Clone for Queue {
    fn clone(&self) -> Self {
        Self {
            handle: Arc::clone(&self.handle),
        }
    }
}

/// A caller's panic leaves the queue in a valid state.
impl UnwindSafe for Queue {}

/// A caller's panic leaves the queue in a valid state.
impl RefUnwindSafe for Queue {}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

/// What all handles share and streams do not: its drop tells the queue that the last handle is
/// gone.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.with(|state, _| state.drop_handles());
    }
}
