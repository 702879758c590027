//! Accepts messages by `POST /messages` and sends them as Server-Sent Events by `GET /events`, with
//! hyper alone.
//!
//! ```sh
//! cargo run --example hyper -- --interval 0         # or --mode broadcast, or --rate 1000
//! curl -N http://127.0.0.1:3000/events
//! curl -H 'content-type: text/plain' -d 'hello' http://127.0.0.1:3000/messages
//! ```

#[path = "shared/mod.rs"]
mod shared;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{ALLOW, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use sse_queue::header;

use shared::{App, Args, Refusal, refuse, serve};

/// A text or a stream of frames.
type Body = UnsyncBoxBody<Bytes, Infallible>;

#[tokio::main]
async fn main() -> io::Result<()> {
    let args = Args::from_env();
    let app = Arc::new(App::new(&args));
    let routes = app.clone();
    let service = service_fn(move |request| route(routes.clone(), request));
    serve(args.listen, service, app.hub()).await
}

async fn route(app: Arc<App>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    // hyper sends no body in answer to HEAD.
    let response = match (request.uri().path(), request.method()) {
        ("/", &Method::GET | &Method::HEAD) => App::page(),
        ("/events", &Method::GET | &Method::HEAD) => return Ok(events(&app, request)),
        ("/stats", &Method::GET | &Method::HEAD) => app.stats(),
        ("/messages", &Method::POST) => app.publish(request).await,
        ("/" | "/events" | "/stats", _) => method_not_allowed(request, "GET,HEAD"),
        ("/messages", _) => method_not_allowed(request, "POST"),
        (path, method) if names_a_message(path) => match *method {
            Method::POST => app.settle(request),
            _ => method_not_allowed(request, "POST"),
        },
        _ => refuse(request, Refusal::NotFound),
    };
    Ok(response.map(BodyExt::boxed_unsync))
}

fn events(app: &App, request: Request<Incoming>) -> Response<Body> {
    match app.events(&request) {
        Ok(frames) => header::response(StreamBody::new(frames.map_ok(Frame::data)).boxed_unsync()),
        Err(refusal) => refuse(request, refusal).map(BodyExt::boxed_unsync),
    }
}

/// Whether a path is `/ack/ID` or `/nack/ID`.
fn names_a_message(path: &str) -> bool {
    let id = path.strip_prefix("/ack/");
    let id = id.or_else(|| path.strip_prefix("/nack/"));
    id.is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

fn method_not_allowed(request: Request<Incoming>, allow: &'static str) -> Response<String> {
    let mut response = refuse(request, Refusal::MethodNotAllowed);
    let allow = HeaderValue::from_static(allow);
    response.headers_mut().insert(ALLOW, allow);
    response
}
