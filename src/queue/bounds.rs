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
///
/// # Examples
///
/// ```
/// use sse_queue::queue::Overflow;
/// use sse_queue::Queue;
///
/// let queue = |overflow| Queue::builder().capacity(1).overflow(overflow).build();
/// let rejects = queue(Overflow::Reject);
/// rejects.push("a")?;
/// assert!(rejects.push("b").is_err());
/// assert!(rejects.next_ready().unwrap().ends_with(b"data: a\n\n"));
///
/// let drops = queue(Overflow::DropOldest);
/// drops.push("a")?;
/// drops.push("b")?;
/// assert!(drops.next_ready().unwrap().ends_with(b"data: b\n\n"));
/// assert_eq!(drops.stats().dropped, 1);
/// # Ok::<(), sse_queue::queue::PushError>(())
/// ```
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
