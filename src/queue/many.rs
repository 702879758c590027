//! Pushing and acking many messages with one call.

use core::fmt;
use core::mem;
use std::collections::VecDeque;

use thiserror::Error;

use super::backlog::{Push, Pushed};
use super::dead_letter::AckError;
use super::handle::Queue;
use super::push_error::PushError;
use super::shared::{MAX_HOLDS, Shared};
use super::step::MAX_PER_HOLD;
use crate::message::{Message, Receipt};

/// Many messages with one call.
impl Queue {
    /// Puts messages into the queue, in order, up to the first that is refused.
    ///
    /// It costs less than a [`push`](Self::push) for each message, because one hold of the queue's
    /// lock takes up to 64, including those that
    /// [`Overflow::DropOldest`](crate::queue::Overflow::DropOldest) drops for them. The messages of
    /// other producers may come between those of two holds. Unlike that of other operations, its
    /// cost grows with the number of messages.
    ///
    /// # Errors
    ///
    /// [`PushAllError`], which says which messages are in the queue, and hands back the rest.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::queue::PushError;
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::builder().capacity(3).build();
    /// let receipts = queue.push_all(["a", "b"])?;
    /// assert_eq!(receipts.len(), 2);
    ///
    /// let error = queue.push_all(["c", "d", "e"]).unwrap_err();
    /// assert_eq!(error.receipts().len(), 1);
    /// assert_eq!(error.error(), &PushError::Full("d".into()));
    /// assert_eq!(error.into_messages(), ["d".into(), "e".into()]);
    /// # Ok::<(), sse_queue::queue::PushAllError>(())
    /// ```
    pub fn push_all<M: Into<Message>>(
        &self,
        messages: impl IntoIterator<Item = M>,
    ) -> Result<Vec<Receipt>, PushAllError> {
        let mut messages = messages.into_iter();
        let mut receipts = Vec::new();
        loop {
            let some = messages.by_ref().take(MAX_PER_HOLD);
            let some = some.map(|message| self.shared().prepare(message.into()));
            let mut some: VecDeque<_> = some.collect();
            if some.is_empty() {
                return Ok(receipts);
            }
            if let Err(error) = self.shared().push_some(&mut some, &mut receipts) {
                let rest = some.into_iter().map(|push| push.message);
                return Err(PushAllError {
                    receipts,
                    error: Box::new(error),
                    rest: rest.chain(messages.map(Into::into)).collect(),
                });
            }
        }
    }

    /// Confirms messages that were handed out, each like [`ack`](Self::ack).
    ///
    /// It costs less than an ack for each message, because one hold of the queue's lock confirms up
    /// to 64.
    /// Unlike that of other operations, its cost grows with the number of messages.
    ///
    /// # Errors
    ///
    /// [`AckAllError`], which names the messages that were not confirmed. All others were.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::queue::AckError;
    /// use sse_queue::{Lease, Queue};
    ///
    /// let lease = Lease::new(Duration::from_secs(30));
    /// let queue = Queue::builder().at_least_once(lease).epoch("e")?.build();
    /// queue.push_all(["a", "b"])?;
    /// while queue.next_ready().is_some() {}
    /// let error = queue.ack_all(["e-1", "nonsense", "e-2"]).unwrap_err();
    /// assert_eq!(error.failures(), [("nonsense".to_owned(), AckError::Unknown)]);
    /// assert_eq!(queue.stats().confirmed, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ack_all<I: AsRef<str>>(
        &self,
        ids: impl IntoIterator<Item = I>,
    ) -> Result<(), AckAllError> {
        let shared = self.shared();
        let mut ids = ids.into_iter();
        let mut failures = Vec::new();
        loop {
            let some: Vec<_> = ids.by_ref().take(MAX_PER_HOLD).collect();
            if some.is_empty() {
                break;
            }
            // `as_ref` is a caller's code, and so runs before the lock is taken.
            let some: Vec<_> = some.iter().map(AsRef::as_ref).collect();
            let failed = shared.with(|state, step| {
                let acks = some.iter().map(|id| {
                    step.count_move();
                    (*id, state.ack(id, step))
                });
                let failed = acks.filter_map(|(id, ack)| Some((id.to_owned(), ack.err()?)));
                failed.collect::<Vec<_>>()
            });
            failures.extend(failed);
        }
        if failures.is_empty() {
            return Ok(());
        }
        Err(AckAllError { failures })
    }
}

