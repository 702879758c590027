//! The settings of one stream.

use core::fmt;
use core::hash::{BuildHasher, Hasher};
use core::mem;
use core::task::Waker;
use core::time::Duration;
use std::hash::RandomState;

use bytes::Bytes;

use super::end_handle::EndWatch;
use super::idle::mix;
use super::keep_alive::KeepAlive;
use crate::event::Event;
use crate::source::Limit;
use crate::source::chunk::Chunk;

/// Browsers use about three seconds on their own.
const USUAL_RETRY: Duration = Duration::from_secs(3);

/// The settings of one stream. Rare ones are kept apart, because there is one of these for each
/// connection.
pub(super) struct Settings {
    /// The limit of each chunk; on a grid, its messages are those of a tick.
    pub(super) limit: Limit,
    pub(super) seed: u64,
    pub(super) retry: Option<Duration>,
    pub(super) has_first_comment: bool,
    rare: Option<Box<Rare>>,
}

#[derive(Default)]
pub(super) struct Rare {
    keep_alive: Option<Bytes>,
    /// What goes out with the first poll, after the source's opening.
    greetings: Chunk,
    /// The last frame of the first chunk.
    pub(super) position: Option<Bytes>,
    pub(super) farewell: Option<Bytes>,
    pub(super) max_age: Option<Duration>,
    pub(super) end: Option<EndWatch>,
}

impl Settings {
    /// The defaults, for a source that gives at most `max_messages` in a chunk.
    pub(super) fn new(max_messages: usize) -> Self {
        Self {
            limit: Limit::new(64 * 1024, max_messages),
            seed: RandomState::new().build_hasher().finish(),
            retry: None,
            has_first_comment: true,
            rare: None,
        }
    }

    /// The first chunk: the `retry` line, what the source says first, the greetings and the
    /// position; a comment if there is none of these.
    pub(super) fn opening(&mut self, of_source: Option<Bytes>) -> Option<Bytes> {
        let retry = self.retry.map(|retry| Event::retry_only(retry).encode());
        let (greetings, position) = match &mut self.rare {
            Some(rare) => (mem::take(&mut rare.greetings).join(), rare.position.take()),
            None => (None, None),
        };
        let mut chunk = Chunk::default();
        for frame in [retry, of_source, greetings, position]
            .into_iter()
            .flatten()
        {
            chunk.push(frame);
        }
        let comment = self.has_first_comment.then_some(COMMENT);
        chunk.join().or(comment)
    }

    pub(super) fn greet(&mut self, event: Event) {
        self.rare().greetings.push(event.encode());
    }

    /// Whether the stream was ended by its handle; if not, `waker` is woken when it is.
    pub(super) fn poll_end(&self, waker: Option<&Waker>) -> bool {
        let end = self.rare.as_ref().and_then(|rare| rare.end.as_ref());
        end.is_some_and(|end| end.poll(waker))
    }

    /// Whether the stream has a handle that ends it.
    pub(super) fn is_watched(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.end.is_some())
    }

    pub(super) fn set_keep_alive(&mut self, keep_alive: KeepAlive) {
        if keep_alive.event.is_some() || self.rare.is_some() {
            self.rare().keep_alive = keep_alive.event.map(Event::encode);
        }
    }

    pub(super) fn keep_alive_frame(&self) -> Bytes {
        let event = self.rare.as_ref().and_then(|rare| rare.keep_alive.clone());
        event.unwrap_or(COMMENT)
    }

    /// The stream ends: its handle lets go of the task, and the farewell goes out.
    pub(super) fn take_farewell(&mut self) -> Option<Bytes> {
        let rare = self.rare.as_mut()?;
        rare.end = None;
        rare.farewell.take()
    }

    /// When the stream ends: after 80 to 100 % of its maximum age.
    pub(super) fn age(&self) -> Option<Duration> {
        let age = self.rare.as_ref()?.max_age?;
        let thousandths = u32::try_from(mix(self.seed) % 201).unwrap_or_default();
        let less = thousandth(age).saturating_mul(thousandths);
        Some(age.saturating_sub(less))
    }

    /// A reconnection time of 50 to 150 % of the one that is set.
    pub(super) fn spread_retry(&self) -> Bytes {
        let retry = self.retry.unwrap_or(USUAL_RETRY);
        let thousandths = u32::try_from(mix(!self.seed) % 1001).unwrap_or_default();
        let more = thousandth(retry).saturating_mul(thousandths.saturating_add(500));
        Event::retry_only(more).encode()
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

const COMMENT: Bytes = Bytes::from_static(b":\n");

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("limit", &self.limit)
            .field("retry", &self.retry)
            .field("has_first_comment", &self.has_first_comment)
            .finish_non_exhaustive()
    }
}

fn thousandth(time: Duration) -> Duration {
    time.checked_div(1000).unwrap_or_default()
}
