use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::Shared;
use super::resume::{GapCause, Lag, Resumption, Start};
use super::state::{Cursor, State, Taken};
use crate::event::{Event, EventError};
use crate::source::{Pull, Source, TooManyStreams};
use crate::sync::Ordering;

/// One stream's place in a topic's log: the [`Source`] of a topic's streams.
///
/// It queues nothing for itself. Dropping it leaves the topic at once.
#[must_use = "dropping a subscription leaves the topic"]
pub struct TopicSubscription {
    shared: Arc<Shared>,
    cursor: Cursor,
    /// The waker that it waits with, and the count of calls since when: see [`Shared::calls`].
    waker: Option<Waker>,
    waits_since: u64,
    resumption: Resumption,
    owes: Owes,
    lag: Lag,
    gap_event: GapEvent,
}

/// What comes before anything else is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owes {
    Nothing,
    /// The client has not been told yet of the gap with which it began.
    Gap,
    /// It fell behind and was to end then.
    End,
}

/// A count of calls that is never reached.
const NEVER: u64 = u64::MAX;

/// How a client is told of a gap.
enum GapEvent {
    /// By an event named `gap`.
    Usual,
    /// By one of that name, or by none. It is rare, so its place is small.
    Set(Box<Option<Box<str>>>),
}

impl TopicSubscription {
    pub(super) fn new(shared: &Arc<Shared>, start: Start) -> Result<Self, TooManyStreams> {
        let (cursor, resumption) = shared.with(|state, _, _| state.subscribe(start))?;
        let owes = match resumption {
            Resumption::Gap { .. } => Owes::Gap,
            _ => Owes::Nothing,
        };
        Ok(Self {
            shared: Arc::clone(shared),
            cursor,
            waker: None,
            waits_since: NEVER,
            resumption,
            owes,
            lag: Lag::Skip,
            gap_event: GapEvent::Usual,
        })
    }

