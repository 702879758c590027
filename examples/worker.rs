//! A worker that takes jobs from one of the servers and confirms each when it is done. It may be
//! killed at any time: another worker gets what it has not confirmed.
//!
//! The server must confirm by acks (`--confirm ack`, the default): the worker reconnects with the
//! id of the last job that it has seen, done or not, to keep the job's lease.
//!
//! ```sh
//! cargo run --example axum -- --interval 0 --at-least-once 30000
//! cargo run --example worker -- http://127.0.0.1:3000
//! curl -H 'content-type: text/plain' -d 'a job' http://127.0.0.1:3000/messages
//! ```

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use eventsource_stream::{Event, Eventsource};
use futures_util::StreamExt;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::ACCEPT;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sse_queue::header::LAST_EVENT_ID;
use tokio::time::sleep;

/// How long to wait before connecting again.
const RETRY: Duration = Duration::from_secs(1);

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() {
    let server = env::args().nth(1);
    let mut worker = Worker {
        client: Client::builder(TokioExecutor::new()).build_http(),
        server: server.unwrap_or_else(|| "http://127.0.0.1:3000".to_owned()),
        last_seen: None,
        unconfirmed: None,
    };
    loop {
        match worker.take_jobs().await {
            Ok(()) => eprintln!("the stream has ended"),
            Err(error) => eprintln!("error: {error}"),
        }
        sleep(RETRY).await;
    }
}

struct Worker {
    client: Client<HttpConnector, Empty<Bytes>>,
    server: String,
    /// The last job that arrived. Reconnecting with its id keeps the lease of a job in hand.
    last_seen: Option<String>,
    /// The job that is done, until the server knows.
    unconfirmed: Option<String>,
}

impl Worker {
    /// Does the jobs of one stream, one after the other.
    async fn take_jobs(&mut self) -> Result<(), Failure> {
        // Before the server can consider the job not done.
        self.confirm().await?;
        let mut request = Request::get(format!("{}/events", self.server));
        request = request.header(ACCEPT, "text/event-stream");
        if let Some(id) = &self.last_seen {
            request = request.header(LAST_EVENT_ID, id.as_bytes());
        }
        let response = self.send(request).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("no stream: {}", response.status()).into());
        }
        let mut events = response.into_body().into_data_stream().eventsource();
        while let Some(event) = events.next().await {
            let job = event?;
            self.last_seen = Some(job.id.clone());
            work(&job)?;
            self.unconfirmed = Some(job.id);
            self.confirm().await?;
        }
        Ok(())
    }

    /// Confirms the job that is done. If this fails, it is tried again before the next stream.
    async fn confirm(&mut self) -> Result<(), Failure> {
        let Some(id) = &self.unconfirmed else {
            return Ok(());
        };
        let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
        let request = Request::post(format!("{}/ack/{id}", self.server));
        match self.send(request).await?.status() {
            StatusCode::NO_CONTENT => {}
            // It took too long: another worker does the job again.
            StatusCode::GONE => eprintln!("the lease of {id} has ended"),
            // The server was restarted and does not know the job.
            StatusCode::NOT_FOUND => eprintln!("{id} is not in flight"),
            status => return Err(format!("{id} was not confirmed: {status}").into()),
        }
        self.unconfirmed = None;
        Ok(())
    }

    async fn send(&self, request: http::request::Builder) -> Result<Response<Incoming>, Failure> {
        Ok(self.client.request(request.body(Empty::new())?).await?)
    }
}

/// The work itself. A job may be done twice, so doing it again should change nothing.
fn work(job: &Event) -> io::Result<()> {
    writeln!(io::stdout(), "{} {}", job.id, job.data)
}
