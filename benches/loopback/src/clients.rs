//! All the clients: each reads its events and checks that they come in order.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::time::Instant;

use memchr::memchr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::scenario::Scenario;
use crate::{Outcome, server};

/// No run takes as long.
const LONGEST: Duration = Duration::from_secs(60);

/// Connects all, tells that they are ready, then how long the events took, from the first of them
/// to the last.
pub(crate) async fn read_all(port: u16, scenario: &Scenario) -> Outcome<()> {
    timeout(LONGEST, read_in_time(port, scenario)).await?
}

async fn read_in_time(port: u16, scenario: &Scenario) -> Outcome<()> {
    let (connected, mut ready) = mpsc::unbounded_channel();
    let mut clients = JoinSet::new();
    for _ in 0..scenario.clients {
        let (connected, events) = (connected.clone(), scenario.events);
        clients.spawn(async move {
            let mut client = Client::connect(port).await?;
            connected.send(())?;
            drop(connected);
            client.read(events).await
        });
        ready.recv().await.ok_or("a client could not connect")?;
    }
    println!("ready 0");

    let (mut first, mut last) = (None, Instant::now());
    while let Some(times) = clients.join_next().await {
        let (began, ended) = times??;
        first = Some(first.map_or(began, |first: Instant| first.min(began)));
        last = last.max(ended);
    }
    let first = first.ok_or("there was no client")?;
    println!("took {}", last.duration_since(first).as_nanos());
    Ok(())
}

struct Client {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// What is read but not a whole line yet.
    len: usize,
    next: u64,
}

impl Client {
    /// Connected when the head of the response has come.
    async fn connect(port: u16) -> Outcome<Self> {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        socket.set_nodelay(true)?;
        let request = b"GET / HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n";
        socket.write_all(request).await?;
        let mut client = Self {
            socket,
            buffer: vec![0; 128 * 1024],
            len: 0,
            next: 0,
        };
        while !client.buffer[..client.len].windows(4).any(is_blank_line) {
            client.fill().await?;
        }
        Ok(client)
    }

    /// Reads so many events. Returns when the first came and when the last.
    async fn read(&mut self, events: u64) -> Outcome<(Instant, Instant)> {
        let mut first = None;
        self.take_lines()?;
        while self.next < events {
            self.fill().await?;
            self.take_lines()?;
            if self.next > 0 {
                first.get_or_insert_with(Instant::now);
            }
        }
        Ok((first.ok_or("an event before its time")?, Instant::now()))
    }

    async fn fill(&mut self) -> Outcome<()> {
        let read = self.socket.read(&mut self.buffer[self.len..]).await?;
        if read == 0 {
            return Err(format!("the end, before event {}", self.next).into());
        }
        self.len += read;
        Ok(())
    }

    /// A chunk of the body holds whole frames, so what lies between two chunks are lines too.
    fn take_lines(&mut self) -> Outcome<()> {
        let mut start = 0;
        while let Some(end) = memchr(b'\n', &self.buffer[start..self.len]) {
            let line = &self.buffer[start..start + end];
            if let Some(data) = line.strip_prefix(b"data: ") {
                let number = server::number_in(data).ok_or("an event without a number")?;
                if number != self.next {
                    return Err(format!("event {number}, not {}", self.next).into());
                }
                self.next += 1;
            }
            start += end + 1;
        }
        self.buffer.copy_within(start..self.len, 0);
        self.len -= start;
        Ok(())
    }
}

fn is_blank_line(bytes: &[u8]) -> bool {
    bytes == b"\r\n\r\n"
}
