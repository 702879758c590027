//! Where a stream begins, and what it does when it falls behind.

use core::fmt;

use crate::message::LastEventId;

/// Where a new stream of a [`Topic`](crate::Topic) begins.
///
/// # Examples
///
/// ```
/// use sse_queue::topic::Start;
/// use sse_queue::{FakeClock, LastEventId, Pacing, Topic};
///
/// let topic = Topic::builder().epoch("e")?.build();
/// for data in ["a", "b", "c"] {
///     topic.publish(data)?;
/// }
/// let first = |start| {
///     let ticker = FakeClock::new().ticker();
///     let stream = topic.stream(start, ticker)?.without_first_comment();
///     let mut stream = stream.pacing(Pacing::immediate().batch(1));
///     Ok::<_, sse_queue::stream::TooManyStreams>(stream.next_ready())
/// };
/// assert_eq!(first(Start::Now)?, None);
/// assert_eq!(first(Start::Oldest)?.unwrap(), "id: e-1\ndata: a\n\n");
/// assert_eq!(first(Start::Last(1))?.unwrap(), "id: e-3\ndata: c\n\n");
/// let id = LastEventId::new("e-1");
/// assert_eq!(first(Start::After(id))?.unwrap(), "id: e-2\ndata: b\n\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// With the next message that is published.
    Now,
    /// With the oldest message that is kept.
    Oldest,
    /// With the newest messages: this many, or as many as are kept.
    Last(usize),
    /// With the message that follows the one that a client saw last.
    After(LastEventId),
}

/// How a stream of a [`Topic`](crate::Topic) begins, known before the response is made.
///
/// # Examples
///
/// ```
/// use sse_queue::topic::{GapCause, Resumption};
/// use sse_queue::{LastEventId, Topic};
///
/// let topic = Topic::builder().epoch("e")?.history(1).build();
/// for data in ["a", "b", "c"] {
///     topic.publish(data)?;
/// }
/// let resumption_of = |id| topic.resumption_of(&LastEventId::new(id));
/// assert_eq!(resumption_of("e-2"), Resumption::Exact);
/// let cause = GapCause::Evicted;
/// assert_eq!(resumption_of("e-1"), Resumption::Gap { missed: Some(1), cause });
/// let cause = GapCause::ForeignEpoch;
/// assert_eq!(resumption_of("old-7"), Resumption::Gap { missed: None, cause });
/// topic.close();
/// assert_eq!(resumption_of("e-3"), Resumption::Complete);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resumption {
    /// The client has seen nothing before.
    Fresh,
    /// The stream continues exactly after what the client has seen; if the topic has ended, there is
    /// more to see.
    Exact,
    /// The topic was closed or all of its handles were dropped, and nothing follows the client's
    /// id. A service answers with status 204, which tells a browser not to reconnect. A stream that
    /// is opened anyway ends at once, after its first bytes and its
    /// [farewell](crate::EventStream::farewell).
    Complete,
    /// The stream continues with the oldest message that is kept, after an event that reports the
    /// gap.
    Gap {
        /// How many messages the client missed, if that is known.
        missed: Option<u64>,
        /// The cause.
        cause: GapCause,
    },
}

/// Why a stream could not continue exactly.
///
/// # Examples
///
/// ```
/// use sse_queue::topic::{GapCause, Resumption};
/// use sse_queue::{LastEventId, Topic};
///
/// let topic = Topic::builder().epoch("e")?.history(1).build();
/// topic.publish("a")?;
/// topic.publish("b")?;
/// let cause = |id| match topic.resumption_of(&LastEventId::new(id)) {
///     Resumption::Gap { cause, .. } => Some(cause),
///     _ => None,
/// };
/// assert_eq!(cause("e-1"), None, "nothing is missing");
/// assert_eq!(cause("e-0"), Some(GapCause::Evicted));
/// assert_eq!(cause("d-1"), Some(GapCause::ForeignEpoch));
/// assert_eq!(cause("order-b"), Some(GapCause::Unknown));
/// assert_eq!(cause("two\nlines"), Some(GapCause::Malformed));
/// assert_eq!(cause("e-3"), Some(GapCause::Future));
/// assert_eq!(GapCause::ForeignEpoch.to_string(), "foreign-epoch");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GapCause {
    /// Messages that follow the id are no longer kept.
    Evicted,
    /// The id is from another topic, or from before a restart.
    ForeignEpoch,
    /// The topic does not know the id.
    Unknown,
    /// The id is not UTF-8, too long, or has characters that no id can have.
    Malformed,
    /// The id has this topic's epoch, but no message in the log has it yet.
    Future,
}

/// The word in the gap event.
impl fmt::Display for GapCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Evicted => "evicted",
            Self::ForeignEpoch => "foreign-epoch",
            Self::Unknown => "unknown",
            Self::Malformed => "malformed",
            Self::Future => "future",
        })
    }
}

/// What a stream of a [`Topic`](crate::Topic) does when its next message has been evicted.
///
/// # Examples
///
/// ```
/// use sse_queue::topic::{Lag, Start};
/// use sse_queue::{FakeClock, Topic};
///
/// let topic = Topic::builder().epoch("e")?.history(1).build();
/// let stream = || topic.stream(Start::Now, FakeClock::new().ticker());
/// let mut skips = stream()?.without_first_comment();
/// let mut ends = stream()?.without_first_comment().lag(Lag::End);
/// topic.publish("a")?;
/// topic.publish("b")?;
///
/// let gap = "event: gap\ndata: {\"missed\":1,\"cause\":\"evicted\"}\n\n";
/// assert_eq!(skips.next_ready().unwrap(), gap);
/// assert_eq!(skips.next_ready().unwrap(), "id: e-2\ndata: b\n\n");
/// assert_eq!(ends.next_ready(), None);
/// assert!(ends.is_terminated());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lag {
    /// It sends an event that says how many messages were missed, and continues with the oldest
    /// that is kept.
    #[default]
    Skip,
    /// It ends. The client learns of the gap when it reconnects with the id that it saw last.
    End,
}
