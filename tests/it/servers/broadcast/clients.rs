//! Clients of a broadcast that are killed, slow or reset, and the end of the server.

use std::sync::mpsc;
use std::thread;

use serde_json::json;

use super::{broadcast, data};
use crate::outside::client::Connection;

on_both_servers! {
    sigterm_gives_every_stream_all_that_was_due,
    a_client_that_does_not_read_keeps_the_server_from_nothing,
    clients_whose_connections_are_killed_lose_nothing,
    a_client_that_never_reads_slows_no_other,
    streams_that_are_reset_leave_no_resources,
    #[ignore = "takes long and many ports: for CI"]
    many_streams_that_are_reset_leave_no_resources,
}

fn sigterm_gives_every_stream_all_that_was_due(example: &str) {
    // Though the next tick is an hour away; what is not due does not go.
    let server = broadcast(example, &["--interval", "3600000"]);
    let streams = [(); 3].map(|()| server.connect().subscribe().events());
    let mut connection = server.connect();
    let sent: Vec<_> = (0..10).map(|n| n.to_string()).collect();
    for text in &sent {
        connection.post_text(text).id();
    }
    let later = r#"{"data": "later", "delay_ms": 3600000}"#;
    connection.post_json(later).id();

    server.signal("TERM");
    for events in streams {
        let arrived: Vec<_> = events.map(|event| event.data).collect();
        assert_eq!(arrived, sent);
    }
    assert_eq!(server.wait().code(), Some(0));
}

fn a_client_that_does_not_read_keeps_the_server_from_nothing(example: &str) {
    let server = broadcast(example, &[]);
    let mut stalled = server.connect();
    stalled.send_head(&["GET /events"]);
    server.wait_until("streams", 1);
    let mut connection = server.connect();
    for _ in 0..16 {
        assert_eq!(connection.post_text("x".repeat(1 << 20)).status, 202);
    }
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    drop(stalled);
}

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        // Xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

fn clients_whose_connections_are_killed_lose_nothing(example: &str) {
    const CLIENTS: u64 = 50;
    const MESSAGES: usize = 5000;
    let server = broadcast(example, &[]);
    let address = server.address();
    let clients: Vec<_> = (1..=CLIENTS)
        .map(|seed| (seed, server.connect().subscribe()))
        .map(|(seed, stream)| thread::spawn(move || read_with_interruptions(stream, address, seed)))
        .collect();
    let mut connection = server.connect();
    connection.post_text("begin").id();
    let sent: Vec<_> = (0..MESSAGES).map(|n| n.to_string()).collect();
    for text in &sent {
        connection.post_text(text).id();
    }
    connection.post_text("end").id();

    let mut kills = 0;
    for client in clients {
        let (arrived, killed) = client.join().unwrap();
        assert!(arrived == sent, "all, once each, in order");
        kills += killed;
    }
    assert!(kills > CLIENTS, "or nothing was tried");
    let stats = server.stats();
    assert_eq!((&stats["gaps"], &stats["lagged"]), (&json!(0), &json!(0)));
}

/// Reads from `begin` to `end`, over connections that are lost after a random number of bytes, each
/// opened with the id that was seen last. Returns what came between, and how many were lost.
fn read_with_interruptions(
    mut stream: Connection,
    address: std::net::SocketAddr,
    seed: u64,
) -> (Vec<String>, u64) {
    let mut dice = Dice(seed);
    let (mut arrived, mut last_id, mut kills) = (Vec::new(), None, 0);
    loop {
        // Before the first event there is no id to resume after.
        let lifetime = last_id.as_ref().map_or(200, |_| dice.below(40_000));
        for event in stream.events_within(lifetime) {
            last_id = Some(event.id);
            match &*event.data {
                "begin" => {}
                "end" => return (arrived, kills),
                _ => arrived.push(event.data),
            }
        }
        kills += 1;
        stream = Connection::open(address).subscribe_after(last_id.as_ref().unwrap());
    }
}

