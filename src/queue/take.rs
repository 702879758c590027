//! Taking messages without a stream: to consume them, before they are delivered, and at the end.

use bytes::Bytes;

use super::delivery::AllLent;
use super::handle::Queue;
use super::shared::MAX_HOLDS;
use super::step::MAX_PER_HOLD;
use crate::message::remaining::Remaining;
use crate::ordered::Key;
use crate::source::chunk::Chunk;

/// Taking messages without a stream.
impl Queue {
    /// Takes the next message that is due, as one frame, without a stream or an executor.
    ///
    /// A call removes at most 1024 expired messages: if more of them precede the next message, it
    /// returns `None`, and the next call continues.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{Event, Queue};
    ///
    /// let queue = Queue::new();
    /// assert_eq!(queue.next_ready(), None);
    /// queue.push(Event::new("a").id("7")?)?;
    /// assert_eq!(queue.next_ready().unwrap(), "id: 7\ndata: a\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "the message is gone from the queue"]
    pub fn next_ready(&self) -> Option<Bytes> {
        let mut chunk = Chunk::default();
        let shared = self.shared();
        for _ in 0..MAX_HOLDS {
            if !shared.with(|state, step| state.next_ready(&mut chunk, step)) {
                break;
            }
        }
        chunk.join()
    }

    /// Withdraws a message that has not been handed out yet; returns whether there was one.
    ///
    /// If several events brought this id, the newest message is withdrawn.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Message, Queue};
    ///
    /// let queue = Queue::new();
    /// let receipt = queue.push(Message::from("x").after(Duration::from_secs(60)))?;
    /// assert!(queue.cancel(receipt.id()));
    /// assert!(!queue.cancel(receipt.id()));
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    #[must_use = "it may have been handed out already"]
    pub fn cancel(&self, id: &str) -> bool {
        self.shared()
            .with_caught_up(|state, step| state.cancel(id, step))
    }

    /// Takes all messages that were not delivered and have not expired, in order, due or not.
    ///
    /// In a queue that delivers at least once that includes messages in flight and dead letters.
    /// Each can be pushed again, here or elsewhere.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Message, Queue};
    ///
    /// let (old, new) = (Queue::new(), Queue::new());
    /// let id = old.push(Message::from("x").after(Duration::from_secs(60)))?.id().to_owned();
    /// old.close();
    /// for message in old.take_remaining() {
    ///     assert_eq!(message.id(), id);
    ///     new.push(message)?;
    /// }
    /// assert_eq!(new.stats().depth, 1);
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    #[must_use = "the messages are gone from the queue"]
    pub fn take_remaining(&self) -> Vec<Remaining> {
        let shared = self.shared();
        let (mut all, lent) = shared.with(|state, _| state.take_all());
        let now = shared.clock.now();
        if let Some(AllLent { leases, dead, .. }) = lent {
            let dead = dead.into_iter().map(|(lent, _)| lent);
            for mut lent in leases.into_lent().chain(dead) {
                lent.item.attempts = lent.attempts;
                let (due, seq) = (lent.due, lent.seq);
                all.insert((Key { due, seq }, lent.expires, lent.item));
            }
        }
        let mut all = core::iter::from_fn(|| all.pop());
        let mut remaining = Vec::new();
        loop {
            let some: Vec<_> = all.by_ref().take(MAX_PER_HOLD).collect();
            if some.is_empty() {
                return remaining;
            }
            let (expired, some): (Vec<_>, Vec<_>) = some
                .into_iter()
                .partition(|(_, expires, _)| expires.has_come(now));
            shared.with(|state, _| {
                state.recount_expired(&expired);
                state.record_all_stale(&some);
            });
            let epoch = shared.epoch;
            let some = some.into_iter();
            remaining.extend(some.map(|(key, expires, item)| item.remaining(epoch, key, expires)));
        }
    }
}
