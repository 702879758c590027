//! Pausing a queue.

use super::handle::Queue;

/// Pausing.
impl Queue {
    /// Hands out nothing until [`unpause`](Self::unpause): streams wait.
    ///
    /// Everything else goes on: keep-alives, pushes, acks, expiry and the ends of leases. What was
    /// handed out before stays with its client. [`close`](Self::close) ends a pause, so that what is
    /// due can leave, and a closed queue cannot be paused. Dropping the last handle also ends a
    /// pause, because nobody could end it any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::new();
    /// queue.push("x")?;
    /// queue.pause();
    /// assert!(queue.next_ready().is_none());
    /// queue.unpause();
    /// assert!(queue.next_ready().is_some());
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    pub fn pause(&self) {
        self.shared().with(|state, _| state.pause());
    }

    /// Ends a [pause](Self::pause), and wakes streams for what is due.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// let mut stream = queue.stream(clock.ticker())?.without_first_comment();
    /// queue.pause();
    /// queue.push("x")?;
    /// assert_eq!(stream.next_ready(), None);
    /// queue.unpause();
    /// assert_eq!(stream.next_ready().unwrap(), "id: e-1\ndata: x\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unpause(&self) {
        self.shared().with(|state, _| state.unpause());
    }

    /// Whether the queue is [paused](Self::pause).
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::new();
    /// queue.pause();
    /// assert!(queue.is_paused());
    /// queue.close();
    /// assert!(!queue.is_paused());
    /// ```
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.shared().state.lock().is_paused()
    }
}
