//! Acks, leases and dead letters.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use super::dead_letter::{AckError, DeadLetter};
use super::handle::Queue;
use super::step::MAX_PER_HOLD;
use super::wait_queue::Ticket;
use crate::ordered::Key;

/// Delivery at least once.
///
/// In a queue that delivers at most once, nothing is ever in flight and there are no dead letters.
impl Queue {
    /// Confirms a message that was handed out: its client is done with it.
    ///
    /// An ack may be repeated, whatever the order of the acks, as long as the message's number is
    /// among the last 1 048 576. Of messages whose events brought an id, the queue remembers the
    /// last 65 536 that are done, or fewer if their ids, plus 96 bytes for each, exceed 10 MiB.
    ///
    /// # Errors
    ///
    /// [`AckError`] if the message is no longer in flight, or never was. That includes every
    /// message of a queue that delivers at most once.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::queue::AckError;
    /// use sse_queue::{Lease, Queue};
    ///
    /// let lease = Lease::new(Duration::from_secs(30));
    /// let queue = Queue::builder().at_least_once(lease).build();
    /// let receipt = queue.push("job")?;
    /// queue.next_ready();
    /// queue.ack(receipt.id())?;
    /// queue.ack(receipt.id())?;
    /// assert_eq!(queue.stats().confirmed, 1);
    /// assert_eq!(queue.ack("nonsense"), Err(AckError::Unknown));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ack(&self, id: &str) -> Result<(), AckError> {
        self.shared().with(|state, step| state.ack(id, step))
    }

    /// Gives back a message that was handed out, to be handed out again after `delay`.
    ///
    /// With `None` it returns to its position in time order, before messages that were due later,
    /// unless the lease has a [backoff](crate::Lease::backoff). With a delay, zero included, it is
    /// due that long from now, and goes after messages that were due before. After its last attempt
    /// it becomes a dead letter instead.
    ///
    /// # Errors
    ///
    /// [`AckError`] if the message is no longer in flight, or never was.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Lease, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let lease = Lease::new(Duration::from_secs(30));
    /// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
    /// let receipt = queue.push("job")?;
    /// let first = queue.next_ready();
    /// queue.nack(receipt.id(), Some(Duration::from_secs(1)))?;
    /// assert_eq!(queue.next_ready(), None);
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(queue.next_ready(), first);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nack(&self, id: &str, delay: Option<Duration>) -> Result<(), AckError> {
        self.shared()
            .with(|state, step| state.nack(id, delay, step))
    }

    /// Moves the end of a message's lease later, by `by`.
    ///
    /// The lease then outlives the [grace](crate::Lease::grace) of a dropped stream.
    ///
    /// # Errors
    ///
    /// [`AckError`] if the message is no longer in flight, or never was.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Lease, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let lease = Lease::new(Duration::from_secs(30));
    /// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
    /// let receipt = queue.push("job")?;
    /// queue.next_ready();
    /// queue.extend_lease(receipt.id(), Duration::from_secs(30))?;
    /// clock.advance(Duration::from_secs(59));
    /// assert_eq!(queue.ack(receipt.id()), Ok(()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn extend_lease(&self, id: &str, by: Duration) -> Result<(), AckError> {
        self.shared().with(|state, step| state.extend(id, by, step))
    }

    /// Takes the dead letters: messages that were handed out as often as allowed and never
    /// confirmed, the oldest first.
    ///
    /// Until they are taken, they count towards the queue's bounds.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::queue::DeadLetterReason;
    /// use sse_queue::{FakeClock, Lease, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// let queue = Queue::builder().clock(clock.clone()).at_least_once(lease).build();
    /// queue.push("job")?;
    /// queue.next_ready();
    /// clock.advance(Duration::from_secs(30));
    /// let letters = queue.take_dead_letters();
    /// assert_eq!((letters[0].attempts(), letters[0].reason()), (1, DeadLetterReason::LeaseEnded));
    /// assert!(queue.take_dead_letters().is_empty());
    /// # Ok::<(), sse_queue::queue::PushError>(())
    /// ```
    #[must_use = "the messages are gone from the queue"]
    pub fn take_dead_letters(&self) -> Vec<DeadLetter> {
        let shared = self.shared();
        let mut letters = Vec::new();
        loop {
            let some = shared.with_caught_up(|state, _| state.take_dead(MAX_PER_HOLD));
            if some.is_empty() {
                return letters;
            }
            letters.extend(some.into_iter().map(|(mut lent, reason)| {
                lent.item.attempts = lent.attempts;
                let (due, seq) = (lent.due, lent.seq);
                let key = Key { due, seq };
                let remaining = lent.item.remaining(shared.epoch, key, lent.expires);
                DeadLetter::new(remaining, reason)
            }));
        }
    }

    /// Waits for dead letters and takes them, the oldest first.
    ///
    /// The list is empty only when there will be no more: the queue is closed, what was due then
    /// has left, and nothing is in flight; or the queue delivers at most once. A loop that takes
    /// dead letters must end then, or it spins. Waiting streams or a
    /// [driver](Self::drive) notice that a lease has ended. The future holds a handle to the queue.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is ready takes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Poll, Waker};
    /// use std::time::Duration;
    /// use sse_queue::{Lease, Queue};
    ///
    /// let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// let queue = Queue::builder().at_least_once(lease).build();
    /// let mut letters = pin!(queue.dead_letters());
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(letters.as_mut().poll(&mut cx).is_pending());
    /// let receipt = queue.push("job")?;
    /// queue.next_ready();
    /// queue.nack(receipt.id(), None)?;
    /// let Poll::Ready(letters) = letters.as_mut().poll(&mut cx) else { panic!() };
    /// assert_eq!(letters[0].id(), receipt.id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A task that logs dead letters until the queue is over:
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Lease, Queue};
    ///
    /// async fn log(queue: Queue) -> Vec<String> {
    ///     let mut ids = Vec::new();
    ///     loop {
    ///         let letters = queue.dead_letters().await;
    ///         if letters.is_empty() {
    ///             return ids;
    ///         }
    ///         ids.extend(letters.iter().map(|letter| letter.id().to_owned()));
    ///     }
    /// }
    ///
    /// let lease = Lease::new(Duration::from_secs(30)).max_attempts(1);
    /// let queue = Queue::builder().at_least_once(lease).epoch("e")?.build();
    /// queue.push("job")?;
    /// queue.next_ready();
    /// queue.nack("e-1", None)?;
    /// queue.close();
    /// assert_eq!(pollster::block_on(log(queue)), ["e-1"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn dead_letters(&self) -> impl Future<Output = Vec<DeadLetter>> + use<> {
        DeadLetters::new(self.clone())
    }
}

/// The future of [`Queue::dead_letters`](crate::Queue::dead_letters).
///
/// It holds a handle of the queue.
#[must_use = "futures do nothing unless polled"]
struct DeadLetters {
    queue: Queue,
    ticket: Option<Ticket>,
}

impl DeadLetters {
    fn new(queue: Queue) -> Self {
        Self {
            queue,
            ticket: None,
        }
    }
}

impl Future for DeadLetters {
    type Output = Vec<DeadLetter>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<DeadLetter>> {
        let Self { queue, ticket } = &mut *self;
        loop {
            let shared = queue.shared();
            let is_over = shared.poll(cx, |state, step, caller| {
                state.poll_dead(ticket, caller, step)
            });
            let Some(is_over) = is_over else {
                return Poll::Pending;
            };
            let letters = queue.take_dead_letters();
            // Another task may have been faster.
            if is_over || !letters.is_empty() {
                return Poll::Ready(letters);
            }
        }
    }
}

impl Drop for DeadLetters {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let shared = self.queue.shared();
            shared.with(|state, step| state.leave_dead(ticket, step));
        }
    }
}
