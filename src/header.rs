//! The HTTP around a stream: the response's headers, `Accept`, and `Last-Event-ID`.
//!
//! This is the only module that uses the [`http`] crate, whose types axum, hyper, warp, poem and
//! others share.
//!
//! # Examples
//!
//! ```
//! use http::{HeaderMap, StatusCode};
//! use sse_queue::header;
//!
//! let request = HeaderMap::new();
//! assert!(header::accepts(&request));
//!
//! let response = header::response("the stream goes here");
//! assert_eq!(response.status(), StatusCode::OK);
//! assert_eq!(response.headers()["content-type"], "text/event-stream");
//! ```

mod accept;
mod last_event_id;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response};

pub use accept::accepts;

/// The name of the `Last-Event-ID` header.
///
/// # Examples
///
/// ```
/// use sse_queue::header::LAST_EVENT_ID;
///
/// assert_eq!(LAST_EVENT_ID, "Last-Event-ID");
/// ```
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Tells nginx whether to buffer the response.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The headers of a response whose body is an event stream.
///
/// * `Content-Type: text/event-stream`, without a `charset`: the stream is always UTF-8, and some
///   clients compare the whole value.
/// * `Cache-Control: no-cache, no-transform`: no cache reuses the stream, and no proxy compresses
///   it, which would delay events.
/// * `X-Accel-Buffering: no`: nginx forwards each chunk at once.
///
/// There are no cross-origin headers: the application decides whether other sites may read the
/// stream.
///
/// # Examples
///
/// ```
/// use sse_queue::header;
///
/// let headers = header::response_headers();
/// assert_eq!(headers["content-type"], "text/event-stream");
/// assert_eq!(headers["cache-control"], "no-cache, no-transform");
/// assert_eq!(headers["x-accel-buffering"], "no");
/// assert_eq!(headers.len(), 3);
/// ```
#[must_use]
pub fn response_headers() -> HeaderMap {
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (
            CACHE_CONTROL,
            HeaderValue::from_static("no-cache, no-transform"),
        ),
        (X_ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ])
}

/// Creates a `200 OK` response with [`response_headers`] and this body.
///
/// # Examples
///
/// ```
/// use sse_queue::header;
///
/// let response = header::response(());
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.headers(), &header::response_headers());
/// ```
#[must_use]
pub fn response<B>(body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.headers_mut() = response_headers();
    response
}
