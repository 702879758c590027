//! Broadcast: each message goes to every stream, and a client that was away goes on where it was.

use std::sync::mpsc;
use std::thread;

use serde_json::json;

use crate::outside::client::{Connection, Event};
use crate::outside::server::Server;

on_both_servers! {
    every_stream_gets_every_message_with_the_id_that_was_answered,
    a_new_client_begins_with_what_comes_next,
    a_client_that_comes_back_goes_on_after_what_it_saw,
    what_cannot_be_gone_on_from_is_told_as_a_gap,
    an_id_from_before_a_restart_is_told_as_a_gap,
    history_is_bounded,
    a_message_may_bring_an_id_of_its_own,
    an_id_like_those_that_the_server_gives_is_refused,
    a_scheduled_message_keeps_the_id_that_was_answered,
    too_many_scheduled_messages_are_refused,
    an_expired_message_is_not_replayed,
    streams_are_capped,
    a_tick_gives_no_more_than_a_batch,
    spaced_streams_give_everything,
    an_idle_stream_is_kept_alive,
    the_counters_count,
    sigterm_gives_every_stream_all_that_was_due,
    a_client_that_does_not_read_keeps_the_server_from_nothing,
    connections_that_are_killed_and_come_back_lose_nothing,
    a_client_that_never_reads_slows_no_other,
    streams_that_are_reset_leave_nothing_behind,
    #[ignore = "takes long and many ports: for CI"]
    many_streams_that_are_reset_leave_nothing_behind,
}

fn broadcast(example: &str, flags: &[&str]) -> Server {
    Server::start(example, &[&["--mode", "broadcast"], flags].concat())
}

/// What a stream gives, from which nothing may be missing.
fn data(events: impl Iterator<Item = Event>, count: usize) -> Vec<String> {
    let data: Vec<_> = events.take(count).map(|event| event.data).collect();
    assert_eq!(data.len(), count);
    data
}

fn every_stream_gets_every_message_with_the_id_that_was_answered(example: &str) {
    let server = broadcast(example, &[]);
    let streams = [(); 3].map(|()| server.connect().subscribe().events());
    let sent = ["hello", "", "grüße\nan alle"].map(|text| {
        let id = server.connect().post_text(text).id();
        (text.to_owned(), id)
    });
    for events in streams {
        let arrived: Vec<_> = events.take(3).map(|event| (event.data, event.id)).collect();
        assert_eq!(arrived, sent);
    }
}

fn a_new_client_begins_with_what_comes_next(example: &str) {
    let server = broadcast(example, &[]);
    server.connect().post_text("before").id();
    let mut events = server.connect().subscribe().events();
    server.connect().post_text("after").id();
    assert_eq!(events.next().unwrap().data, "after");
}

fn a_client_that_comes_back_goes_on_after_what_it_saw(example: &str) {
    let server = broadcast(example, &[]);
    let mut connection = server.connect();
    let ids = ["a", "b", "c"].map(|text| connection.post_text(text).id());
    let client = || server.connect();

    for after in [
        client().subscribe_after(&ids[0]),
        client().subscribe_at(&format!("/events?last_event_id={}", ids[0]), None::<&str>),
        client().subscribe_at(&format!("/events?lastEventId={}", ids[0]), None::<&str>),
        // An EventSource keeps its URL: the header is newer.
        client().subscribe_at(&format!("/events?last_event_id={}", ids[2]), Some(&ids[0])),
    ] {
        assert_eq!(data(after.events(), 2), ["b", "c"]);
    }

    let mut events = client().subscribe_after(&ids[2]).events();
    connection.post_text("d").id();
    assert_eq!(events.next().unwrap().data, "d");
    assert_eq!(server.stats()["gaps"], 0);
}

