//! What the servers refuse, and how.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, EXPECT, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Body;
use serde::Serialize;
use serde_json::json;
use thiserror::Error;
use tokio::time::timeout;

/// How much of a refused body is still read, and for how long.
const DISCARD_BYTES: u64 = 256 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Why a request is refused.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    BadMessage(String),
    #[error("another site may not send messages")]
    CrossSite,
    #[error("{0}")]
    DuplicateId(String),
    #[error("{0}")]
    LeaseEnded(String),
    #[error("{0}")]
    NotInFlight(String),
    #[error("messages are not leased here, so there are none to confirm: see --at-least-once")]
    NotLeasing,
    #[error("no such path")]
    NotFound,
    /// The router knows which methods are allowed.
    #[error("no such method on this path")]
    MethodNotAllowed,
    #[error("this path gives text/event-stream only")]
    NotAcceptable,
    #[error("the body took longer than {} s", .0.as_secs())]
    BodyTimeout(Duration),
    #[error("{0}")]
    TooLarge(String),
    #[error("expected text/plain in UTF-8 or application/json")]
    UnsupportedType,
    #[error("too many streams are open")]
    TooManyStreams,
    /// A browser that gets this does not come back.
    #[error("the client has seen everything, and nothing more will come")]
    Complete,
    #[error("{0}")]
    Unavailable(String),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Complete => StatusCode::NO_CONTENT,
            Self::BadMessage(_) => StatusCode::BAD_REQUEST,
            Self::CrossSite => StatusCode::FORBIDDEN,
            Self::DuplicateId(_) => StatusCode::CONFLICT,
            Self::LeaseEnded(_) => StatusCode::GONE,
            Self::NotFound | Self::NotInFlight(_) | Self::NotLeasing => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::BodyTimeout(_) => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyStreams => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn header(&self) -> Option<(HeaderName, &'static str)> {
        match self {
            Self::Unavailable(_) => Some((RETRY_AFTER, "1")),
            Self::TooManyStreams => Some((RETRY_AFTER, "5")),
            _ => None,
        }
    }
}

impl From<Refusal> for Response<String> {
    fn from(refusal: Refusal) -> Self {
        if matches!(refusal, Refusal::Complete) {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NO_CONTENT;
            return response;
        }
        let mut response =
            json_response(refusal.status(), &json!({ "error": refusal.to_string() }));
        if let Some((name, value)) = refusal.header() {
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// Answers a request without reading its body.
pub(crate) fn refuse<B>(request: Request<B>, refusal: Refusal) -> Response<String>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let (head, body) = request.into_parts();
    discard(&head.headers, body);
    refusal.into()
}

/// Reads what the client of a refused request still sends, within bounds.
///
/// Closing a socket with unread bytes resets the connection, and a client that writes its whole
/// body before it reads would never see the reason.
pub(crate) fn discard<B>(headers: &HeaderMap, mut body: B)
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    // A client that asks before it sends has sent nothing, and reading would tell it to continue.
    if body.is_end_stream() || headers.contains_key(EXPECT) {
        return;
    }
    tokio::spawn(timeout(DISCARD_TIME, async move {
        let mut left = DISCARD_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let read = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(read as u64) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    }));
}

pub(crate) fn json_response(status: StatusCode, value: &impl Serialize) -> Response<String> {
    // Maps with text keys can be written, and the servers write no others.
    let mut response = Response::new(serde_json::to_string(value).unwrap_or_default());
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
