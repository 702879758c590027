//! Peeking: showing messages that stay in the queue.

use super::handle::Queue;
use super::peeked::Peeked;
use super::state::{Among, Peek};

/// Peeking: showing messages without taking them.
///
/// One hold of the queue's lock shows up to 64 messages, as they are at one moment. If `max` is
/// more, other threads may change the queue between two holds: a message that stays where it is
/// throughout the call is shown once; one that is pushed, moves or leaves in the meantime may be
/// missing, and one that moves may be shown twice. Expired messages are not shown, and neither are
/// dead letters. The cost of a call grows with the number of messages that it shows, and not with
/// the number that the queue holds.
impl Queue {
    /// Shows messages that are due, in the order in which they leave.
    ///
    /// That includes those that a [pause](Self::pause) or a
    /// [rate](crate::queue::QueueBuilder::rate) keeps back.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::builder().epoch("e")?.build();
    /// queue.push_all(["a", "b", "c"])?;
    /// let next = queue.peek_ready(2);
    /// assert_eq!(next.iter().map(|message| message.id()).collect::<Vec<_>>(), ["e-1", "e-2"]);
    /// assert_eq!(queue.next_ready().as_ref(), Some(next[0].frame()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "peeking changes nothing"]
    pub fn peek_ready(&self, max: usize) -> Vec<Peeked> {
        self.peek(Among::Ready, max)
    }

    /// Shows messages that are not due yet, the earliest first.
    ///
    /// That includes messages that were handed out, and now wait for their next attempt. Messages
    /// that fall due after the queue was [closed](Self::close) stay scheduled.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{FakeClock, Message, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::builder().clock(clock.clone()).epoch("e")?.build();
    /// queue.push(Message::from("late").after(Duration::from_secs(60)))?;
    /// queue.push(Message::from("soon").after(Duration::from_secs(1)))?;
    /// assert_eq!(queue.peek_scheduled(1)[0].id(), "e-2");
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(queue.peek_scheduled(1)[0].id(), "e-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "peeking changes nothing"]
    pub fn peek_scheduled(&self, max: usize) -> Vec<Peeked> {
        self.peek(Among::Scheduled, max)
    }

    /// Shows messages that were handed out and are not confirmed, in the order in which they were
    /// pushed.
    ///
    /// In a queue that delivers at most once there are none.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::{Lease, Queue};
    ///
    /// let lease = Lease::new(Duration::from_secs(30));
    /// let queue = Queue::builder().at_least_once(lease).epoch("e")?.build();
    /// queue.push_all(["a", "b"])?;
    /// queue.next_ready();
    /// let in_flight = queue.peek_in_flight(10);
    /// assert_eq!((in_flight.len(), in_flight[0].id()), (1, "e-1"));
    /// queue.ack("e-1")?;
    /// assert!(queue.peek_in_flight(10).is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "peeking changes nothing"]
    pub fn peek_in_flight(&self, max: usize) -> Vec<Peeked> {
        self.peek(Among::InFlight, max)
    }

    fn peek(&self, among: Among, max: usize) -> Vec<Peeked> {
        let shared = self.shared();
        let mut peek = Peek::new(shared.epoch, among, max);
        let mut all = Vec::new();
        loop {
            all.extend(shared.with_caught_up(|state, step| state.peek(&mut peek, step)));
            if peek.is_over() {
                return all;
            }
            shared.state.end_turn();
        }
    }
}