impl Shared {
    /// Pushes messages until none is left, or one is refused.
    fn push_some(
        &self,
        some: &mut VecDeque<Push>,
        receipts: &mut Vec<Receipt>,
    ) -> Result<(), PushError> {
        let mut holds = 0;
        while !some.is_empty() {
            let before = receipts.len();
            match self.with(|state, step| state.push_some(some, receipts, step)) {
                Some(Pushed::Done(Err(error))) => return Err(error),
                Some(Pushed::Full(push)) => return Err(PushError::Full(push.message)),
                // More has expired than one message should remove.
                Some(Pushed::Again(push)) if holds >= MAX_HOLDS && !self.drops_oldest => {
                    return Err(PushError::Full(push.message));
                }
                Some(Pushed::Again(push)) => some.push_front(push),
                Some(Pushed::Done(Ok(_))) | None => {}
            }
            let is_stuck = receipts.len() == before;
            holds = if is_stuck { holds.saturating_add(1) } else { 0 };
        }
        Ok(())
    }
}

/// Some of many messages were not pushed. They are handed back.
///
/// The error of [`Queue::push_all`].
#[derive(Clone, PartialEq, Eq, Error)]
#[error("{error} after {} messages", receipts.len())]
pub struct PushAllError {
    receipts: Vec<Receipt>,
    /// In a box, because results are moved.
    error: Box<PushError>,
    /// What comes after the refused message.
    rest: Vec<Message>,
}

impl PushAllError {
    /// The receipts of the messages that are in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::builder().capacity(1).epoch("e")?.build();
    /// let error = queue.push_all(["a", "b"]).unwrap_err();
    /// assert_eq!(error.receipts()[0].id(), "e-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// Why the first of the other messages was refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::queue::PushError;
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::new();
    /// queue.close();
    /// let error = queue.push_all(["a", "b"]).unwrap_err();
    /// assert!(matches!(error.error(), PushError::Closed(_)));
    /// assert_eq!(error.to_string(), "queue is closed after 0 messages");
    /// ```
    #[must_use]
    pub fn error(&self) -> &PushError {
        &self.error
    }

    /// The messages that are not in the queue: the refused one, and all after it.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::Queue;
    ///
    /// let queue = Queue::builder().capacity(1).build();
    /// let error = queue.push_all(["a", "b", "c"]).unwrap_err();
    /// queue.next_ready();
    /// let error = queue.push_all(error.into_messages()).unwrap_err();
    /// assert_eq!(error.into_messages(), ["c".into()]);
    /// # Ok::<(), sse_queue::queue::PushAllError>(())
    /// ```
    #[must_use]
    pub fn into_messages(self) -> Vec<Message> {
        let mut messages = self.rest;
        let rest = mem::replace(&mut messages, vec![self.error.into_message()]);
        messages.extend(rest);
        messages
    }
}

/// Shows no data.
impl fmt::Debug for PushAllError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushAllError")
            .field("pushed", &self.receipts.len())
            .field("error", &self.error)
            .field("rest", &self.rest.len())
            .finish()
    }
}

/// Some of many messages were not confirmed.
///
/// The error of [`Queue::ack_all`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("messages that were not confirmed: {}", failures.len())]
pub struct AckAllError {
    failures: Vec<(String, AckError)>,
}

impl AckAllError {
    /// The id of each message that was not confirmed, and why, in the order of the ids.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::queue::AckError;
    /// use sse_queue::Queue;
    ///
    /// let error = Queue::new().ack_all(["a"]).unwrap_err();
    /// assert_eq!(error.failures(), [("a".to_owned(), AckError::Unknown)]);
    /// assert_eq!(error.to_string(), "messages that were not confirmed: 1");
    /// ```
    #[must_use]
    pub fn failures(&self) -> &[(String, AckError)] {
        &self.failures
    }
}
