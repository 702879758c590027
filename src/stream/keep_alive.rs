//! What a stream sends while nothing else is to be sent.

use core::time::Duration;

use thiserror::Error;

use crate::event::Event;

/// What a stream sends while it has nothing else to send, so that proxies keep the connection and a
/// departed client is noticed.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::stream::KeepAlive;
/// use sse_queue::{FakeClock, Queue};
///
/// let clock = FakeClock::new();
/// let queue = Queue::new();
/// let period = Duration::from_secs(30);
/// let mut stream = queue.stream(clock.ticker())?.keep_alive(KeepAlive::comment(period));
/// assert_eq!(stream.next_ready().unwrap(), ":\n", "the first bytes");
/// clock.advance(period);
/// assert_eq!(stream.next_ready().unwrap(), ":\n");
/// # Ok::<(), sse_queue::stream::TooManyStreams>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    pub(super) period: Option<Duration>,
    pub(super) event: Option<Event>,
}

impl KeepAlive {
    /// A comment line after each `period` without a byte. No blank line follows it, because some
    /// widely used clients would dispatch an empty event.
    ///
    /// Zero and `Duration::MAX` switch it off.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::stream::KeepAlive;
    ///
    /// assert_eq!(KeepAlive::comment(Duration::ZERO), KeepAlive::off());
    /// ```
    #[must_use]
    pub fn comment(period: Duration) -> Self {
        let is_on = period != Duration::ZERO && period != Duration::MAX;
        Self {
            period: is_on.then_some(period),
            event: None,
        }
    }

    /// No keep-alive. A departed client is then noticed when the next message is sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::stream::KeepAlive;
    /// use sse_queue::{FakeClock, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let mut stream = Queue::new().stream(clock.ticker())?.keep_alive(KeepAlive::off());
    /// stream.next_ready();
    /// assert_eq!(clock.next_deadline(), None);
    /// # Ok::<(), sse_queue::stream::TooManyStreams>(())
    /// ```
    #[must_use]
    pub fn off() -> Self {
        Self {
            period: None,
            event: None,
        }
    }

    /// An event after each `period` without a byte, for pages whose scripts must see it.
    ///
    /// # Errors
    ///
    /// [`KeepAliveError`] if the event has an id, which would change the position from which a
    /// client resumes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use sse_queue::stream::KeepAlive;
    /// use sse_queue::{Event, FakeClock, Queue};
    ///
    /// let clock = FakeClock::new();
    /// let queue = Queue::new();
    /// let keep_alive = KeepAlive::event(Duration::from_secs(5), Event::new("").name("ping")?)?;
    /// let mut stream = queue.stream(clock.ticker())?.keep_alive(keep_alive);
    /// stream.next_ready();
    /// clock.advance(Duration::from_secs(5));
    /// assert_eq!(stream.next_ready().unwrap(), "event: ping\ndata: \n\n");
    ///
    /// let with_id = Event::new("").id("7")?;
    /// assert!(KeepAlive::event(Duration::from_secs(5), with_id).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn event(period: Duration, event: Event) -> Result<Self, KeepAliveError> {
        if event.event_id().is_some() {
            return Err(KeepAliveError);
        }
        Ok(Self {
            event: Some(event),
            ..Self::comment(period)
        })
    }
}

/// A comment line after 15 seconds without a byte.
impl Default for KeepAlive {
    fn default() -> Self {
        Self::comment(Duration::from_secs(15))
    }
}

/// Why an event was refused as a keep-alive: it has an id.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sse_queue::stream::{KeepAlive, KeepAliveError};
/// use sse_queue::Event;
///
/// let error = KeepAlive::event(Duration::from_secs(5), Event::new("").id("7")?).unwrap_err();
/// assert_eq!(error.to_string(), "keep-alive event has an id");
/// # let _: KeepAliveError = error;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("keep-alive event has an id")]
#[non_exhaustive]
pub struct KeepAliveError;
