//! A stretch of fake time in the life of one stream.

use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;
use std::task::Wake;

use futures_core::Stream;

use super::FakeClock;

/// How often a stream is polled before time must pass. More than any test needs, and few enough that
/// a stream that is always ready fails within seconds.
const MAX_POLLS: u32 = 1_000_000;

/// Marks that a task was woken.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl FakeClock {
    /// Runs a stream for `span`: polls it whenever it is woken and moves time on to each deadline.
    /// Returns its items, each with the time since the call.
    ///
    /// What is due exactly at the end of the span belongs to it. If the stream ends earlier, time
    /// moves on to the end of the span all the same.
    ///
    /// # Panics
    ///
    /// If the stream is polled a million times while no time passes: it is always ready, or wakes
    /// itself without end. Take single chunks of such a stream with
    /// [`next_ready`](crate::EventStream::next_ready) or by polling it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Message, Pacing, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let pacing = Pacing::every(Duration::from_secs(1));
    /// let mut stream = queue.stream(clock.ticker())?.pacing(pacing);
    /// queue.push("a")?;
    /// queue.push("b")?;
    /// queue.push(Message::from("c").after(Duration::from_secs(60)))?;
    ///
    /// let secs = Duration::from_secs;
    /// let expected = [
    ///     (secs(0), ":\n".into()),
    ///     (secs(1), "id: e-1\ndata: a\n\n".into()),
    ///     (secs(2), "id: e-2\ndata: b\n\n".into()),
    /// ];
    /// assert_eq!(clock.run(&mut stream, secs(10)), expected);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run<S>(&self, stream: &mut S, span: Duration) -> Vec<(Duration, S::Item)>
    where
        S: Stream + Unpin + ?Sized,
    {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Arc::clone(&flag).into();
        let mut cx = Context::from_waker(&waker);
        let start = self.elapsed();
        let mut items = Vec::new();
        let mut has_ended = false;
        let mut polls = 0_u32;
        loop {
            let elapsed = self.elapsed().saturating_sub(start);
            // A stream that was not woken is not polled, or this would hide that a wake-up is lost.
            while !has_ended && flag.0.swap(false, Ordering::Relaxed) {
                assert!(
                    polls < MAX_POLLS,
                    "stream was polled {MAX_POLLS} times while no time passed"
                );
                polls = polls.saturating_add(1);
                match Pin::new(&mut *stream).poll_next(&mut cx) {
                    Poll::Ready(Some(item)) => {
                        items.push((elapsed, item));
                        flag.0.store(true, Ordering::Relaxed);
                    }
                    Poll::Ready(None) => has_ended = true,
                    Poll::Pending => {}
                }
            }
            let left = span.saturating_sub(elapsed);
            if left.is_zero() || self.elapsed() == Duration::MAX {
                return items;
            }
            let by = self.next_deadline().map_or(left, |next| next.min(left));
            if !by.is_zero() {
                polls = 0;
            }
            self.advance(by);
        }
    }
}
