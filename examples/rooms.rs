//! One connection, many rooms: a page joins and leaves rooms while its stream is open.
//!
//! ```sh
//! cargo run --example rooms
//! ```
//!
//! Open <http://127.0.0.1:3000> in two windows. All rooms share one topic, and so one order of ids: a
//! page that comes back names its rooms and the last id that it saw, and continues exactly.

#[path = "shared/tokio_time.rs"]
mod tokio_time;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::process::exit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use futures_util::StreamExt;
use lexopt::ValueExt;
use serde::{Deserialize, Serialize};
use sse_queue::topic::{Filter, Start};
use sse_queue::{Event, LastEventId, Message, Topic, header};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_time::{TokioClock, TokioTicker};

struct App {
    topic: Topic,
    /// The rooms of each open stream, by a random name that only its client knows.
    streams: Mutex<HashMap<String, Filter>>,
    names: RandomState,
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
struct Said<'a> {
    room: &'a str,
    text: &'a str,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let topic = Topic::builder().history(10_000).clock(TokioClock::new());
    let app = Arc::new(App {
        topic: topic.build(),
        streams: Mutex::default(),
        names: RandomState::new(),
    });
    let routes = Router::new()
        .route("/", get(async || Html(include_str!("rooms.html"))))
        .route("/events", get(events))
        .route("/streams/{stream}/{room}", put(join).delete(leave))
        .route("/rooms/{room}", post(say))
        .with_state(app.clone());
    let listener = TcpListener::bind(listen()).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let end = async move {
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
        app.topic.close();
    };
    axum::serve(listener, routes)
        .with_graceful_shutdown(end)
        .await
}

/// `GET /events?room=NAME&room=NAME`: the stream of these rooms. The data of its first event is the
/// name of the stream, by which its rooms can be changed.
async fn events(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, (StatusCode, String)> {
    let query = query.unwrap_or_default();
    let pairs = form_urlencoded::parse(query.as_bytes());
    let rooms = pairs.filter(|(name, _)| name == "room");
    let rooms = app.topic.filter(rooms.map(|(_, room)| room.into_owned()));
    let rooms = rooms.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;

    let seen = LastEventId::from_request(&headers, Some(&query));
    let stream = app.topic.resume(seen, Start::Now, TokioTicker::new());
    let stream = stream.map_err(|error| (StatusCode::TOO_MANY_REQUESTS, error.to_string()))?;
    let open = Open::new(&app, &rooms);
    let hello = Event::new(&open.name).name("stream");
    let hello = hello.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let stream = stream.only(&rooms).greeting_with_position(hello);
    let frames = stream.retry(Duration::from_secs(1)).into_try_stream();
    // Moved into the body, so that the name is forgotten when the client is gone.
    let frames = frames.map(move |frame| {
        let _held = &open;
        frame
    });
    Ok(header::response(Body::from_stream(frames)))
}

/// An open stream; its name is forgotten when this is dropped.
struct Open {
    app: Arc<App>,
    name: String,
}

impl Open {
    fn new(app: &Arc<App>, rooms: &Filter) -> Self {
        let mut streams = app.streams();
        let random = |part: u8| {
            app.names
                .hash_one((part, RandomState::new().hash_one(part)))
        };
        let name = format!("{:016x}{:016x}", random(0), random(1));
        streams.insert(name.clone(), rooms.clone());
        let app = app.clone();
        Self { app, name }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.app.streams().remove(&self.name);
    }
}

/// `PUT /streams/STREAM/ROOM`: the stream gets what is said in the room from now on.
async fn join(
    State(app): State<Arc<App>>,
    Path((stream, room)): Path<(String, String)>,
) -> Response {
    match app.rooms(&stream).map(|rooms| rooms.insert(room)) {
        Some(Ok(_)) => StatusCode::NO_CONTENT.into_response(),
        Some(Err(error)) => (StatusCode::CONFLICT, error.to_string()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `DELETE /streams/STREAM/ROOM`: the stream gets nothing more from the room.
async fn leave(
    State(app): State<Arc<App>>,
    Path((stream, room)): Path<(String, String)>,
) -> StatusCode {
    match app.rooms(&stream).map(|rooms| rooms.remove(&room)) {
        Some(true) => StatusCode::NO_CONTENT,
        _ => StatusCode::NOT_FOUND,
    }
}

/// `POST /rooms/ROOM` with `{"text": ..}`. A page of another site cannot send JSON without a
/// preflight, which fails.
async fn say(
    State(app): State<Arc<App>>,
    Path(room): Path<String>,
    Json(Text { text }): Json<Text>,
) -> Result<StatusCode, (StatusCode, String)> {
    let said = Said {
        room: &room,
        text: &text,
    };
    let failed = |error: String| (StatusCode::SERVICE_UNAVAILABLE, error);
    let data = serde_json::to_string(&said).map_err(|error| failed(error.to_string()))?;
    let published = app.topic.publish(Message::from(data).tag(room));
    published.map_err(|error| failed(error.to_string()))?;
    Ok(StatusCode::ACCEPTED)
}

impl App {
    fn streams(&self) -> MutexGuard<'_, HashMap<String, Filter>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rooms(&self, stream: &str) -> Option<Filter> {
        self.streams().get(stream).cloned()
    }
}

/// The address in `--listen ADDR`.
fn listen() -> SocketAddr {
    let mut address = SocketAddr::from(([127, 0, 0, 1], 3000));
    let mut parser = lexopt::Parser::from_env();
    let parsed = (|| {
        while let Some(argument) = parser.next()? {
            match argument {
                lexopt::Arg::Long("listen") => address = parser.value()?.parse()?,
                other => return Err(other.unexpected()),
            }
        }
        Ok(())
    })();
    if let Err::<_, lexopt::Error>(error) = parsed {
        eprintln!("error: {error}");
        exit(2);
    }
    address
}
