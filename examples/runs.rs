//! Answers that are streamed token by token, which a client may leave and come back to.
//!
//! ```sh
//! cargo run --example runs -- --delay 100
//! ```
//!
//! It serves the clients of the npm packages `ai` (`DefaultChatTransport`) and `@tanstack/ai-client`
//! (`fetchServerSentEvents`); the guide's page on streaming tokens says what they send and need.

use std::{error::Error, net::SocketAddr, time::Duration};

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, body::Body};
use futures_util::{Stream, StreamExt};
use lexopt::ValueExt;
use serde_json::{Value, json};
use sse_queue::topic::{GapCause, Lag, Resumption, Start};
use sse_queue::{LastEventId, ThreadTicker, Topic, Topics, header, stream::KeepAlive};
use tokio::time::{sleep, timeout};

const BUSY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
type Answer = Result<Response, StatusCode>;

#[derive(Clone)]
struct App {
    /// What each run says.
    runs: Topics<String>,
    /// Where each run listens, by the only stream: a message stops it.
    stops: Topics<String>,
    ticker: ThreadTicker,
    delay: Duration,
    grace: Duration,
}

#[derive(serde::Deserialize)]
struct Chat {
    /// The chat of `ai`, or the run of `TanStack`, which alone names a thread.
    #[serde(alias = "runId")]
    id: String,
    #[serde(rename = "threadId")]
    thread: Option<String>,
    messages: Vec<Value>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (app, listen) = App::from_env()?;
    let routes = Router::new()
        .route("/api/chat", post(start).get(join))
        .route("/api/chat/{id}/stream", get(resume))
        .route("/api/chat/{id}/stop", post(stop))
        .with_state(app);
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    // No graceful shutdown: an answer that is cut off must not look as if it had ended.
    Ok(axum::serve(listener, routes).await?)
}

/// `POST /api/chat`: a new run. With a `Last-Event-ID`, `TanStack`'s client comes back to one.
async fn start(State(app): State<App>, headers: HeaderMap, Json(chat): Json<Chat>) -> Answer {
    if let Some(seen) = LastEventId::from_headers(&headers) {
        let run = app.runs.get(&chat.id).ok_or(StatusCode::NOT_FOUND)?;
        return follow(&app, &run, Some(seen));
    }
    // An earlier run is stopped, and gone once its clients have read that.
    let _ = app.stops.publish(&chat.id, "stop");
    let is_gone = || app.runs.forget(&chat.id) || app.runs.get(&chat.id).is_none();
    let gone = async {
        while !is_gone() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let _ = timeout(Duration::from_secs(1), gone).await;
    let stops = app.stops.topic(&chat.id).or(Err(BUSY))?;
    let stops = stops.stream(Start::Now, app.ticker.clone()).or(Err(BUSY))?;
    let run = app.runs.topic(&chat.id).or(Err(BUSY))?;
    let run = Some(run).filter(|run| !run.is_closed()).ok_or(BUSY)?;
    let stream = follow(&app, &run, None);
    let stops = stops.without_first_comment().keep_alive(KeepAlive::off());
    tokio::spawn(speak(run, stops, chat, app));
    stream
}

/// `GET /api/chat?runId=ID`: `TanStack`'s client comes back after its page was loaded again.
async fn join(app: State<App>, headers: HeaderMap, RawQuery(query): RawQuery) -> Answer {
    let query = query.unwrap_or_default();
    let run = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "runId");
    let (_, run) = run.ok_or(StatusCode::NOT_FOUND)?;
    resume(app, headers, Path(run.into_owned())).await
}

/// `GET /api/chat/ID/stream`: the client of `ai` comes back.
async fn resume(State(app): State<App>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let run = app.runs.get(&id).ok_or(StatusCode::NO_CONTENT)?;
    follow(&app, &run, LastEventId::from_headers(&headers))
}

/// `POST /api/chat/ID/stop`, in JSON, which no page of another site can send.
async fn stop(State(app): State<App>, Path(id): Path<String>, _: Json<Value>) -> Json<Value> {
    let stopped = app.stops.publish(&id, "stop");
    Json(json!({ "success": stopped.is_ok() }))
}

