//! The handle of a queue.

use core::fmt;
use std::sync::Arc;

use super::builder::QueueBuilder;
use super::shared::Shared;
use super::stats::QueueStats;

/// Competing consumers: each message goes to exactly one stream, the earliest due first.
///
/// A `Queue` is a handle; its clones are the same queue. Any number of threads may push, any number
/// of streams may compete. Messages leave in the order of their due times; those that fall due at
/// the same time leave in the order in which they came, across all producers. Nothing leaves before
/// it is due, or once it has expired.
///
/// # Bounds
///
/// A queue holds at most [`capacity`](QueueBuilder::capacity) messages and
/// [`capacity_bytes`](QueueBuilder::capacity_bytes) of memory. What a push does beyond that is the
/// queue's [`Overflow`](super::Overflow).
///
/// # Liveness
///
/// A message that is due wakes the stream that has waited longest, and further ones only for what
/// that stream may not take. A stream that was woken but does not poll, in a `select!` whose other
/// branch is busy, holds up the others for 1 s at most.
///
/// As time passes messages fall due, leases end, and what expires makes room for producers. Up to two
/// of the streams that wait see to that: the one is woken for the next deadline, the other a second
/// later, in case the first does not poll. They are the last to be woken for a message. A push that
/// wakes a stream wakes one of them as well, unless it was awake within the last second. One that takes
/// a message and does not come back within a second is replaced. If both are
/// busy at the same time, the next call or poll sees what is due. Where that is too late, a
/// [driver](Self::drive) keeps the time instead of them.
///
/// No call pays for a crowd: one hold of the queue's lock moves at most 64 messages and wakes at most
/// 64 tasks; the streams that were woken wake the rest.
///
/// # End
///
/// [`close`](Self::close) and [`abort`](Self::abort) end all streams. When the last handle is
/// dropped nobody can push any more: streams end once all messages have left, also those that are
/// not due yet, if they ever fall due.
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

    /// A queue with the default bounds and the system's clock.
    ///
    /// # Panics
    ///
    /// On `wasm32-unknown-unknown`, where std has no clock; a [builder](Self::builder) with a clock
    /// of your own works there.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Queue;
    ///
    /// assert_eq!(Queue::new().stats().depth, 0);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Settings for a new queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::queue::Overflow;
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::builder().capacity(1).overflow(Overflow::DropOldest).build();
    /// queue.push("a")?;
    /// queue.push("b")?;
    /// assert_eq!((queue.stats().depth, queue.stats().dropped), (1, 1));
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    pub fn builder() -> QueueBuilder {
        QueueBuilder::new()
    }

    /// The epoch in the ids that this queue gives: `EPOCH-SEQ`.
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

impl Default for Queue {
    fn default() -> Self {
        Self::new()
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

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

/// What all handles share, and streams do not: its drop says that the last handle is gone.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.with(|state, _| state.drop_handles());
    }
}
