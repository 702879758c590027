//! The connections: how they are accepted, and how they end.

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::hub::Hub;

/// How long a client may take to send the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// How long streams may take to send what is due, once the hub is closed.
const CLOSE_TIME: Duration = Duration::from_secs(3);

/// How long connections may take to end, once the hub is aborted.
const ABORT_TIME: Duration = Duration::from_millis(500);

/// How long to wait if no connection can be accepted. Mostly there are no file descriptors left,
/// and trying again at once would only use the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the process gets a signal to stop; then ends the hub's streams and all connections.
///
/// A framework's own graceful shutdown waits for every response, and an event stream does not end
/// by itself. Closing the hub ends it; a client that does not read is disconnected.
pub(crate) async fn serve<S, B>(address: SocketAddr, service: S, hub: &Hub) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let stop = stop_signal()?;
    let listener = TcpListener::bind(address).await?;
    // A closed stdout is no reason to stop.
    let _ = writeln!(
        io::stdout(),
        "listening on http://{}",
        listener.local_addr()?
    );

    let mut connections = JoinSet::new();
    let (running, _) = watch::channel(());
    accept_until(stop, &listener, &service, &mut connections, &running).await;

    hub.close();
    let closed = Instant::now();
    let end = closed.checked_add(CLOSE_TIME).unwrap_or(closed);
    // Clients can still confirm messages, over other connections.
    let streams_ended = timeout_at(end, hub.ended());
    accept_until(
        streams_ended,
        &listener,
        &service,
        &mut connections,
        &running,
    )
    .await;

    drop(listener);
    drop(running);
    let mut ended = pin!(async { while connections.join_next().await.is_some() {} });
    if timeout_at(end, &mut ended).await.is_err() {
        hub.abort();
        let _ = timeout(ABORT_TIME, &mut ended).await;
    }
    // Dropping the set drops the connections that are left.
    Ok(())
}

async fn accept_until<S, B>(
    end: impl Future,
    listener: &TcpListener,
    service: &S,
    connections: &mut JoinSet<()>,
    running: &watch::Sender<()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let mut end = pin!(end);
    loop {
        tokio::select! {
            // A listener that has failed accepts no more.
            biased;
            _ = &mut end => break,
            stream = accept(listener) => {
                connections.spawn(connection(stream, service.clone(), running.subscribe()));
            }
            Some(()) = async { connections.join_next().await.map(drop) } => {}
        }
    }
}

/// Ready at the first SIGTERM or SIGINT from now on.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                eprintln!("error: cannot accept: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether one connection failed before it was accepted, which says nothing about the next.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Serves one connection until it ends, or until the server stops and it has nothing in hand.
async fn connection<S, B>(stream: TcpStream, service: S, mut running: watch::Receiver<()>)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    // An event must not wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    // hyper's timeout for the head starts once the version is known, from the first bytes.
    tokio::select! {
        spoke = timeout(HEAD_TIME, stream.readable()) => if spoke.is_err() { return },
        _ = running.changed() => return,
    }

    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // Errors are the client's: it went away, or did not speak HTTP.
    tokio::select! {
        // No number is drawn at each poll to be fair to what happens once.
        biased;
        _ = connection.as_mut() => return,
        _ = running.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
