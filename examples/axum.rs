//! Accepts messages by `POST /messages` and sends them as Server-Sent Events by `GET /events`, with
//! axum.
//!
//! ```sh
//! cargo run --example axum -- --interval 0         # or --mode broadcast, or --rate 1000
//! curl -N http://127.0.0.1:3000/events
//! curl -H 'content-type: text/plain' -d 'hello' http://127.0.0.1:3000/messages
//! ```

#[path = "shared/mod.rs"]
mod shared;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper_util::service::TowerToHyperService;
use sse_queue::header;

use shared::{App, Args, Refusal, refuse, serve};

#[tokio::main]
async fn main() -> io::Result<()> {
    let args = Args::from_env();
    let app = Arc::new(App::new(&args));
    // `get` answers HEAD, too, without the body.
    let routes = Router::new()
        .route("/", get(page))
        .route("/messages", post(publish))
        .route("/events", get(events))
        .route("/stats", get(stats))
        .route("/ack/{id}", post(settle))
        .route("/nack/{id}", post(settle))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app.clone());
    // Not `axum::serve`: it waits for clients that never finish their request, and for those that
    // never read their stream.
    serve(args.listen, TowerToHyperService::new(routes), app.hub()).await
}

async fn page() -> impl IntoResponse {
    App::page()
}

async fn publish(State(app): State<Arc<App>>, request: Request) -> impl IntoResponse {
    app.publish(request).await
}

async fn events(State(app): State<Arc<App>>, request: Request) -> Response {
    match app.events(&request) {
        Ok(frames) => header::response(Body::from_stream(frames)),
        Err(refusal) => refuse(request, refusal).into_response(),
    }
}

async fn settle(State(app): State<Arc<App>>, request: Request) -> impl IntoResponse {
    app.settle(request)
}

async fn stats(State(app): State<Arc<App>>) -> impl IntoResponse {
    app.stats()
}

async fn not_found(request: Request) -> impl IntoResponse {
    refuse(request, Refusal::NotFound)
}

/// axum adds the `Allow` header.
async fn method_not_allowed(request: Request) -> impl IntoResponse {
    refuse(request, Refusal::MethodNotAllowed)
}