/// What the run has said since `seen`, and what it goes on to say.
fn follow(app: &App, run: &Topic, seen: Option<LastEventId>) -> Answer {
    let start = || LastEventId::new(&format!("{}-0", run.epoch()));
    let start = Start::After(seen.unwrap_or_else(start));
    let stream = run.stream(start, app.ticker.clone()).or(Err(BUSY))?;
    match stream.resumption() {
        Resumption::Complete => Err(StatusCode::NO_CONTENT)?,
        // One that has seen an earlier run gets all of this one.
        Resumption::Gap { cause, .. } if cause != GapCause::ForeignEpoch => Err(StatusCode::GONE)?,
        _ => (),
    }
    // Neither client bears an event that is not its own.
    let stream = stream.lag(Lag::End).gap_event(None).or(Err(BUSY))?;
    let response = header::response(Body::from_stream(stream.into_try_stream()));
    Ok(([("x-vercel-ai-ui-message-stream", "v1")], response).into_response())
}

/// The model: repeats the prompt, until it is stopped or nobody has listened for a while.
async fn speak(run: Topic, mut stops: impl Stream + Unpin, chat: Chat, app: App) {
    let [start, text, mut delta, end, finish] = chat.events(run.epoch());
    let say = |event: &Value| run.publish(event.to_string()).is_ok();
    let speak = async {
        let _ = say(&start) && say(&text);
        for token in chat.prompt().split_inclusive(' ') {
            let fields = delta.as_object_mut();
            let _ = fields.map(|fields| fields.insert("delta".into(), token.into()));
            let _ = say(&delta);
            sleep(app.delay).await;
        }
    };
    tokio::select! {
        () = speak => (),
        _ = stops.next() => (),
        () = run.deserted(app.grace, app.ticker.clone()) => (),
    }
    let _ = say(&end) && say(&finish);
    let _ = chat.thread.is_none() && run.publish("[DONE]").is_ok();
    run.close();
}

impl Chat {
    /// The text of the last message, which has parts from `ai` and content from `TanStack`.
    fn prompt(&self) -> String {
        let last = self.messages.last().unwrap_or(&Value::Null);
        let parts = last["parts"].as_array().into_iter().flatten();
        let parts = parts.filter_map(|part| part["text"].as_str());
        parts.chain(last["content"].as_str()).collect()
    }

    /// The events of an answer, in the words of the client.
    fn events(&self, answer: &str) -> [Value; 5] {
        match &self.thread {
            None => [
                json!({"type": "start", "messageId": answer}),
                json!({"type": "text-start", "id": answer}),
                json!({"type": "text-delta", "id": answer}),
                json!({"type": "text-end", "id": answer}),
                json!({"type": "finish"}),
            ],
            Some(thread) => [
                json!({"type": "RUN_STARTED", "threadId": thread, "runId": self.id}),
                json!({"type": "TEXT_MESSAGE_START", "messageId": answer, "role": "assistant"}),
                json!({"type": "TEXT_MESSAGE_CONTENT", "messageId": answer}),
                json!({"type": "TEXT_MESSAGE_END", "messageId": answer}),
                json!({"type": "RUN_FINISHED", "threadId": thread, "runId": self.id}),
            ],
        }
    }
}

impl App {
    /// From `--listen ADDR` and, in milliseconds, the `--delay` of tokens and the `--grace` of runs.
    fn from_env() -> Result<(Self, SocketAddr), Box<dyn Error>> {
        let (mut listen, mut delay, mut grace) = (([127, 0, 0, 1], 3000).into(), 100, 60_000);
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                lexopt::Arg::Long("listen") => listen = parser.value()?.parse()?,
                lexopt::Arg::Long("delay") => delay = parser.value()?.parse()?,
                lexopt::Arg::Long("grace") => grace = parser.value()?.parse()?,
                other => return Err(other.unexpected().into()),
            }
        }
        let app = Self {
            runs: Topics::new(),
            stops: Topics::builder().topic(|t| t.max_streams(1)).build(),
            ticker: ThreadTicker::new()?,
            delay: Duration::from_millis(delay),
            grace: Duration::from_millis(grace),
        };
        Ok((app, listen))
    }
}
