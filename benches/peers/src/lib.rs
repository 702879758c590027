//! The same fields through this crate's encoder and through those of its peers.
//!
//! Each encoder is used as its own documentation advises: an event is built from the fields, then
//! becomes the bytes of one frame. Where a peer encodes only inside a response body, that body is
//! made once and polled for each frame.

use core::convert::Infallible;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use actix_web::body::MessageBody;
use actix_web_lab::sse as actix;
use axum::body::HttpBody;
use axum::response::{IntoResponse, sse as axum_sse};
use bytes::Bytes;
use futures_util::stream;
use warp::Reply;

/// Why a peer gave no frame.
pub type Refusal = Box<dyn core::error::Error + Send + Sync>;

/// What one event is made of.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    /// The event's name, if it has one.
    pub name: Option<&'static str>,
    /// The event's id, if it has one.
    pub id: Option<&'static str>,
    /// The event's data.
    pub data: &'static str,
}

impl Fields {
    /// An event of data alone.
    #[must_use]
    pub const fn of(data: &'static str) -> Self {
        Self {
            name: None,
            id: None,
            data,
        }
    }

    /// What the measurements encode: 256 bytes of data in one line, a name and an id.
    #[must_use]
    pub const fn typical() -> Self {
        Self {
            name: Some("price"),
            id: Some("k3f9-1048576"),
            data: "{\"symbol\":\"ACME\",\"bid\":102.25,\"ask\":102.50,\"last\":102.25,\"volume\":184467,\
                   \"open\":99.75,\"high\":103.00,\"low\":99.50,\"venue\":\"XNYS\",\"state\":\"open\",\
                   \"time\":\"2026-11-22T14:30:00.125Z\",\"sequence\":1048576,\"flags\":[\"regular\",\"firm\"],\
                   \"note\":\"quote of opening auction\"}",
        }
    }
}

/// This crate: an event built, then encoded.
pub fn ours(fields: Fields) -> impl FnMut() -> Result<Bytes, Refusal> {
    move || {
        let mut event = sse_queue::Event::new(fields.data);
        if let Some(name) = fields.name {
            event = event.name(name)?;
        }
        if let Some(id) = fields.id {
            event = event.id(id)?;
        }
        Ok(event.encode())
    }
}

/// axum: encoded partly while the event is built, partly by the body of `Sse`.
pub fn axum(fields: Fields) -> impl FnMut() -> Result<Bytes, Refusal> {
    axum_body(move || {
        let mut event = axum_sse::Event::default();
        if let Some(name) = fields.name {
            event = event.event(name);
        }
        if let Some(id) = fields.id {
            event = event.id(id);
        }
        event.data(fields.data)
    })
}

/// axum's body around an event that is encoded already: subtract it from [`axum`] to get the cost
/// of building and encoding.
pub fn axum_body_alone() -> impl FnMut() -> Result<Bytes, Refusal> {
    axum_body(|| axum_sse::Event::DEFAULT_KEEP_ALIVE)
}

fn axum_body(
    mut event: impl FnMut() -> axum_sse::Event + Send + 'static,
) -> impl FnMut() -> Result<Bytes, Refusal> {
    let events = stream::repeat_with(move || Ok::<_, Infallible>(event()));
    let mut body = axum_sse::Sse::new(events).into_response().into_body();
    move || next_frame(&mut body)
}

/// sse-stream: an event of owned strings, encoded on its own.
pub fn sse_stream(fields: Fields) -> impl FnMut() -> Result<Bytes, Refusal> {
    move || {
        let mut event = sse_stream::Sse::default().data(fields.data);
        if let Some(name) = fields.name {
            event = event.event(name);
        }
        if let Some(id) = fields.id {
            event = event.id(id);
        }
        Ok(event.encode()?)
    }
}

/// actix-web-lab: encoded by the body of its responder.
pub fn actix_web_lab(fields: Fields) -> impl FnMut() -> Result<Bytes, Refusal> {
    let events = stream::repeat_with(move || {
        let mut event = actix::Data::new(fields.data);
        if let Some(name) = fields.name {
            event = event.event(name);
        }
        if let Some(id) = fields.id {
            event = event.id(id);
        }
        actix::Event::Data(event)
    });
    let mut body = Box::pin(actix::Sse::from_infallible_stream(events));
    move || match body
        .as_mut()
        .poll_next(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(Some(Ok(frame))) => Ok(frame),
        Poll::Ready(Some(Err(error))) => Err(error.to_string().into()),
        Poll::Ready(None) | Poll::Pending => Err("no frame".into()),
    }
}

/// warp: encoded by the body of its reply.
pub fn warp(fields: Fields) -> impl FnMut() -> Result<Bytes, Refusal> {
    let events = stream::repeat_with(move || {
        let mut event = warp::sse::Event::default().data(fields.data);
        if let Some(name) = fields.name {
            event = event.event(name);
        }
        if let Some(id) = fields.id {
            event = event.id(id);
        }
        Ok::<_, Infallible>(event)
    });
    let mut body = warp::sse::reply(events).into_response().into_body();
    move || next_frame(&mut body)
}

fn next_frame<B>(body: &mut B) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes, Error: Into<Refusal>> + Unpin,
{
    match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().map_err(|_| "not data".into()),
        Poll::Ready(Some(Err(error))) => Err(error.into()),
        Poll::Ready(None) | Poll::Pending => Err("no frame".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_typical_event_has_256_bytes_of_data_in_one_line() {
        let data = Fields::typical().data;
        assert_eq!((data.len(), data.lines().count()), (256, 1));
    }
}
