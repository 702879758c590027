//! The event that reports a gap to a client.

use bytes::Bytes;

use super::resume::GapCause;
use crate::event::{Event, EventError};

/// Whether a gap is reported, and under which event name.
#[derive(Debug)]
pub(super) enum GapEvent {
    /// The default name, `gap`.
    Default,
    /// Another name, or no event. Boxed, because this is rare and the enum should be small.
    Set(Box<Option<Box<str>>>),
}

impl GapEvent {
    /// Reports gaps by an event with this name; `None` turns the event off.
    pub(super) fn named(name: Option<&str>) -> Result<Self, EventError> {
        if let Some(name) = name {
            Event::new("").name(name)?;
        }
        Ok(Self::Set(Box::new(name.map(Box::from))))
    }

    /// The event's frame, unless the event is turned off.
    pub(super) fn frame(&self, missed: Option<u64>, cause: GapCause) -> Option<Bytes> {
        let name = match self {
            Self::Default => "gap",
            Self::Set(name) => name.as_deref()?,
        };
        let event = match missed {
            Some(missed) => {
                Event::from_display(format_args!(r#"{{"missed":{missed},"cause":"{cause}"}}"#))
            }
            None => Event::from_display(format_args!(r#"{{"missed":null,"cause":"{cause}"}}"#)),
        };
        // Cannot fail: `named` has checked the name.
        event.name(name).ok().map(Event::encode)
    }
}
