use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::iter;
use std::net::{SocketAddr, TcpStream};
use std::task::Poll;
use std::time::Duration;

use eventsource_stream::Eventsource;
use futures_util::{StreamExt, stream};
use serde_json::Value;

pub(crate) use eventsource_stream::Event;

/// A test that hangs must fail. Nothing is measured by it.
const HANG: Duration = Duration::from_secs(60);

/// A connection that speaks HTTP/1.1, and stops wherever a test wants it to.
pub(crate) struct Connection(BufReader<TcpStream>);

/// An answer; for a stream, its head alone.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream.set_write_timeout(Some(HANG)).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a request whose `head` has the line and the headers, each without its line end.
    pub(crate) fn request(&mut self, head: &[&str], body: impl AsRef<[u8]>) -> Answer {
        let body = body.as_ref();
        let length = format!("Content-Length: {}", body.len());
        self.send_head(&[head, &[&length]].concat());
        self.send(body);
        self.answer(head[0].starts_with("HEAD"))
    }

    pub(crate) fn send_head(&mut self, head: &[&str]) {
        let (line, headers) = head.split_first().unwrap();
        let address = self.0.get_ref().peer_addr().unwrap();
        self.send(format!("{line} HTTP/1.1\r\nHost: {address}\r\n"));
        for header in headers {
            self.send(format!("{header}\r\n"));
        }
        self.send("\r\n");
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send_head(&[&format!("GET {path}")]);
        self.answer(false)
    }

    pub(crate) fn post_text(&mut self, data: impl AsRef<[u8]>) -> Answer {
        self.request(&["POST /messages", "Content-Type: text/plain"], data)
    }

    pub(crate) fn post_json(&mut self, json: impl AsRef<[u8]>) -> Answer {
        self.request(&["POST /messages", "Content-Type: application/json"], json)
    }

    /// Opens a stream, whose first bytes come before any message does.
    pub(crate) fn subscribe(self) -> Self {
        self.subscribe_at("/events", None::<&str>)
    }

    /// Opens a stream as a client that reconnects.
    pub(crate) fn subscribe_after(self, id: impl AsRef<[u8]>) -> Self {
        self.subscribe_at("/events", Some(id))
    }

    /// Opens a stream that begins with an event, as it does after a gap.
    pub(crate) fn subscribe_after_gap(mut self, id: impl AsRef<[u8]>) -> Self {
        self.open_stream("/events", Some(id));
        self
    }

    /// Opens a stream that begins with an event, by a path that names the id.
    pub(crate) fn subscribe_at_gap(mut self, path: &str) -> Self {
        self.open_stream(path, None::<&str>);
        self
    }

    pub(crate) fn subscribe_at(mut self, path: &str, id: Option<impl AsRef<[u8]>>) -> Self {
        self.open_stream(path, id);
        assert_eq!(self.chunk().unwrap(), b":\n");
        self
    }

    fn open_stream(&mut self, path: &str, id: Option<impl AsRef<[u8]>>) {
        let address = self.0.get_ref().peer_addr().unwrap();
        self.send(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n"));
        if let Some(id) = id {
            self.send("Last-Event-ID: ");
            // Any bytes: a header's value need not be text.
            self.send(id);
            self.send("\r\n");
        }
        self.send("\r\n");
        assert_eq!(self.answer(false).status, 200);
    }

    /// Reads an answer.
    pub(crate) fn answer(&mut self, is_head: bool) -> Answer {
        let status = self.line();
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        let header = || match self.line() {
            line if line.is_empty() => None,
            line => {
                let (name, value) = line.split_once(':').unwrap();
                Some((name.to_ascii_lowercase(), value.trim().to_owned()))
            }
        };
        let headers = iter::from_fn(header).collect();
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        if let (Some(length), false) = (answer.header("content-length"), is_head) {
            answer.body = self.bytes(length.parse().unwrap());
        }
        answer
    }

    /// The next chunk of a chunked body; `None` is the final one. A body that is cut off fails.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(&self.line(), 16).unwrap();
        let chunk = self.bytes(size);
        assert_eq!(self.line(), "");
        (size > 0).then_some(chunk)
    }

    /// The events that are still to come, until the body ends as it should.
    pub(crate) fn events(self) -> impl Iterator<Item = Event> {
        self.events_within(usize::MAX)
    }

    /// The events within the next `bytes` bytes. Then the connection is lost: an event of which
    /// only a part has arrived is no event.
    pub(crate) fn events_within(mut self, bytes: usize) -> impl Iterator<Item = Event> {
        let mut left = bytes;
        let mut chunks = iter::from_fn(move || {
            let mut chunk = (left > 0).then(|| self.chunk())??;
            chunk.truncate(left);
            left = left.saturating_sub(chunk.len());
            Some(chunk)
        })
        .fuse();
        let chunks = stream::poll_fn(move |_| Poll::Ready(chunks.next().map(Ok::<_, Infallible>)));
        let mut events = chunks.eventsource();
        iter::from_fn(move || pollster::block_on(events.next()).map(Result::unwrap))
    }

    /// Returns once something has come, and leaves it unread.
    pub(crate) fn wait_for_bytes(&self) {
        assert!(self.0.get_ref().peek(&mut [0]).unwrap() > 0);
    }

    /// All that comes until the server closes the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        rest
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.strip_suffix("\r\n").expect("a whole line").to_owned()
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(header, _)| header == name);
        header.map(|(_, value)| &**value)
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The id of a message that was taken.
    pub(crate) fn id(&self) -> String {
        assert_eq!(self.status, 202, "{}", self.json());
        self.json()["id"].as_str().unwrap().to_owned()
    }

    /// Why a request was refused.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap().to_owned()
    }
}