    /// How this stream began.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{LastEventId, Resumption, Start, Topic};
    ///
    /// let topic = Topic::builder().epoch("e")?.build();
    /// let id = topic.publish("x")?.id().to_owned();
    /// let start = Start::After(LastEventId::new(&id));
    /// assert_eq!(topic.subscribe(start)?.resumption(), Resumption::Exact);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn resumption(&self) -> Resumption {
        self.resumption
    }

    /// What the stream does when it has fallen behind what is kept: it skips, unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{EventStream, FakeClock, Lag, Start, Topic};
    ///
    /// let topic = Topic::builder().history(1).build();
    /// let source = topic.subscribe(Start::Now)?.lag(Lag::End);
    /// let mut stream = EventStream::new(source, FakeClock::new().ticker()).first_bytes(false);
    /// topic.publish("a")?;
    /// topic.publish("b")?;
    /// assert_eq!(stream.next_ready(), None);
    /// assert!(stream.is_terminated());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lag(mut self, lag: Lag) -> Self {
        self.lag = lag;
        self
    }

    /// The name of the event that tells the client of a gap: `gap` unless set. `None` switches it
    /// off. Its data is `{"missed":12,"cause":"evicted"}`, or `null` where the number is not known;
    /// it has no id.
    ///
    /// # Errors
    ///
    /// [`EventError`] if the name holds a CR or LF.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::{EventStream, FakeClock, LastEventId, Start, Topic};
    ///
    /// let topic = Topic::new();
    /// let lost = || Start::After(LastEventId::new("old-7"));
    /// let stream = |source| {
    ///     EventStream::new(source, FakeClock::new().ticker()).first_bytes(false).next_ready()
    /// };
    /// let named = topic.subscribe(lost())?.gap_event(Some("missed"))?;
    /// let frame = "event: missed\ndata: {\"missed\":null,\"cause\":\"foreign-epoch\"}\n\n";
    /// assert_eq!(stream(named).unwrap(), frame);
    /// assert_eq!(stream(topic.subscribe(lost())?.gap_event(None)?), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gap_event(mut self, name: Option<&str>) -> Result<Self, EventError> {
        if let Some(name) = name {
            Event::new("").name(name)?;
        }
        self.gap_event = GapEvent::Set(Box::new(name.map(Box::from)));
        Ok(self)
    }

    fn keeps(&self, waker: &Waker) -> bool {
        self.waker.as_ref().is_some_and(|own| own.will_wake(waker))
    }

    fn keep(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(own) => own.clone_from(waker),
            own => *own = Some(waker.clone()),
        }
    }

    /// The event that tells of a gap, if that is not switched off.
    fn tell(&self, missed: Option<u64>, cause: GapCause) -> Option<Bytes> {
        let name = match &self.gap_event {
            GapEvent::Usual => "gap",
            GapEvent::Set(name) => name.as_deref()?,
        };
        let event = match missed {
            Some(missed) => {
                Event::display(format_args!(r#"{{"missed":{missed},"cause":"{cause}"}}"#))
            }
            None => Event::display(format_args!(r#"{{"missed":null,"cause":"{cause}"}}"#)),
        };
        // The name was tried when it was set.
        event.name(name).ok().map(Event::encode)
    }
}

impl Source for TopicSubscription {
    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>, pull: &mut Pull) -> Poll<()> {
        let this = &mut *self;
        // Nothing has come since it began to wait with this waker.
        let is_called = this.waits_since != this.shared.calls.load(Ordering::Relaxed);
        if !is_called && pull.registers() && this.keeps(cx.waker()) {
            return Poll::Pending;
        }
        // From now on it may wait with another waker.
        this.waits_since = NEVER;
        let is_ready = this.owes != Owes::Nothing;
        let is_due = this.shared.look(|state, now, effects| {
            if state.is_closed() {
                pull.closing();
            }
            let is_due = is_ready || state.is_due(&this.cursor);
            if !pull.registers() {
                state.leave_for_good(&this.cursor, effects);
                return is_due;
            }
            if is_due {
                state.park(&this.cursor, cx.waker(), effects);
                return true;
            }
            state.wait(&this.cursor, cx.waker(), effects);
            keep_time(state, &this.cursor, now, pull);
            false
        });
        if is_due {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
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
        if pull.asks_idle() {
            pull.idle_for(this.shared.since_told());
        }
        let is_called = this.waits_since != this.shared.calls.load(Ordering::Relaxed);
        if !is_called && pull.registers() && this.keeps(cx.waker()) {
            return Poll::Pending;
        }
        if is_called && this.waits_since != NEVER {
            pull.dated();
        }
        this.waits_since = NEVER;
        if this.owes == Owes::Nothing && pull.registers() {
            let mut state = this.shared.state.lock();
            if let Some(chunk) = state.take_tail(&mut this.cursor, cx.waker(), limit) {
                this.waits_since = this.shared.calls.load(Ordering::Relaxed);
                drop(state);
                this.keep(cx.waker());
                if this.cursor.is_in_burst() {
                    pull.more_follows();
                }
                return Poll::Ready(Some(chunk));
            }
        }
        loop {
            if this.owes == Owes::End {
                return Poll::Ready(None);
            }
            if core::mem::replace(&mut this.owes, Owes::Nothing) == Owes::Gap
                && !this.shared.with(|state, _, _| state.is_aborted())
                && let Resumption::Gap { missed, cause } = this.resumption
                && let Some(told) = this.tell(missed, cause)
            {
                return Poll::Ready(Some(told));
            }
            let taken = this.shared.look(|state, now, effects| {
                let taken = state.take(&mut this.cursor, limit, pull.is_batch());
                match taken {
                    _ if !pull.registers() => state.leave_for_good(&this.cursor, effects),
                    Taken::Nothing => {
                        state.wait(&this.cursor, cx.waker(), effects);
                        keep_time(state, &this.cursor, now, pull);
                    }
                    Taken::Chunk(_) => {
                        let waits = state.wait_ahead(&this.cursor, cx.waker(), effects);
                        if waits {
                            this.waits_since = this.shared.calls.load(Ordering::Relaxed);
                        }
                    }
                    _ => state.leave(&this.cursor),
                }
                taken
            });
            match taken {
                Taken::Chunk(chunk) => {
                    if pull.registers() {
                        this.keep(cx.waker());
                    }
                    if this.cursor.is_in_burst() {
                        pull.more_follows();
                    }
                    return Poll::Ready(Some(chunk));
                }
                Taken::Lagged(_) if this.lag == Lag::End => this.owes = Owes::End,
                Taken::Lagged(missed) => {
                    if let Some(told) = this.tell(Some(missed), GapCause::Evicted) {
                        return Poll::Ready(Some(told));
                    }
                }
                Taken::Again => {}
                Taken::Nothing => return Poll::Pending,
                Taken::End => return Poll::Ready(None),
            }
        }
    }

    fn park(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = &mut *self;
        this.waits_since = NEVER;
        let cursor = &this.cursor;
        this.shared
            .look(|state, _, effects| state.park(cursor, cx.waker(), effects));
    }
}

/// Says when this waiting stream must be polled, if it is the timekeeper.
fn keep_time(state: &mut State, cursor: &Cursor, now: SystemTime, pull: &mut Pull) {
    if state.keep_time(cursor)
        && let Some(deadline) = state.deadline(cursor)
    {
        pull.wake_at(deadline, now);
    }
}

impl Drop for TopicSubscription {
    fn drop(&mut self) {
        let cursor = &self.cursor;
        self.shared
            .with(|state, _, effects| state.unsubscribe(cursor, effects));
    }
}

impl fmt::Debug for TopicSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicSubscription")
            .field("resumption", &self.resumption)
            .field("lag", &self.lag)
            .finish_non_exhaustive()
    }
}
