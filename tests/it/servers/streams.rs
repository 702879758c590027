//! Streams: their heads, their pace, and the other pages of the server.

use std::collections::BTreeSet;
use std::thread;

use serde_json::json;

use super::immediate;
use crate::outside::server::Server;

on_both_servers! {
    the_head_of_a_stream_comes_before_any_message,
    any_last_event_id_is_answered_with_a_stream,
    accept_decides,
    streams_are_capped_until_one_is_closed,
    head_has_the_headers_of_get_and_opens_no_stream,
    other_methods_and_paths_are_refused,
    the_counters_count,
    the_page_needs_nothing_from_outside,
    http_1_0_gets_a_stream_without_chunks,
    a_tick_gives_no_more_than_a_batch,
    a_rate_lets_one_message_out_over_all_streams,
    spaced_streams_give_everything,
    an_idle_stream_is_kept_alive,
    several_requests_go_over_one_connection,
    competing_clients_get_each_message_once,
}

fn the_head_of_a_stream_comes_before_any_message(example: &str) {
    // On a grid of an hour nothing but the first bytes can have come.
    let server = Server::start(example, &["--interval", "3600000"]);
    let mut connection = server.connect();
    let head = connection.get("/events");
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("cache-control"), Some("no-cache, no-transform"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    assert_eq!(head.header("content-length"), None);
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    assert!(
        head.headers
            .iter()
            .all(|(name, _)| !name.starts_with("access-control"))
    );
    assert_eq!(connection.chunk().unwrap(), b":\n");
}

fn a_rate_lets_one_message_out_over_all_streams(example: &str) {
    let server = immediate(example, &["--rate", "3600000"]);
    let _streams = [(); 2].map(|()| server.connect().subscribe());
    for data in ["a", "b", "c"] {
        server.connect().post_text(data).id();
    }
    // Streams get their message at once, so nothing is left to wait for.
    while server.stats()["delivered"] == 0 {
        thread::yield_now();
    }
    let stats = server.stats();
    assert_eq!(
        (&stats["delivered"], &stats["depth"]),
        (&json!(1), &json!(2))
    );
}

fn any_last_event_id_is_answered_with_a_stream(example: &str) {
    let server = immediate(example, &[]);
    let long = "7".repeat(4000);
    for id in [
        &b"7"[..],
        b"unknown",
        b"",
        "…".as_bytes(),
        b"\xff\xfe",
        b"18446744073709551616",
        b"-1",
        long.as_bytes(),
    ] {
        let mut connection = server.connect();
        connection.send("GET /events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: ");
        connection.send(id);
        connection.send("\r\n\r\n");
        assert_eq!(connection.answer(false).status, 200, "{id:?}");
    }
    for query in [
        "last_event_id=7",
        "lastEventId=7",
        "last_event_id=%ff%00",
        "last_event_id=%",
        "last_event_id",
        "&&=&",
        "",
    ] {
        let head = server.connect().get(&format!("/events?{query}"));
        assert_eq!(head.status, 200, "{query}");
    }
}

fn accept_decides(example: &str) {
    let server = immediate(example, &[]);
    for (accept, status) in [
        ("text/event-stream", 200),
        ("*/*", 200),
        ("text/html, text/*;q=0.1", 200),
        ("", 200),
        ("application/json", 406),
        ("*/*, text/event-stream;q=0", 406),
    ] {
        let accept = format!("Accept: {accept}");
        let mut connection = server.connect();
        connection.send_head(&["GET /events", &accept]);
        assert_eq!(connection.answer(false).status, status, "{accept}");
        connection = server.connect();
        connection.send_head(&["HEAD /events", &accept]);
        assert_eq!(connection.answer(true).status, status, "{accept}");
    }
}

fn streams_are_capped_until_one_is_closed(example: &str) {
    let server = immediate(example, &["--max-streams", "2"]);
    let first = server.connect().subscribe();
    let _second = server.connect().subscribe();
    let answer = server.connect().get("/events");
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").unwrap().parse::<u32>().is_ok());

    drop(first);
    server.wait_until("streams", 1);
    server.connect().subscribe();
}

fn head_has_the_headers_of_get_and_opens_no_stream(example: &str) {
    let server = immediate(example, &["--max-streams", "0"]);
    let mut connection = server.connect();
    for path in ["/", "/stats"] {
        let head = connection.request(&[&format!("HEAD {path}")], "");
        let get = connection.get(path);
        assert_eq!((head.status, get.status), (200, 200));
        for name in ["content-type", "content-length", "content-security-policy"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
    // Not a single stream is allowed, and the connection stays in use.
    let head = connection.request(&["HEAD /events"], "");
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("cache-control"), Some("no-cache, no-transform"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    assert_eq!(head.header("content-length"), None);
    assert_eq!(connection.get("/stats").json()["streams"], 0);
}

fn other_methods_and_paths_are_refused(example: &str) {
    let server = immediate(example, &[]);
    let mut connection = server.connect();
    for (request, allow) in [
        ("GET /messages", "POST"),
        ("HEAD /messages", "POST"),
        ("OPTIONS /messages", "POST"),
        ("POST /events", "GET,HEAD"),
        ("DELETE /events", "GET,HEAD"),
        ("POST /stats", "GET,HEAD"),
        ("PUT /", "GET,HEAD"),
        ("BREW /", "GET,HEAD"),
        ("GET /ack/1", "POST"),
        ("DELETE /nack/1", "POST"),
    ] {
        let answer = connection.request(&[request], "");
        assert_eq!(answer.status, 405, "{request}");
        assert_eq!(answer.header("allow"), Some(allow), "{request}");
    }
    for path in [
        "/nowhere",
        "/events/",
        "/messages/1",
        "/ack",
        "/ack/",
        "/nack/",
        "/ack/1/2",
        "//",
        "/%",
        "/Stats",
    ] {
        assert_eq!(connection.get(path).status, 404, "{path}");
    }
}

fn the_counters_count(example: &str) {
    let server = immediate(example, &[]);
    let mut connection = server.connect();
    connection.post_text("a");
    connection.post_json(r#"{"data": "b", "delay_ms": 3600000}"#);
    let stats = server.stats();
    assert_eq!((&stats["pushed"], &stats["depth"]), (&json!(2), &json!(2)));
    assert_eq!(
        (&stats["delivered"], &stats["streams"]),
        (&json!(0), &json!(0))
    );

    let mut events = server.connect().subscribe().events();
    assert_eq!(events.next().unwrap().data, "a");
    let stats = server.stats();
    assert_eq!((&stats["pushed"], &stats["depth"]), (&json!(2), &json!(1)));
    assert_eq!(
        (&stats["delivered"], &stats["streams"]),
        (&json!(1), &json!(1))
    );
}

fn the_page_needs_nothing_from_outside(example: &str) {
    let server = immediate(example, &[]);
    let answer = server.connect().get("/");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let page = String::from_utf8(answer.body).unwrap();
    for outside in ["src=", "@import", "url(", "href=\"http", "innerHTML"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

fn http_1_0_gets_a_stream_without_chunks(example: &str) {
    let server = immediate(example, &[]);
    let mut connection = server.connect();
    connection.send("GET /events HTTP/1.0\r\n\r\n");
    let head = connection.answer(false);
    assert_eq!(head.status, 200);
    assert_eq!(head.header("transfer-encoding"), None);
    let id = server.connect().post_text("hello").id();
    server.signal("TERM");
    let rest = String::from_utf8(connection.rest()).unwrap();
    assert_eq!(rest, format!(":\nid: {id}\ndata: hello\n\n"));
}

fn a_tick_gives_no_more_than_a_batch(example: &str) {
    let server = Server::start(example, &["--interval", "1", "--batch", "2"]);
    let mut connection = server.connect();
    for _ in 0..7 {
        assert_eq!(connection.post_text("x").status, 202);
    }
    let mut stream = server.connect().subscribe();
    let mut left = 7;
    while left > 0 {
        let chunk = String::from_utf8(stream.chunk().unwrap()).unwrap();
        let events = chunk.matches("data: x\n\n").count();
        assert!((1..=2).contains(&events), "{chunk:?}");
        left -= events;
    }
}

fn spaced_streams_give_everything(example: &str) {
    let server = immediate(example, &["--spacing", "5"]);
    let events = server.connect().subscribe().events();
    let mut connection = server.connect();
    let sent: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    for data in &sent {
        assert_eq!(connection.post_text(data).status, 202);
    }
    let arrived: Vec<_> = events.take(200).map(|event| event.data).collect();
    assert_eq!(arrived, sent);
}

fn an_idle_stream_is_kept_alive(example: &str) {
    let server = immediate(example, &["--keep-alive", "5"]);
    let mut stream = server.connect().subscribe();
    for _ in 0..3 {
        assert_eq!(stream.chunk().unwrap(), b":\n");
    }
}

fn several_requests_go_over_one_connection(example: &str) {
    let server = immediate(example, &["--max-body", "10"]);
    let mut connection = server.connect();
    // Even after a request that was refused before its small body was read.
    assert_eq!(connection.post_text("hello").status, 202);
    assert_eq!(connection.post_text("hello, world").status, 413);
    assert_eq!(connection.request(&["POST /nowhere"], "hello").status, 404);
    assert_eq!(connection.post_text("hello").status, 202);

    // And when they are sent before the answers are read.
    for _ in 0..2 {
        connection.send_head(&["GET /stats"]);
    }
    assert_eq!(connection.answer(false).json()["pushed"], 2);
    assert_eq!(connection.answer(false).json()["pushed"], 2);
}

fn competing_clients_get_each_message_once(example: &str) {
    const PRODUCERS: usize = 5;
    const EACH: usize = 1000;
    let server = immediate(example, &[]);
    let clients: Vec<_> = (0..8)
        .map(|_| server.connect().subscribe().events())
        .map(|events| thread::spawn(|| events.map(|event| event.data).collect::<Vec<_>>()))
        .collect();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| (producer, server.connect()))
        .map(|(producer, mut connection)| {
            thread::spawn(move || {
                for n in 0..EACH {
                    connection.post_text(format!("{producer} {n:03}")).id();
                }
            })
        })
        .collect();
    for producer in producers {
        producer.join().unwrap();
    }
    // What is due goes out before the streams end.
    server.signal("TERM");
    let streams: Vec<_> = clients.into_iter().map(|it| it.join().unwrap()).collect();
    assert!(server.wait().success());

    for stream in &streams {
        for producer in 0..PRODUCERS {
            let prefix = format!("{producer} ");
            let own = stream.iter().filter(|data| data.starts_with(&prefix));
            assert!(own.is_sorted(), "in the order in which they were sent");
        }
    }
    let arrived: Vec<_> = streams.concat();
    let distinct: BTreeSet<_> = arrived.iter().collect();
    assert_eq!((arrived.len(), distinct.len()), (5000, 5000));
}
