//! Broadcast: each message goes to every stream, and a client that reconnects continues where it
//! was.

mod clients;
mod labels;

use serde_json::json;

use crate::outside::client::{Connection, Event};
use crate::outside::server::Server;

on_both_servers! {
    every_stream_gets_every_message_with_the_id_that_was_answered,
    a_new_client_begins_with_what_comes_next,
    a_client_that_reconnects_continues_after_what_it_saw,
    an_id_that_cannot_be_resumed_gives_a_gap,
    an_id_from_before_a_restart_gives_a_gap,
    a_client_that_has_seen_everything_is_told_not_to_return,
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
}

fn broadcast(example: &str, flags: &[&str]) -> Server {
    Server::start(example, &[&["--mode", "broadcast"], flags].concat())
}

/// The data of the next `count` events of a stream, which must be complete.
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

fn a_client_that_reconnects_continues_after_what_it_saw(example: &str) {
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

fn an_id_that_cannot_be_resumed_gives_a_gap(example: &str) {
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
    for (id, expected) in &cases {
        let mut events = server.connect().subscribe_after_gap(id).events();
        let gap = events.next().unwrap();
        let shown = String::from_utf8_lossy(id);
        assert_eq!(
            (&*gap.event, &*gap.data, &*gap.id),
            ("gap", *expected, ""),
            "{shown}"
        );
        // All that is kept follows it.
        assert_eq!(data(events, 2), ["c", "d"]);
    }
    assert_eq!(server.stats()["gaps"], cases.len());

    // The id just before the oldest message that is kept is enough.
    let events = server.connect().subscribe_after(&ids[1]).events();
    assert_eq!(data(events, 2), ["c", "d"]);
}

fn an_id_from_before_a_restart_gives_a_gap(example: &str) {
    let first = broadcast(example, &[]);
    let id = first.connect().post_text("before").id();
    let address = first.address().to_string();
    drop(first);

    let second = Server::start_at(example, &address, &["--mode", "broadcast"]);
    second.connect().post_text("while away").id();
    let mut events = second.connect().subscribe_after_gap(&id).events();
    let gap = events.next().unwrap();
    assert_eq!(gap.event, "gap");
    assert_eq!(gap.data, r#"{"missed":null,"cause":"foreign-epoch"}"#);
    assert_eq!(events.next().unwrap().data, "while away");
}

fn a_client_that_has_seen_everything_is_told_not_to_return(example: &str) {
    let server = broadcast(example, &[]);
    let stalled = stalled_stream(&server);
    let mut connection = server.connect();
    let before = connection.post_text("before").id();

    server.signal("TERM");
    let (mut last, mut answer) = (before, connection.post_text("x"));
    while answer.status == 202 {
        last = answer.id();
        answer = server.connect().post_text("x");
    }
    for method in ["GET", "HEAD"] {
        let line = format!("{method} /events");
        let answer = server
            .connect()
            .request(&[&line, &format!("Last-Event-ID: {last}")], "");
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{method}");
    }
    drop(stalled);
}

/// A stream that is not read. While it has not ended, the server answers others.
fn stalled_stream(server: &Server) -> Connection {
    let mut stalled = server.connect();
    stalled.send_head(&["GET /events"]);
    server.wait_until("streams", 1);
    // More than sockets buffer.
    let data = "x".repeat(1 << 20);
    let mut connection = server.connect();
    for _ in 0..32 {
        connection.post_text(&data).id();
    }
    stalled
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

    // There is always capacity for what is due.
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
    // Without --interval: in broadcast mode messages go at once by default.
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
