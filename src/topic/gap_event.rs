//! How a client learns of a gap.

use bytes::Bytes;

use super::resume::GapCause;
use crate::event::{Event, EventError};

/// The event that reports a gap.
#[derive(Debug)]
pub(super) enum GapEvent {
    /// One named `gap`.
    Usual,
    /// One of that name, or none. It is rare, so it is kept small.
    Set(Box<Option<Box<str>>>),
}

impl GapEvent {
    /// An event of this name, or none.
    pub(super) fn named(name: Option<&str>) -> Result<Self, EventError> {
        if let Some(name) = name {
            Event::new("").name(name)?;
        }
        Ok(Self::Set(Box::new(name.map(Box::from))))
    }

    /// The event's frame, if it is not switched off.
    pub(super) fn frame(&self, missed: Option<u64>, cause: GapCause) -> Option<Bytes> {
        let name = match self {
            Self::Usual => "gap",
            Self::Set(name) => name.as_deref()?,
        };
        let event = match missed {
            Some(missed) => {
                Event::display(format_args!(r#"{{"missed":{missed},"cause":"{cause}"}}"#))
            }
            None => Event::display(format_args!(r#"{{"missed":null,"cause":"{cause}"}}"#)),
        };
        // The name was checked when it was set.
        event.name(name).ok().map(Event::encode)
    }
}
