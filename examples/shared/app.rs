//! The requests, without the routes of a framework.

use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use sse_queue::message::Receipt;
use sse_queue::queue::AckError;
use sse_queue::{LastEventId, header};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::answer::{Refusal, discard, json_response};
use super::args::Args;
use super::hub::{Frames, Hub, Verdict};
use super::message::Kind;
use super::site::is_cross_site;

/// How long a client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(30);

/// The page needs no other resource, and must not be shown in a frame.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; \
    style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// The answer to an accepted message.
#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
}

/// What both servers need to answer requests.
pub(crate) struct App {
    hub: Hub,
    max_body: usize,
}

impl App {
    pub(crate) fn new(args: &Args) -> Self {
        Self {
            hub: Hub::new(args),
            max_body: args.max_body,
        }
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// `GET /`
    pub(crate) fn page() -> Response<String> {
        let mut response = Response::new(include_str!("page.html").to_owned());
        let headers = response.headers_mut();
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        headers.insert(CONTENT_TYPE, html);
        let policy = HeaderValue::from_static(PAGE_POLICY);
        headers.insert(CONTENT_SECURITY_POLICY, policy);
        response
    }

    /// `GET /stats`
    pub(crate) fn stats(&self) -> Response<String> {
        json_response(StatusCode::OK, &self.hub.stats())
    }

    /// `GET /events`: the stream, if the client accepts one. For `HEAD` an empty one: a real one
    /// would count as open and take messages that no client gets.
    pub(crate) fn events<B>(&self, request: &Request<B>) -> Result<Frames, Refusal> {
        if !header::accepts(request.headers()) {
            return Err(Refusal::NotAcceptable);
        }
        let query = request.uri().query();
        let seen = LastEventId::from_request(request.headers(), query);
        let wanted = self.hub.filter(tags(query))?;
        if self.hub.is_complete(seen.as_ref(), wanted.as_ref()) {
            return Err(Refusal::Complete);
        }
        if request.method() == Method::HEAD {
            return Ok(Box::pin(stream::empty()));
        }
        self.hub.stream(seen, wanted.as_ref())
    }

    /// `POST /ack/ID` and `POST /nack/ID?delay_ms=N`. The body is ignored.
    pub(crate) fn settle<B>(&self, request: Request<B>) -> Response<String>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let (head, body) = request.into_parts();
        discard(&head.headers, body);
        match self.settled(&head) {
            Ok(()) => {
                let mut response = Response::default();
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
            Err(refusal) => refusal.into(),
        }
    }

    fn settled(&self, head: &Parts) -> Result<(), Refusal> {
        if is_cross_site(head) {
            return Err(Refusal::CrossSite);
        }
        let path = head.uri.path();
        let (id, verdict) = match (path.strip_prefix("/ack/"), path.strip_prefix("/nack/")) {
            (Some(id), _) => (id, Verdict::Ack),
            (_, Some(id)) => (id, Verdict::Nack(delay(head.uri.query())?)),
            _ => return Err(Refusal::NotFound),
        };
        match percent_decode_str(id).decode_utf8() {
            Ok(id) => self.hub.settle(&id, verdict),
            // No message has such an id.
            Err(_) => Err(Refusal::NotInFlight(AckError::Unknown.to_string())),
        }
    }

    /// `POST /messages`
    pub(crate) async fn publish<B>(&self, request: Request<B>) -> Response<String>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, mut body) = request.into_parts();
        match self.receive(&head, &mut body).await {
            Ok(receipt) => {
                let id = receipt.id();
                json_response(StatusCode::ACCEPTED, &Answer { id })
            }
            Err(refusal) => {
                discard(&head.headers, body);
                refusal.into()
            }
        }
    }

    /// Accepts the message.
    async fn receive<B>(&self, head: &Parts, body: &mut B) -> Result<Receipt, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if is_cross_site(head) {
            return Err(Refusal::CrossSite);
        }
        let kind = Kind::of(&head.headers)?;
        let body = self.read(body).await?;
        self.hub.send(kind.message(&body, self.hub.is_broadcast())?)
    }

    /// The whole body. One that is announced as too large is refused before it is read.
    async fn read<B>(&self, body: &mut B) -> Result<Bytes, Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let too_large =
            || Refusal::TooLarge(format!("the body is larger than {} bytes", self.max_body));
        if body.size_hint().lower() > self.max_body as u64 {
            return Err(too_large());
        }
        match in_time(Limited::new(body, self.max_body).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(error)) => Err(Refusal::BadMessage(error.to_string())),
            Err(_) => Err(Refusal::BodyTimeout(BODY_TIME)),
        }
    }
}

/// Waits for a body, with a timeout. One that came with its head is there at the second poll, and
/// sets no timer.
async fn in_time<F: Future>(body: F) -> Result<F::Output, Elapsed> {
    let mut body = pin!(body);
    let mut is_first = true;
    let early = poll_fn(|cx| match body.as_mut().poll(cx) {
        Poll::Pending if mem::take(&mut is_first) => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        polled => Poll::Ready(polled),
    });
    match early.await {
        Poll::Ready(body) => Ok(body),
        Poll::Pending => timeout(BODY_TIME, body).await,
    }
}

/// The values of all `tag=`.
fn tags(query: Option<&str>) -> Vec<String> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let tags = pairs.filter(|(name, _)| name == "tag");
    tags.map(|(_, tag)| tag.into_owned()).collect()
}

/// The delay in `delay_ms=N`, if there is one.
fn delay(query: Option<&str>) -> Result<Option<Duration>, Refusal> {
    let pairs = query.unwrap_or_default().split('&');
    let mut values = pairs.filter_map(|pair| pair.strip_prefix("delay_ms="));
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let millis = value.parse();
    millis
        .map(|millis| (millis > 0).then(|| Duration::from_millis(millis)))
        .map_err(|error| Refusal::BadMessage(format!("delay_ms: {error}")))
}
