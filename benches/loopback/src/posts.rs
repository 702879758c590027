//! The publishers over HTTP, beside the clients that read: what they send, and when.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{self, sleep};

use crate::scenario::{Rate, Scenario};
use crate::{Outcome, server};

/// The progress of publishers and readers.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The number of the next message.
    next: AtomicU64,
    /// How many events all readers together have read.
    read: AtomicU64,
}

impl Progress {
    pub(crate) fn count_read(&self) {
        self.read.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the next message at its time.
    async fn take(&self, scenario: &Scenario, start: time::Instant) -> Option<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= scenario.events {
            return None;
        }
        match scenario.rate {
            Rate::Every(period) => {
                let nth = u32::try_from(number).unwrap_or(u32::MAX);
                time::sleep_until(start + period * nth).await;
            }
            Rate::Window(window) => {
                let clients = u64::try_from(scenario.clients).unwrap_or(1).max(1);
                while number >= self.read.load(Ordering::Relaxed) / clients + window {
                    sleep(Duration::from_millis(1)).await;
                }
            }
            Rate::Burst => {}
        }
        Some(number)
    }
}

/// Posts messages that no other connection has taken, one after the other.
pub(crate) async fn publish(
    port: u16,
    scenario: Scenario,
    progress: Arc<Progress>,
    start: time::Instant,
) -> Outcome<()> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    socket.set_nodelay(true)?;
    let mut response = Vec::new();
    while let Some(number) = progress.take(&scenario, start).await {
        let data = server::message(number);
        let request = format!(
            "POST /messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\n\
             content-length: {}\r\n\r\n{data}",
            data.len()
        );
        socket.write_all(request.as_bytes()).await?;
        response.clear();
        while !is_whole(&response)? {
            if socket.read_buf(&mut response).await? == 0 {
                return Err("a POST without an answer".into());
            }
        }
    }
    Ok(())
}

/// Whether this is a whole response, which must accept the message and name its id.
fn is_whole(response: &[u8]) -> Outcome<bool> {
    let text = core::str::from_utf8(response)?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Ok(false);
    };
    if !head.starts_with("HTTP/1.1 202") {
        return Err(text.into());
    }
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let len = lines
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .find_map(|(_, len)| len.parse::<usize>().ok());
    let is_whole = body.len() == len.ok_or("a response without a length")?;
    if is_whole && !body.contains("\"id\"") {
        return Err(text.into());
    }
    Ok(is_whole)
}
