//! Ending one stream from outside.

use core::fmt;
use core::task::Waker;
use std::sync::Arc;

use super::event_stream::EventStream;
use super::phase::Phase;
use crate::source::Source;
use crate::sync::Mutex;
use crate::time::Ticker;
use crate::wake::wake;

/// Ends one stream from outside, such as when its client's right to read it is revoked.
///
/// Made by [`EventStream::end_handle`]. Its clones end the same stream. It keeps neither the stream
/// nor its source alive, and does nothing once the stream has ended.
///
/// # Examples
///
/// ```
/// use sse_queue::topic::Start;
/// use sse_queue::{Event, FakeClock, Topic};
///
/// let topic = Topic::new();
/// let stream = topic.stream(Start::Now, FakeClock::new().ticker())?;
/// let mut stream = stream.farewell(Event::new("").name("revoked")?);
/// let handle = stream.end_handle();
/// stream.next_ready();
///
/// topic.publish("not for this client any more")?;
/// handle.end();
/// assert_eq!(stream.next_ready().unwrap(), "event: revoked\ndata: \n\n");
/// assert_eq!(stream.next_ready(), None);
/// assert!(stream.is_terminated());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct EndHandle {
    signal: Arc<Signal>,
}

impl EndHandle {
    /// Ends the stream: its next poll yields the [farewell](EventStream::farewell) if there is one,
    /// and nothing else. Its task is woken.
    ///
    /// As with [`Topic::abort`](crate::Topic::abort), a stream whose client does not read is not
    /// polled: drop its connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let mut stream = Queue::new().stream(FakeClock::new().ticker())?;
    /// stream.end_handle().end();
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// # Ok::<(), sse_queue::stream::TooManyStreams>(())
    /// ```
    pub fn end(&self) {
        let mut slot = self.signal.slot.lock();
        slot.is_ended = true;
        let waker = slot.waker.take();
        drop(slot);
        if let Some(waker) = waker {
            wake(waker);
        }
    }
}

impl fmt::Debug for EndHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndHandle").finish_non_exhaustive()
    }
}

impl<S: Source, T: Ticker> EventStream<S, T> {
    /// Returns a handle that ends this stream from outside. Further calls return handles to the
    /// same stream.
    ///
    /// Take the first handle before the first poll: it wakes a task that is already waiting for the
    /// stream only after that task has polled again. A stream without a handle pays nothing for
    /// this.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let mut stream = Queue::new().stream(FakeClock::new().ticker())?;
    /// let handle = stream.end_handle();
    /// assert_eq!(stream.next_ready().unwrap(), ":\n");
    /// handle.end();
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// # Ok::<(), sse_queue::stream::TooManyStreams>(())
    /// ```
    pub fn end_handle(&mut self) -> EndHandle {
        if matches!(self.phase, Phase::Leaving | Phase::Ended) {
            return EndHandle {
                signal: Arc::default(),
            };
        }
        if self.phase == Phase::Open {
            self.phase = Phase::Watched;
        }
        let watch = self.settings.rare().end.get_or_insert_default();
        let signal = Arc::clone(&watch.signal);
        EndHandle { signal }
    }
}

/// What a stream and its handles share.
#[derive(Default)]
struct Signal {
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    is_ended: bool,
    waker: Option<Waker>,
}

/// The stream's side: when it is dropped, no handle keeps the task's waker.
#[derive(Default)]
pub(super) struct EndWatch {
    signal: Arc<Signal>,
}

impl EndWatch {
    /// Whether the stream was ended; if not, `waker` is woken when it is.
    pub(super) fn poll(&self, waker: Option<&Waker>) -> bool {
        let mut fresh = None;
        loop {
            let mut slot = self.signal.slot.lock();
            let is_kept = waker.is_none_or(|waker| slot.keeps(waker));
            if slot.is_ended || is_kept {
                return slot.is_ended;
            }
            if fresh.is_some() {
                let displaced = core::mem::replace(&mut slot.waker, fresh);
                drop(slot);
                drop(displaced);
                return false;
            }
            drop(slot);
            // Not under the lock: it is the caller's code.
            fresh = waker.cloned();
        }
    }
}

impl Drop for EndWatch {
    fn drop(&mut self) {
        let mut slot = self.signal.slot.lock();
        let waker = slot.waker.take();
        drop(slot);
        drop(waker);
    }
}

impl Slot {
    fn keeps(&self, waker: &Waker) -> bool {
        self.waker.as_ref().is_some_and(|own| own.will_wake(waker))
    }
}
