//! What a queue holds at most.

/// The bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) messages: usize,
    pub(super) bytes: usize,
    pub(super) streams: usize,
    pub(super) overflow: Overflow,
}

/// What a push does when the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// It is refused, and the error hands the message back.
    #[default]
    Reject,
    /// The first messages in order are dropped, and counted, until there is capacity. A message
    /// that was handed out before is never dropped.
    DropOldest,
}
