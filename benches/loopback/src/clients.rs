//! All the clients: each reads its events and checks that all arrive, in order if they have one.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use memchr::memchr;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{self, timeout};

use crate::posts::{self, Progress};
use crate::scenario::{Publisher, Scenario};
use crate::{Outcome, server};

/// Longer than any run takes.
const LONGEST: Duration = Duration::from_secs(60);

/// Connects all and reports that they are ready; then reports how long the events took, from the
/// first to the last.
pub(crate) async fn read_all(port: u16, scenario: &Scenario) -> Outcome<()> {
    timeout(LONGEST, read_in_time(port, scenario)).await?
}

async fn read_in_time(port: u16, scenario: &Scenario) -> Outcome<()> {
    let progress = Arc::new(Progress::default());
    let (connected, mut ready) = mpsc::unbounded_channel();
    let mut clients = JoinSet::new();
    for _ in 0..scenario.clients {
        let (connected, scenario) = (connected.clone(), scenario.clone());
        let progress = Arc::clone(&progress);
        clients.spawn(async move {
            let mut client = Client::connect(port, &scenario, progress).await?;
            connected.send(())?;
            drop(connected);
            client.read(scenario.events).await
        });
        ready.recv().await.ok_or("a client could not connect")?;
    }
    println!("ready 0");
    let mut words = BufReader::new(tokio::io::stdin()).lines();
    words.next_line().await?.ok_or("nobody says when")?;
    let mut publishers = JoinSet::new();
    if let Publisher::Http(connections) = scenario.publisher {
        let start = time::Instant::now();
        for _ in 0..connections {
            let progress = Arc::clone(&progress);
            publishers.spawn(posts::publish(port, scenario.clone(), progress, start));
        }
    }
    while let Some(done) = publishers.join_next().await {
        done??;
    }

    let (mut first, mut last) = (None, Instant::now());
    let mut latencies = Vec::new();
    while let Some(read) = clients.join_next().await {
        let read = read??;
        first = Some(first.map_or(read.first, |first: Instant| first.min(read.first)));
        last = last.max(read.last);
        latencies.extend(read.latencies);
    }
    let first = first.ok_or("there was no client")?;
    println!("took {}", last.duration_since(first).as_nanos());
    latencies.sort_unstable();
    println!("p50 {}", share(&latencies, 50));
    println!("p99 {}", share(&latencies, 99));
    Ok(())
}

/// The percentile: `hundredths` of the values do not exceed it.
fn share(sorted: &[u64], hundredths: usize) -> u64 {
    let at = sorted.len() * hundredths / 100;
    sorted.get(at).copied().unwrap_or_default()
}

/// What one client got.
struct Read {
    first: Instant,
    last: Instant,
    /// The time from the publication of each to its read, in nanoseconds.
    latencies: Vec<u64>,
}

struct Client {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// Bytes that were read and are not a whole line yet.
    len: usize,
    /// How many events it has read.
    count: u64,
    /// Which of them, if several connections publish: then no order is promised.
    seen: Option<Vec<bool>>,
    progress: Arc<Progress>,
    latencies: Vec<u64>,
}

impl Client {
    /// Connects; ready when the head of the response has arrived.
    async fn connect(port: u16, scenario: &Scenario, progress: Arc<Progress>) -> Outcome<Self> {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        socket.set_nodelay(true)?;
        let request =
            b"GET /events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n";
        socket.write_all(request).await?;
        let events = usize::try_from(scenario.events)?;
        let is_posted = scenario.publisher != Publisher::Server;
        let mut client = Self {
            socket,
            buffer: vec![0; 128 * 1024],
            len: 0,
            count: 0,
            seen: is_posted.then(|| vec![false; events]),
            progress,
            latencies: Vec::with_capacity(events),
        };
        while !client.buffer[..client.len].windows(4).any(is_blank_line) {
            client.fill().await?;
        }
        Ok(client)
    }

    /// Reads that many events.
    async fn read(&mut self, events: u64) -> Outcome<Read> {
        let mut first = None;
        self.take_lines()?;
        while self.count < events {
            self.fill().await?;
            self.take_lines()?;
            if self.count > 0 {
                first.get_or_insert_with(Instant::now);
            }
        }
        Ok(Read {
            first: first.ok_or("an event before its time")?,
            last: Instant::now(),
            latencies: core::mem::take(&mut self.latencies),
        })
    }

    async fn fill(&mut self) -> Outcome<()> {
        let read = self.socket.read(&mut self.buffer[self.len..]).await?;
        if read == 0 {
            return Err(format!("the end, after {} events", self.count).into());
        }
        self.len += read;
        Ok(())
    }

    /// A chunk of the body holds whole frames, so what lies between two chunks are lines too.
    fn take_lines(&mut self) -> Outcome<()> {
        let now = server::now();
        let mut start = 0;
        while let Some(end) = memchr(b'\n', &self.buffer[start..self.len]) {
            let line = &self.buffer[start..start + end];
            if let Some(data) = line.strip_prefix(b"data: ") {
                let (number, made) = server::read(data).ok_or("an event without a number")?;
                self.latencies.push(now.saturating_sub(made));
                self.take(number)?;
            }
            start += end + 1;
        }
        self.buffer.copy_within(start..self.len, 0);
        self.len -= start;
        Ok(())
    }

    fn take(&mut self, number: u64) -> Outcome<()> {
        if let Some(seen) = &mut self.seen {
            let seen = seen.get_mut(usize::try_from(number)?);
            if core::mem::replace(seen.ok_or("an event of nobody's")?, true) {
                return Err(format!("event {number} again").into());
            }
            self.progress.count_read();
        } else if number != self.count {
            return Err(format!("event {number}, not {}", self.count).into());
        }
        self.count += 1;
        Ok(())
    }
}

fn is_blank_line(bytes: &[u8]) -> bool {
    bytes == b"\r\n\r\n"
}