fn what_cannot_be_gone_on_from_is_told_as_a_gap(example: &str) {
    let server = broadcast(example, &["--history", "2"]);
    let mut connection = server.connect();
    let ids = ["a", "b", "c", "d"].map(|text| connection.post_text(text).id());
    let (epoch, _) = ids[0].split_once('-').unwrap();

    let known = |number: &str| format!("{epoch}-{number}").into_bytes();
    let cases = [
        (known("0"), r#"{"missed":2,"cause":"evicted"}"#),
        (known("1"), r#"{"missed":1,"cause":"evicted"}"#),
        (known("5"), r#"{"missed":null,"cause":"future"}"#),
        (
            known("99999999999999999999"),
            r#"{"missed":null,"cause":"future"}"#,
        ),
        (
            b"other-1".to_vec(),
            r#"{"missed":null,"cause":"foreign-epoch"}"#,
        ),
        (b"7".to_vec(), r#"{"missed":null,"cause":"unknown"}"#),
        (b"-1".to_vec(), r#"{"missed":null,"cause":"unknown"}"#),
        ("…".into(), r#"{"missed":null,"cause":"unknown"}"#),
        (
            b"\xff\xfe".to_vec(),
            r#"{"missed":null,"cause":"malformed"}"#,
        ),
        (
            "7".repeat(4000).into(),
            r#"{"missed":null,"cause":"malformed"}"#,
        ),
    ];
    for (id, told) in &cases {
        let mut events = server.connect().subscribe_after(id).events();
        let gap = events.next().unwrap();
        let shown = String::from_utf8_lossy(id);
        assert_eq!(
            (&*gap.event, &*gap.data, &*gap.id),
            ("gap", *told, ""),
            "{shown}"
        );
        // Whatever is kept comes behind it.
        assert_eq!(data(events, 2), ["c", "d"]);
    }
    assert_eq!(server.stats()["gaps"], cases.len());

    // The one just before the oldest that is kept is all that is needed.
    let events = server.connect().subscribe_after(&ids[1]).events();
    assert_eq!(data(events, 2), ["c", "d"]);
}

fn an_id_from_before_a_restart_is_told_as_a_gap(example: &str) {
    let first = broadcast(example, &[]);
    let id = first.connect().post_text("before").id();
    let address = first.address().to_string();
    drop(first);

    let second = Server::start_at(example, &address, &["--mode", "broadcast"]);
    second.connect().post_text("while away").id();
    let mut events = second.connect().subscribe_after(&id).events();
    let gap = events.next().unwrap();
    assert_eq!(gap.event, "gap");
    assert_eq!(gap.data, r#"{"missed":null,"cause":"foreign-epoch"}"#);
    assert_eq!(events.next().unwrap().data, "while away");
}

fn history_is_bounded(example: &str) {
    let server = broadcast(example, &["--history", "3"]);
    let mut connection = server.connect();
    for n in 0..10 {
        assert_eq!(connection.post_text(n.to_string()).status, 202);
    }
    let stats = server.stats();
    assert_eq!(
        (&stats["published"], &stats["retained"]),
        (&json!(10), &json!(3))
    );
}

fn a_message_may_bring_an_id_of_its_own(example: &str) {
    let server = broadcast(example, &[]);
    let mut connection = server.connect();
    // Ids need not be unique: the newest is meant.
    for data in ["a", "b"] {
        let message = json!({ "data": data, "id": "…7" });
        assert_eq!(connection.post_json(message.to_string()).id(), "…7");
    }
    connection.post_text("c").id();
    let events = server.connect().subscribe_after("…7").events();
    assert_eq!(data(events, 1), ["c"]);
}

fn an_id_like_those_that_the_server_gives_is_refused(example: &str) {
    let server = broadcast(example, &[]);
    let mut connection = server.connect();
    let given = connection.post_text("first").id();
    let epoch = given.split('-').next().unwrap();
    let long = "x".repeat(1025);
    for id in [
        &given,
        &format!("{epoch}-7"),
        &format!("{epoch}-d1"),
        "",
        &*long,
    ] {
        let message = json!({ "data": "a", "id": id });
        let answer = connection.post_json(message.to_string());
        assert_eq!(answer.status, 400, "{id}");
        assert!(answer.error().starts_with("id "), "{}", answer.error());
    }
    for id in ["e-1", "e-d1", "1795498212020-0", "3-12345", "order-42"] {
        let message = json!({ "data": "a", "id": id });
        assert_eq!(connection.post_json(message.to_string()).id(), id);
    }
    assert_eq!(server.stats()["published"], 6);
}

fn a_scheduled_message_keeps_the_id_that_was_answered(example: &str) {
    let server = broadcast(example, &[]);
    let streams = [(); 2].map(|()| server.connect().subscribe().events());
    let message = r#"{"data": "later", "delay_ms": 1}"#;
    let id = server.connect().post_json(message).id();
    for mut events in streams {
        let event = events.next().unwrap();
        assert_eq!((&*event.data, &event.id), ("later", &id));
    }
    server.connect().post_text("next").id();
    let events = server.connect().subscribe_after(&id).events();
    assert_eq!(data(events, 1), ["next"]);
}

fn too_many_scheduled_messages_are_refused(example: &str) {
    let server = broadcast(example, &["--capacity", "1"]);
    let mut connection = server.connect();
    let later = r#"{"data": "later", "delay_ms": 3600000}"#;
    assert_eq!(connection.post_json(later).status, 202);
    let answer = connection.post_json(later);
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").unwrap().parse::<u32>().is_ok());
    assert_eq!(answer.error(), "topic has too many scheduled messages");

    // There is always room for what is due.
    let mut events = server.connect().subscribe().events();
    for data in ["a", "b"] {
        assert_eq!(connection.post_text(data).status, 202);
        assert_eq!(events.next().unwrap().data, data);
    }
}

fn an_expired_message_is_not_replayed(example: &str) {
    let server = broadcast(example, &[]);
    let mut connection = server.connect();
    let id = connection.post_text("first").id();
    connection
        .post_json(r#"{"data": "brief", "ttl_ms": 0}"#)
        .id();
    connection.post_text("lasting").id();
    let events = server.connect().subscribe_after(&id).events();
    assert_eq!(data(events, 1), ["lasting"]);
}

fn streams_are_capped(example: &str) {
    let server = broadcast(example, &["--max-streams", "1"]);
    let first = server.connect().subscribe();
    let answer = server.connect().get("/events");
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").unwrap().parse::<u32>().is_ok());
    drop(first);
    server.wait_until("streams", 0);
    server.connect().subscribe();
}

fn a_tick_gives_no_more_than_a_batch(example: &str) {
    let server = broadcast(example, &["--interval", "1", "--batch", "2"]);
    let mut connection = server.connect();
    let mut streams = [(); 2].map(|()| server.connect().subscribe());
    for _ in 0..7 {
        assert_eq!(connection.post_text("x").status, 202);
    }
    for stream in &mut streams {
        let mut left = 7;
        while left > 0 {
            let chunk = String::from_utf8(stream.chunk().unwrap()).unwrap();
            let events = chunk.matches("data: x\n\n").count();
            assert!((1..=2).contains(&events), "{chunk:?}");
            left -= events;
        }
    }
}

fn spaced_streams_give_everything(example: &str) {
    // Without --interval: in broadcast mode messages go at once unless told otherwise.
    let server = broadcast(example, &["--spacing", "5"]);
    let streams = [(); 2].map(|()| server.connect().subscribe().events());
    let mut connection = server.connect();
    let sent: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    for text in &sent {
        assert_eq!(connection.post_text(text).status, 202);
    }
    for events in streams {
        assert_eq!(data(events, 200), sent);
    }
}

fn an_idle_stream_is_kept_alive(example: &str) {
    let server = broadcast(example, &["--keep-alive", "5"]);
    let mut stream = server.connect().subscribe();
    for _ in 0..3 {
        assert_eq!(stream.chunk().unwrap(), b":\n");
    }
}

fn the_counters_count(example: &str) {
    let server = broadcast(example, &[]);
    let mut connection = server.connect();
    let mut streams = [(); 2].map(|()| server.connect().subscribe().events());
    connection.post_text("a").id();
    connection
        .post_json(r#"{"data": "b", "delay_ms": 3600000}"#)
        .id();
    for events in &mut streams {
        assert_eq!(events.next().unwrap().data, "a");
    }
    let stats = server.stats();
    for (counter, value) in [
        ("published", 2),
        ("delivered", 2),
        ("expired", 0),
        ("withdrawn", 0),
        ("lagged", 0),
        ("gaps", 0),
        ("retained", 1),
        ("scheduled", 1),
        ("streams", 2),
    ] {
        assert_eq!(stats[counter], value, "{counter}");
    }
    assert!(stats["bytes"].as_u64().unwrap() > 0);
    assert!(stats["next_due_ms"].as_u64().unwrap() <= 3_600_000);
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

fn connections_that_are_killed_and_come_back_lose_nothing(example: &str) {
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

/// Reads from `begin` to `end`, over connections that are lost after so and so many bytes, each
/// opened with the id that was seen last. Returns what came between, and how many were lost.
fn read_with_interruptions(
    mut stream: Connection,
    address: std::net::SocketAddr,
    seed: u64,
) -> (Vec<String>, u64) {
    let mut dice = Dice(seed);
    let (mut arrived, mut last_id, mut kills) = (Vec::new(), None, 0);
    loop {
        // Before the first event there is nothing to come back with.
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
        // All others have the round before the next one begins: none falls behind.
        for _ in 0..READERS {
            rounds_done.recv().unwrap();
        }
    }
    assert_eq!(server.stats()["streams"], READERS + 1);

    // Once it reads, it gets a beginning, learns how much it has missed, and gets the rest.
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

fn streams_that_are_reset_leave_nothing_behind(example: &str) {
    reset_streams(example, 1000);
}

fn many_streams_that_are_reset_leave_nothing_behind(example: &str) {
    reset_streams(example, 10_000);
}

/// Opens streams and resets their connections as fast as it can, while messages go to one that
/// stays.
fn reset_streams(example: &str, streams: usize) {
    const AT_ONCE: usize = 8;
    // What a thousand streams of a server take comes to more than this.
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
