//! What a stream has left to do, and who polls it.

/// What a stream has left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    New,
    Open,
    /// Open, and each poll asks the [handle](super::EndHandle) whether to end.
    Watched,
    /// Its age is reached, and only the `retry` line is left to send.
    Leaving,
    Ended,
}

/// The caller of a poll.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A task that is woken when there is more.
    Task,
    /// A caller that polls by itself: no waker stays anywhere.
    Hand,
}
