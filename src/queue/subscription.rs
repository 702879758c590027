//! A queue's consumer as a source of frames.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::Shared;
use super::state::{Asked, Taken};
use crate::message::LastEventId;
use crate::queue::lease::HolderId;
use crate::queue::wait_queue::Ticket;
use crate::source::chunk::Chunk;
use crate::source::{Pull, Source, TooManyStreams};

/// One of a queue's competing consumers: the [`Source`] of a queue's streams.
///
/// Dropping it leaves the queue at once and passes on whatever look it owed.
#[must_use = "dropping a subscription leaves the queue"]
pub struct QueueSubscription {
    shared: Arc<Shared>,
    ticket: Ticket,
    /// Tells this stream from all others of the queue.
    stream: u64,
    holder: Option<HolderId>,
    /// When the burst that it takes began, and the number of the last message that was there.
    burst: Option<(SystemTime, u64)>,
}

impl QueueSubscription {
    pub(super) fn new(shared: &Arc<Shared>) -> Result<Self, TooManyStreams> {
        let (ticket, stream) = shared.with(|state, _, _| state.subscribe())?;
        Ok(Self {
            shared: Arc::clone(shared),
            ticket,
            stream,
            holder: None,
            burst: None,
        })
    }

    /// Takes over what the client has in flight that saw this id last.
    pub(super) fn after(shared: &Arc<Shared>, id: &LastEventId) -> Result<Self, TooManyStreams> {
        let mut this = Self::new(shared)?;
        let (stream, mut taken_over) = (this.stream, None);
        if let Some(id) = id.as_str() {
            while shared
                .with(|state, _, effects| state.take_over(id, stream, &mut taken_over, effects))
            {
            }
        }
        this.holder = taken_over.map(|taken_over| taken_over.holder);
        Ok(this)
    }
}

impl Source for QueueSubscription {
    fn max_messages(&self) -> usize {
        16
    }

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>, pull: &mut Pull) -> Poll<()> {
        let this = &mut *self;
        let (limit, caller) = (pull.limit(), (cx.waker(), pull.registers()));
        this.shared.with(|state, now, effects| {
            this.holder = state.holder_of(this.stream, this.holder);
            if state.is_closed() {
                pull.closing();
            }
            match state.ask(this.ticket, this.holder, now, limit, caller, effects) {
                Asked::Due => Poll::Ready(()),
                Asked::Wait(deadline) => {
                    if let Some(deadline) = deadline {
                        pull.wake_at(deadline, now);
                    }
                    Poll::Pending
                }
            }
        })
    }

    fn poll_chunk(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pull: &mut Pull,
    ) -> Poll<Option<Bytes>> {
        if pull.is_leaving() {
            return Poll::Pending;
        }
        let this = &mut *self;
        let limit = pull.limit();
        let (ticket, waker) = (this.ticket, cx.waker());
        let mut chunk = Chunk::default();
        loop {
            let taken = this.shared.with(|state, now, effects| {
                this.holder = state.holder_of(this.stream, this.holder);
                let holder = this.holder;
                let taken = state.take(&mut chunk, holder, now, limit, effects);
                let is_waiting = match taken {
                    Taken::Done => chunk.is_empty(),
                    Taken::Full => true,
                    Taken::Again | Taken::End => false,
                };
                let deadline = match (&taken, holder) {
                    (Taken::Again, _) => None,
                    _ if is_waiting && !pull.registers() => {
                        state.leave_for_good(ticket, holder, effects);
                        None
                    }
                    (Taken::Full, Some(holder)) => {
                        state.wait_for_place(ticket, holder, now, waker, effects)
                    }
                    _ if is_waiting => {
                        state.wait(ticket, waker, effects);
                        state.keep_time(ticket, now)
                    }
                    _ => {
                        state.leave(ticket);
                        None
                    }
                };
                if let Some(deadline) = deadline {
                    pull.wake_at(deadline, now);
                }
                if let Taken::Done = taken {
                    let last = state.last_number();
                    let burst = *this.burst.get_or_insert((now, last));
                    if is_waiting || pull.is_batch() || !state.is_in_burst(burst, holder) {
                        this.burst = None;
                    } else {
                        pull.more_follows();
                    }
                }
                taken
            });
            match taken {
                Taken::Full => return Poll::Pending,
                Taken::Done if chunk.is_empty() => return Poll::Pending,
                Taken::Done | Taken::End => return Poll::Ready(chunk.join()),
                Taken::Again => {}
            }
        }
    }

    fn park(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let (ticket, holder) = (self.ticket, self.holder);
        self.shared
            .with(|state, _, effects| state.park(ticket, holder, cx.waker(), effects));
    }
}

impl Drop for QueueSubscription {
    fn drop(&mut self) {
        let (ticket, stream, holder) = (self.ticket, self.stream, self.holder);
        self.shared.with(|state, now, effects| {
            state.unsubscribe(ticket, stream, holder, now, effects);
        });
    }
}

impl fmt::Debug for QueueSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueSubscription").finish_non_exhaustive()
    }
}