fn a_client_that_never_reads_slows_no_other(example: &str) {
    const READERS: usize = 200;
    const ROUNDS: usize = 12;
    const ROUND: usize = 50;
    // More than sockets buffer, all in all, and a history of little more than a round.
    let padding = "x".repeat(16 << 10);
    let server = broadcast(example, &["--history", "64"]);
    let mut stalled = server.connect();
    stalled.send_head(&["GET /events"]);
    server.wait_until("streams", 1);

    let (done, rounds_done) = mpsc::channel();
    let readers: Vec<_> = (0..READERS)
        .map(|_| (server.connect().subscribe(), done.clone()))
        .map(|(mut stream, done)| {
            let padding = padding.len();
            thread::spawn(move || {
                let mut next = 0;
                while let Some(chunk) = stream.chunk() {
                    for number in numbers(&chunk, padding) {
                        assert_eq!(number, next);
                        next += 1;
                        if next % ROUND == 0 {
                            done.send(()).unwrap();
                        }
                    }
                }
                next
            })
        })
        .collect();
    drop(done);
    let mut connection = server.connect();
    for round in 0..ROUNDS {
        for n in 0..ROUND {
            let text = format!("{:05} {padding}", round * ROUND + n);
            assert_eq!(connection.post_text(text).status, 202);
        }
        // All others have read the round before the next one begins: none lags.
        for _ in 0..READERS {
            rounds_done.recv().unwrap();
        }
    }
    assert_eq!(server.stats()["streams"], READERS + 1);

    // Once it reads, it gets the beginning, a gap with what it has missed, and the rest.
    assert_eq!(stalled.answer(false).status, 200);
    let mut next = 0;
    let mut gaps = 0;
    for event in stalled.events() {
        if event.event == "gap" {
            let gap: serde_json::Value = serde_json::from_str(&event.data).unwrap();
            assert_eq!(gap["cause"], "evicted");
            next += usize::try_from(gap["missed"].as_u64().unwrap()).unwrap();
            gaps += 1;
        } else {
            assert_eq!(event.data[..5].parse(), Ok(next));
            next += 1;
        }
        if next == ROUNDS * ROUND {
            break;
        }
    }
    assert_eq!(gaps, 1);
    assert_eq!(server.stats()["lagged"], 1);

    server.signal("TERM");
    for reader in readers {
        assert_eq!(reader.join().unwrap(), ROUNDS * ROUND);
    }
}

/// The numbers that messages begin with. They are not parsed as events: it is a lot of data.
fn numbers(mut chunk: &[u8], padding: usize) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let id = chunk.strip_prefix(b"id: ")?;
        let line = id.iter().position(|&byte| byte == b'\n').unwrap();
        let data = id[line + 1..].strip_prefix(b"data: ").unwrap();
        let (number, rest) = data.split_at(5);
        chunk = rest[1 + padding..].strip_prefix(b"\n\n").unwrap();
        Some(str::from_utf8(number).unwrap().parse().unwrap())
    })
}

fn streams_that_are_reset_leave_no_resources(example: &str) {
    reset_streams(example, 1000);
}

fn many_streams_that_are_reset_leave_no_resources(example: &str) {
    reset_streams(example, 10_000);
}

/// Opens streams and resets their connections as fast as it can, while messages go to one that
/// stays.
fn reset_streams(example: &str, streams: usize) {
    const AT_ONCE: usize = 8;
    // A thousand streams of a server take more than this.
    #[cfg(target_os = "linux")]
    const BOUND_KIB: u64 = 4 << 10;
    let server = broadcast(example, &["--history", "64"]);
    let staying = server.connect().subscribe().events();
    let reset_all = |count: usize| {
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    for _ in 0..count / AT_ONCE {
                        let mut stream = server.connect();
                        stream.send_head(&["GET /events"]);
                        // Closing a socket that holds unread bytes resets the connection.
                        stream.wait_for_bytes();
                    }
                });
            }
            let mut connection = server.connect();
            for n in 0..100 {
                connection.post_text(n.to_string()).id();
            }
        });
        server.wait_until("streams", 1);
    };
    // What is allocated once is not counted.
    reset_all(streams / 4);
    #[cfg(target_os = "linux")]
    let before = server.memory();
    reset_all(streams);
    #[cfg(target_os = "linux")]
    {
        let after = server.memory();
        assert!(after <= before + BOUND_KIB, "{before} KiB, then {after}");
    }

    let sent = [(); 2]
        .map(|()| (0..100).map(|n| n.to_string()))
        .into_iter();
    assert_eq!(data(staying, 200), sent.flatten().collect::<Vec<_>>());
}
