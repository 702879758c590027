//! How a future that keeps a hub's time waits for the next deadline.

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use crate::time::Ticker;

/// Clock and ticker may differ: a tick that comes too early is followed by another one, and not at
/// once.
const MIN_WAIT: Duration = Duration::from_micros(1);
/// A deadline that has come without any effect must not keep a task busy.
const MIN_WAIT_WHEN_DUE: Duration = Duration::from_millis(1);
/// A jump of the clock is noticed within this time.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Arms for a deadline of the clock, or for nothing. Ready if it must be checked again already.
pub(crate) fn poll_again_after<T: Ticker>(
    mut ticker: Pin<&mut T>,
    after: Option<Duration>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let wait = |after: Duration| match after {
        Duration::ZERO => MIN_WAIT_WHEN_DUE,
        after => after.clamp(MIN_WAIT, MAX_WAIT),
    };
    ticker.as_mut().arm(after.map(wait));
    ticker.poll_tick(cx)
}
