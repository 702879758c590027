//! One poll of an event stream.

use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::event_stream::EventStream;
use super::idle::Idle;
use super::moment::Moment;
use super::pace::Pace;
use super::phase::{By, Phase};
use super::recheck::Recheck;
use crate::source::{Pull, Source};
use crate::time::Ticker;

/// The ticker's time, read when it is first needed: to read it for each chunk would cost an
/// immediate stream as much as the chunk.
#[derive(Clone, Copy, Default)]
struct Now(Option<Moment>);

impl Now {
    #[inline]
    fn read(&mut self, ticker: &impl Ticker) -> Moment {
        *self.0.get_or_insert_with(|| Moment::new(ticker.now()))
    }
}

/// The outcome of a poll of the source.
enum Polled {
    Chunk(Bytes),
    End,
    /// Nothing may go or is due; poll again at that time, or when woken.
    Pending(Moment),
}

/// Most polls are of immediate streams without a maximum age: they read no ticker, and rare cases
/// are in functions that are not inlined.
impl<S: Source, T: Ticker> EventStream<S, T> {
    #[inline]
    pub(super) fn poll_by(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        by: By,
    ) -> Poll<Option<Bytes>> {
        if self.phase != Phase::Open
            && let Poll::Ready(bytes) = self.as_mut().begin_or_end(cx, by)
        {
            return Poll::Ready(bytes);
        }
        loop {
            let mut now = Now::default();
            // 1. What is due goes out, unless the stream is too old.
            if self.ends_at != Moment::NEVER && self.ends_at <= now.read(&self.ticker) {
                return self.age_out();
            }
            let wake_at = match self.as_mut().poll_source(cx, by, &mut now) {
                Polled::Chunk(chunk) => return Poll::Ready(Some(chunk)),
                Polled::End => return self.end(),
                Polled::Pending(wake_at) => wake_at.min(self.ends_at),
            };
            // 2. Unless a tick that is armed comes before anything else is due, a keep-alive goes
            //    out, or the ticker is armed. Otherwise the time need not be read.
            if (by == By::Hand || !self.is_covered(wake_at, now))
                && let Some(keep_alive) = self.as_mut().arm(cx, by, wake_at, now)
            {
                return Poll::Ready(Some(keep_alive));
            }
            // 3. When the tick comes, all that starts again.
            if self.as_mut().poll_tick(cx, by).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Takes what is due, if the pacing allows it.
    #[inline]
    fn poll_source(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        by: By,
        now: &mut Now,
    ) -> Polled {
        let mut pull = self.pull(by);
        let mut this = self.as_mut().project();
        if !this.pace.is_open(|| now.read(&*this.ticker)) {
            if this.pace.is_spaced() {
                pull.yield_to_others();
            }
            pull.return_within(this.pace.period());
            // Asked at each poll, even for what is reserved: this may be another task.
            if this.source.poll_ready(cx, &mut pull).is_pending() {
                return Polled::Pending(self.rest(&pull, now));
            }
            if let Some(slot) = self.as_mut().wait_for_slot(&pull, now) {
                return Polled::Pending(slot);
            }
            pull = self.pull(by);
            this = self.as_mut().project();
        }
        match this.source.poll_chunk(cx, &mut pull) {
            Poll::Ready(None) => Polled::End,
            Poll::Ready(Some(chunk)) => {
                this.recheck.reset();
                if !this.pace.is_immediate() {
                    this.pace.sent(now.read(&*this.ticker), pull.has_more());
                }
                this.idle.sent(now.0, pull.is_dated());
                Polled::Chunk(chunk)
            }
            Poll::Pending => Polled::Pending(self.rest(&pull, now)),
        }
    }

    /// What the source is asked for.
    #[inline]
    fn pull(&self, by: By) -> Pull {
        let mut pull = Pull::new(self.settings.limit);
        if self.pace.is_ticked() {
            pull = pull.batched();
        }
        if by == By::Hand {
            pull = pull.by_hand();
        }
        if self.idle.is_deferred() && !self.alarm.is_armed() {
            pull = pull.asking_idle();
        }
        pull
    }

    /// Something is due that the pacing does not allow yet: when it does, if that is not now.
    #[inline(never)]
    fn wait_for_slot(self: Pin<&mut Self>, pull: &Pull, now: &mut Now) -> Option<Moment> {
        if pull.is_closing() {
            return None;
        }
        let this = self.project();
        this.recheck.reset();
        let time = now.read(&*this.ticker);
        Some(this.pace.next_slot(time)).filter(|slot| *slot > time)
    }

    /// Nothing is due: when to poll the source again.
    #[inline]
    fn rest(self: Pin<&mut Self>, pull: &Pull, now: &mut Now) -> Moment {
        let this = self.project();
        this.pace.rest();
        if !pull.says_when() {
            this.recheck.reset();
            return Moment::NEVER;
        }
        let now = now.read(&*this.ticker);
        answered(pull, now, this.pace, this.idle, this.recheck)
    }

    /// Whether the tick that is armed comes before anything else is due, as far as is known
    /// without reading the ticker.
    #[inline]
    fn is_covered(&self, wake_at: Moment, now: Now) -> bool {
        if now.0.is_some_and(|now| self.alarm.is_past(now)) {
            return false;
        }
        let earliest = self.idle.earliest();
        earliest.is_some_and(|keep_alive| self.alarm.covers(keep_alive.min(wake_at)))
    }

    /// Arms the ticker for what comes next, unless that is a keep-alive which is due now: it then
    /// goes out.
    #[inline(never)]
    fn arm(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        by: By,
        wake_at: Moment,
        mut now: Now,
    ) -> Option<Bytes> {
        let this = self.project();
        let time = now.read(&*this.ticker);
        let keep_alive_at = this.idle.due(time);
        if keep_alive_at > time {
            let next = wake_at.min(keep_alive_at);
            this.alarm.set(this.ticker, next, time);
            return None;
        }
        if by == By::Task {
            // A slow client polls again much later; until then nothing is kept for this stream.
            this.source.park(cx);
        }
        this.idle.restart(time, this.settings.seed);
        Some(this.settings.keep_alive_frame())
    }

    #[inline]
    fn poll_tick(self: Pin<&mut Self>, cx: &mut Context<'_>, by: By) -> Poll<()> {
        let this = self.project();
        if by == By::Task {
            return this.alarm.poll(this.ticker, cx);
        }
        if this.alarm.has_come(Moment::new(this.ticker.now())) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// The first poll, or one after the last chunk: what it yields, or pending if it goes on.
    #[cold]
    #[inline(never)]
    fn begin_or_end(self: Pin<&mut Self>, cx: &mut Context<'_>, by: By) -> Poll<Option<Bytes>> {
        let waker = (by == By::Task).then(|| cx.waker());
        match self.phase {
            Phase::New | Phase::Watched if self.settings.poll_end(waker) => self.end_by_handle(),
            Phase::Open | Phase::Watched => Poll::Pending,
            Phase::New => self
                .open()
                .map_or(Poll::Pending, |bytes| Poll::Ready(Some(bytes))),
            Phase::Leaving => self.end_by_age(),
            Phase::Ended => Poll::Ready(None),
        }
    }

    /// Begins with the first poll.
    fn open(self: Pin<&mut Self>) -> Option<Bytes> {
        let this = self.project();
        let now = Moment::new(this.ticker.now());
        *this.phase = if this.settings.is_watched() {
            Phase::Watched
        } else {
            Phase::Open
        };
        this.pace.open(now);
        this.idle.restart(now, this.settings.seed);
        if let Some(age) = this.settings.age() {
            *this.ends_at = now.plus(age);
        }
        this.settings.opening(this.source.opening())
    }

    #[inline(never)]
    fn end(self: Pin<&mut Self>) -> Poll<Option<Bytes>> {
        let this = self.project();
        *this.phase = Phase::Ended;
        this.alarm.disarm(this.ticker);
        Poll::Ready(this.settings.take_farewell())
    }

    /// Ends at [`max_age`](Self::max_age): sends what the source has taken from elsewhere and would
    /// lose, then a `retry`, and leaves due messages to other consumers.
    #[inline(never)]
    fn age_out(mut self: Pin<&mut Self>) -> Poll<Option<Bytes>> {
        let this = self.as_mut().project();
        let mut source = this.source;
        let mut cx = Context::from_waker(Waker::noop());
        let mut pull = Pull::new(this.settings.limit).by_hand().leaving();
        let left = source.as_mut().poll_chunk(&mut cx, &mut pull);
        // Even a source that ignores this keeps nothing for a stream that has ended.
        source.park(&mut cx);
        if let Poll::Ready(Some(chunk)) = left {
            *this.phase = Phase::Leaving;
            return Poll::Ready(Some(chunk));
        }
        self.end_by_age()
    }

    /// Its [handle](super::EndHandle) has ended it: leaves what is due to other consumers.
    fn end_by_handle(mut self: Pin<&mut Self>) -> Poll<Option<Bytes>> {
        let mut cx = Context::from_waker(Waker::noop());
        self.as_mut().project().source.park(&mut cx);
        self.end()
    }

    fn end_by_age(self: Pin<&mut Self>) -> Poll<Option<Bytes>> {
        let this = self.project();
        *this.phase = Phase::Ended;
        this.alarm.disarm(this.ticker);
        // It goes without its farewell.
        this.settings.take_farewell();
        Poll::Ready(Some(this.settings.spread_retry()))
    }
}

/// Nothing is due, and the source has said for how long it has been idle, or when to poll it again:
/// returns when.
#[inline(never)]
fn answered(
    pull: &Pull,
    now: Moment,
    pace: &mut Pace,
    idle: &mut Idle,
    recheck: &mut Recheck,
) -> Moment {
    if let Some(time) = pull.idle() {
        idle.answer(time, now);
    }
    let Some(after) = pull.wakes_after() else {
        recheck.reset();
        return Moment::NEVER;
    };
    let due = recheck.due(after, pull.deadline(), now);
    if pace.is_ticked() {
        pace.next_slot(due);
    }
    // At the deadline, not at the next tick: other streams may rely on this one's wake-up.
    Recheck::poll_at(due, now)
}
