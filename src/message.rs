//! What queues and topics return for a [`Message`], and what they give back.

pub(crate) mod id;
pub(crate) mod labels;
pub(crate) mod last_event_id;
mod receipt;
pub(crate) mod remaining;
pub(crate) mod timed;

pub use id::EpochError;
pub use receipt::Receipt;
pub use remaining::{Remaining, RemainingError};

pub(crate) use labels::Labels;
pub(crate) use last_event_id::LastEventId;
pub(crate) use timed::Message;
