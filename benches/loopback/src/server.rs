//! The servers. Each is set up as its own documentation recommends.

use core::convert::Infallible;
use core::net::Ipv4Addr;
use core::time::Duration;
use std::io::{self, BufRead, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use broadcast::TokioTicker;
use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use sse_queue::topic::Start;
use sse_queue::{Pacing, Topic, header};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::broadcast as channel;
use tokio::time;
use tokio_stream::Stream;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::BroadcastStream;

use crate::Outcome;
use crate::scenario::{Publisher, Rate, Scenario, Who};

/// The size of a message in bytes; its number and time come first.
const LEN: usize = 256;
const DIGITS: usize = 20;
const GAP: Duration = Duration::from_millis(2);
/// How much the bare loop writes at a time.
const AT_A_TIME: usize = 64 * 1024;

/// Serves until its input ends.
pub(crate) async fn serve(who: Who, scenario: &Scenario) -> Outcome<()> {
    let (hub, router) = match who {
        Who::Topic => topic(None),
        Who::Spaced => topic(Some(GAP)),
        Who::Sse => sse(scenario.slots()),
        Who::Shared | Who::Bare | Who::Example => shared(scenario.slots()),
    };
    let hub = Arc::new(hub);
    let posts = Arc::new(Posts {
        hub: Arc::clone(&hub),
        next: AtomicU64::new(0),
    });
    let router = router.merge(
        Router::new()
            .route("/messages", post(take))
            .with_state(posts),
    );
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("port {}", listener.local_addr()?.port());
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    tokio::spawn(axum::serve(listener, router).into_future());

    let mut words = BufReader::new(tokio::io::stdin()).lines();
    words.next_line().await?.ok_or("nobody says when")?;
    if hub.streams() != scenario.clients {
        return Err(format!("{} streams", hub.streams()).into());
    }
    if scenario.publisher == Publisher::Server {
        let scenario = scenario.clone();
        tokio::spawn(async move { publish(&hub, &scenario).await });
    }
    words.next_line().await?;
    // The connections are still open: nothing waits for them.
    std::process::exit(0)
}

/// The same bytes to the same sockets, without a server.
pub(crate) fn bare(scenario: &Scenario) -> Outcome<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("port {}", listener.local_addr()?.port());
    let mut sockets = Vec::new();
    for _ in 0..scenario.clients {
        let (mut socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        // The request is in one piece.
        let _ = socket.read(&mut [0; 1024])?;
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")?;
        sockets.push(socket);
    }
    let mut words = io::stdin().lock().lines();
    words.next().ok_or("nobody says when")??;
    let mut bytes = Vec::new();
    for number in 0..scenario.events {
        write!(bytes, "id: e-{number}\ndata: {}\n\n", message(number))?;
    }
    for chunk in bytes.chunks(AT_A_TIME) {
        for socket in &mut sockets {
            socket.write_all(chunk)?;
        }
    }
    // The sockets stay open until this process is ended.
    let _ = words.next();
    Ok(())
}

/// The number at the front of a message, and the time when it was made.
pub(crate) fn read(message: &[u8]) -> Option<(u64, u64)> {
    let digits = |start, end| {
        let digits = core::str::from_utf8(message.get(start..end)?);
        digits.ok()?.parse().ok()
    };
    Some((digits(0, DIGITS)?, digits(DIGITS, 2 * DIGITS)?))
}

/// The time of this machine, in nanoseconds: the same for all processes.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let now = Duration::try_from(now).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// A message with the time at which it is made and published.
pub(crate) fn message(number: u64) -> String {
    let now = now();
    let rest = "x".repeat(LEN - 2 * DIGITS);
    format!("{number:0DIGITS$}{now:0DIGITS$}{rest}")
}

/// Accepts messages.
enum Hub {
    Topic(Topic),
    Sse(channel::Sender<Arc<Message>>),
    Shared(channel::Sender<Bytes>),
}

/// What axum encodes for each client.
struct Message {
    id: String,
    data: String,
}

/// The state of the handlers.
struct Posts {
    hub: Arc<Hub>,
    next: AtomicU64,
}

/// Accepts a message and answers with its id.
async fn take(State(posts): State<Arc<Posts>>, data: String) -> Response {
    let number = posts.next.fetch_add(1, Ordering::Relaxed);
    let Some(id) = posts.hub.publish(number, data) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let json = [(CONTENT_TYPE, "application/json")];
    (StatusCode::ACCEPTED, json, format!("{{\"id\":\"{id}\"}}")).into_response()
}

async fn publish(hub: &Hub, scenario: &Scenario) {
    let mut ticks = match scenario.rate {
        Rate::Every(period) => Some(time::interval(period)),
        Rate::Window(_) | Rate::Burst => None,
    };
    for number in 0..scenario.events {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        if let Rate::Window(window) = scenario.rate {
            while hub.backlog(number) >= window {
                time::sleep(Duration::from_millis(1)).await;
            }
        }
        hub.publish(number, message(number));
    }
}

impl Hub {
    /// Accepts a message, with this number if the hub assigns none; returns its id.
    fn publish(&self, number: u64, data: String) -> Option<String> {
        match self {
            Self::Topic(topic) => {
                let published = topic.publish(data).ok()?;
                Some(published.id().to_owned())
            }
            Self::Sse(sender) => {
                let id = format!("e-{number}");
                let message = Message {
                    id: id.clone(),
                    data,
                };
                sender.send(Arc::new(message)).ok()?;
                Some(id)
            }
            Self::Shared(sender) => {
                let id = format!("e-{number}");
                let frame = format!("id: {id}\ndata: {data}\n\n");
                sender.send(Bytes::from(frame)).ok()?;
                Some(id)
            }
        }
    }

    fn streams(&self) -> usize {
        match self {
            Self::Topic(topic) => topic.stats().streams,
            Self::Sse(sender) => sender.receiver_count(),
            Self::Shared(sender) => sender.receiver_count(),
        }
    }

    /// How many messages are on their way: in a topic the mean of the streams, in a channel those
    /// of the slowest.
    fn backlog(&self, published: u64) -> u64 {
        let len = match self {
            Self::Topic(topic) => {
                let stats = topic.stats();
                let streams = u64::try_from(stats.streams).unwrap_or(1).max(1);
                return published.saturating_sub(stats.delivered / streams);
            }
            Self::Sse(sender) => sender.len(),
            Self::Shared(sender) => sender.len(),
        };
        u64::try_from(len).unwrap_or(u64::MAX)
    }
}

fn topic(gap: Option<Duration>) -> (Hub, Router) {
    // With ids as long as the peers'.
    let topic = Topic::builder().epoch("e").expect("a valid epoch").build();
    let serve = async move |State(topic): State<Topic>| -> Response {
        let Ok(stream) = topic.stream(Start::Now, TokioTicker::new()) else {
            return StatusCode::TOO_MANY_REQUESTS.into_response();
        };
        let stream = match gap {
            Some(gap) => stream.pacing(Pacing::spaced(gap)),
            None => stream,
        };
        header::response(Body::from_stream(stream.into_try_stream()))
    };
    let router = Router::new().route("/events", get(serve));
    (Hub::Topic(topic.clone()), router.with_state(topic))
}

fn sse(slots: usize) -> (Hub, Router) {
    let (sender, _) = channel::channel(slots);
    let serve = async |State(sender): State<channel::Sender<Arc<Message>>>| {
        let events = whole(&sender).map(|message| {
            let event = Event::default().id(&message.id).data(&message.data);
            Ok::<_, Infallible>(event)
        });
        Sse::new(events).keep_alive(KeepAlive::default())
    };
    let router = Router::new().route("/events", get(serve));
    (Hub::Sse(sender.clone()), router.with_state(sender))
}

fn shared(slots: usize) -> (Hub, Router) {
    let (sender, _) = channel::channel(slots);
    let serve = async |State(sender): State<channel::Sender<Bytes>>| {
        let frames = whole(&sender).map(Ok::<_, Infallible>);
        header::response(Body::from_stream(frames))
    };
    let router = Router::new().route("/events", get(serve));
    (Hub::Shared(sender.clone()), router.with_state(sender))
}

/// Ends if something was lost: the client then finds that events are missing.
fn whole<M: Clone + Send + 'static>(
    sender: &channel::Sender<M>,
) -> impl Stream<Item = M> + Send + use<M> {
    BroadcastStream::new(sender.subscribe()).map_while(Result::ok)
}
