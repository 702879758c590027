//! The errors of an [`Event`].

mod decimal;
mod encode;
mod field;
mod frame;
mod lines;
pub(crate) mod sse_event;
mod wire;

pub use field::{EventError, Field};
pub use frame::FrameError;

pub(crate) use decimal::Decimal;
pub(crate) use field::{Fields, value_of};
pub(crate) use sse_event::Event;
