//! Both example servers, driven from outside: what they answer, and how they bear clients that
//! are slow, broken or gone.

use std::collections::BTreeSet;
use std::thread;

use serde_json::json;

use crate::outside::client::Event;
use crate::outside::server::{Server, run};

/// Makes each check a test of both servers.
macro_rules! on_both_servers {
    ($($(#[$attribute:meta])* $check:ident,)*) => {
        mod axum { $($(#[$attribute])* #[test] fn $check() { super::$check("axum"); })* }
        mod hyper { $($(#[$attribute])* #[test] fn $check() { super::$check("hyper"); })* }
    };
}

mod broadcast;

mod leases;

on_both_servers! {
    a_text_goes_to_the_stream_with_the_id_that_was_answered,
    json_sets_every_field,
    line_ends_arrive_as_lf_and_nothing_else_changes,
    an_expired_message_is_not_delivered,
    a_bad_message_is_refused_and_the_field_named,
    other_content_types_are_refused,
    a_body_at_the_limit_is_taken,
    a_large_body_is_refused_before_it_is_sent,
    a_large_body_of_unknown_length_is_refused_before_its_end,
    a_client_that_writes_all_before_it_reads_sees_the_refusal,
    a_client_that_asks_first_is_not_told_to_go_on,
    other_sites_may_not_send,
    a_full_queue_says_when_to_try_again,
    a_full_queue_can_drop_its_oldest_message,
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
    spaced_streams_give_everything,
    an_idle_stream_is_kept_alive,
    several_requests_go_over_one_connection,
    competing_clients_get_each_message_once,
    a_client_that_never_reads_stops_nobody,
    half_a_request_and_a_reset_stop_nobody,
    running_out_of_files_is_survived,
    sigterm_ends_streams_cleanly,
    sigint_ends_streams_cleanly,
    nothing_that_is_connected_keeps_the_server_from_ending,
    bad_flags_end_with_one_line_and_code_2,
}

/// A server that delivers at once.
fn immediate(example: &str, flags: &[&str]) -> Server {
    Server::start(example, &[&["--interval", "0"], flags].concat())
}

fn a_text_goes_to_the_stream_with_the_id_that_was_answered(example: &str) {
    let server = immediate(example, &[]);
    let mut events = server.connect().subscribe().events();
    for text in ["hello", "", "grüße\nan alle", "data: x\n\nid: y"] {
        let id = server.connect().post_text(text).id();
        let event = events.next().unwrap();
        assert_eq!((event.data.as_str(), event.id), (text, id));
        assert_eq!(event.event, "message");
    }
}

fn json_sets_every_field(example: &str) {
    let server = immediate(example, &[]);
    let mut events = server.connect().subscribe().events();
    let message = json!({
        "data": "a\nb", "event": "price", "id": "…7",
        "retry_ms": 2500, "delay_ms": 1, "ttl_ms": u64::MAX,
    });
    let answer = server.connect().post_json(message.to_string());
    assert_eq!(answer.id(), "…7");
    let Event {
        data,
        event,
        id,
        retry,
    } = events.next().unwrap();
    assert_eq!((&*data, &*event, &*id), ("a\nb", "price", "…7"));
    assert_eq!(retry.unwrap().as_millis(), 2500);
}

fn line_ends_arrive_as_lf_and_nothing_else_changes(example: &str) {
    let server = immediate(example, &[]);
    let mut events = server.connect().subscribe().events();
    for (sent, arrives) in [
        ("a\r\nb\rc\nd", "a\nb\nc\nd"),
        ("\r\n", "\n"),
        (" leading, trailing \n\n", " leading, trailing \n\n"),
        ("\u{feff}\0\u{2028}\u{85}", "\u{feff}\0\u{2028}\u{85}"),
    ] {
        server.connect().post_text(sent);
        assert_eq!(events.next().unwrap().data, arrives, "{sent:?}");
    }
}

fn an_expired_message_is_not_delivered(example: &str) {
    let server = immediate(example, &[]);
    let brief = r#"{"data": "brief", "ttl_ms": 0}"#;
    assert_eq!(server.connect().post_json(brief).status, 202);
    assert_eq!(server.connect().post_text("lasting").status, 202);
    let mut events = server.connect().subscribe().events();
    assert_eq!(events.next().unwrap().data, "lasting");
    assert_eq!(server.stats()["expired"], 1);
}

fn a_bad_message_is_refused_and_the_field_named(example: &str) {
    let server = immediate(example, &[]);
    let mut connection = server.connect();
    for (body, named) in [
        (&b""[..], "JSON object"),
        (b"{", "EOF"),
        (b"[]", "JSON object"),
        (b"[\"a\"]", "JSON object"),
        (b"\"a\"", "JSON object"),
        (b"{} x", "data"),
        (br#"{"data": "a"} x"#, "trailing"),
        (br#"{"event": "a"}"#, "data"),
        (br#"{"data": 5}"#, "data"),
        (br#"{"data": "a", "data": "b"}"#, "data"),
        (br#"{"data": "\ud800"}"#, "data"),
        (b"{\"data\": \"\xff\"}", "data"),
        (br#"{"data": "a", "event": null}"#, "event"),
        (br#"{"data": "a", "event": "b\nc"}"#, "event"),
        (br#"{"data": "a", "event": "b\rc"}"#, "event"),
        (br#"{"data": "a", "id": 7}"#, "id"),
        (br#"{"data": "a", "id": "b\nc"}"#, "id"),
        (br#"{"data": "a", "id": "b\rc"}"#, "id"),
        (br#"{"data": "a", "id": "b\u0000c"}"#, "id"),
        (br#"{"data": "a", "retry_ms": "5"}"#, "retry_ms"),
        (br#"{"data": "a", "delay_ms": -1}"#, "delay_ms"),
        (br#"{"data": "a", "ttl_ms": 1.5}"#, "ttl_ms"),
        (
            br#"{"data": "a", "ttl_ms": 18446744073709551616}"#,
            "ttl_ms",
        ),
        (br#"{"data": "a", "delay": 5}"#, "delay"),
    ] {
        let shown = String::from_utf8_lossy(body);
        let answer = connection.post_json(body);
        assert_eq!(answer.status, 400, "{shown}");
        assert!(
            answer.error().contains(named),
            "{shown}: {}",
            answer.error()
        );
    }
    let answer = connection.post_text(b"a\xffb");
    assert_eq!(answer.status, 400);
    assert!(answer.error().contains("data"));
    assert_eq!(server.stats()["pushed"], 0);
}

fn other_content_types_are_refused(example: &str) {
    let server = immediate(example, &[]);
    let mut connection = server.connect();
    for (content_type, status) in [
        ("text/plain", 202),
        ("TEXT/Plain", 202),
        ("text/plain; charset=utf-8", 202),
        ("text/plain;charset=\"UTF-8\"", 202),
        ("text/plain; format=flowed; Charset=Utf-8", 202),
        ("text/plain; charset=iso-8859-1", 415),
        ("text/plain; charset=utf-16", 415),
        ("text/html", 415),
        ("text/event-stream", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/plain, application/json", 415),
        ("", 415),
    ] {
        let content_type = format!("Content-Type: {content_type}");
        let answer = connection.request(&["POST /messages", &content_type], "hello");
        assert_eq!(answer.status, status, "{content_type}");
    }
    assert_eq!(connection.request(&["POST /messages"], "hello").status, 415);
    let json = "Content-Type: application/json; charset=utf-8";
    let answer = connection.request(&["POST /messages", json], r#"{"data": "a"}"#);
    assert_eq!(answer.status, 202);
    let gzip = [
        "POST /messages",
        "Content-Type: text/plain",
        "Content-Encoding: gzip",
    ];
    assert_eq!(connection.request(&gzip, "hello").status, 415);
}

fn a_body_at_the_limit_is_taken(example: &str) {
    let server = immediate(example, &["--max-body", "100"]);
    let mut connection = server.connect();
    assert_eq!(connection.post_text("x".repeat(100)).status, 202);
    assert_eq!(connection.post_text("x".repeat(101)).status, 413);
}

fn a_large_body_is_refused_before_it_is_sent(example: &str) {
    let server = immediate(example, &[]);
    let mut connection = server.connect();
    let length = format!("Content-Length: {}", 1_u64 << 40);
    connection.send_head(&["POST /messages", "Content-Type: text/plain", &length]);
    assert_eq!(connection.answer(false).status, 413);
}

fn a_large_body_of_unknown_length_is_refused_before_its_end(example: &str) {
    let server = immediate(example, &["--max-body", "10"]);
    let mut connection = server.connect();
    let chunked = "Transfer-Encoding: chunked";
    connection.send_head(&["POST /messages", "Content-Type: text/plain", chunked]);
    connection.send("5\r\nhello\r\n");
    connection.send("6\r\nworld!\r\n");
    assert_eq!(connection.answer(false).status, 413);
}

fn a_client_that_writes_all_before_it_reads_sees_the_refusal(example: &str) {
    let server = immediate(example, &[]);
    let body = vec![b'x'; 32 << 20];
    let text = "Content-Type: text/plain";
    for head in [
        ["POST /messages", text],
        ["POST /nowhere", text],
        ["PUT /messages", text],
    ] {
        let answer = server.connect().request(&head, &body);
        assert!([413, 404, 405].contains(&answer.status), "{head:?}");
    }
}

fn a_client_that_asks_first_is_not_told_to_go_on(example: &str) {
    let server = immediate(example, &["--max-body", "10"]);
    let text = "Content-Type: text/plain";
    let expect = "Expect: 100-continue";

    let mut connection = server.connect();
    connection.send_head(&["POST /messages", text, expect, "Content-Length: 11"]);
    assert_eq!(connection.answer(false).status, 413);

    let mut connection = server.connect();
    connection.send_head(&["POST /messages", text, expect, "Content-Length: 5"]);
    assert_eq!(connection.answer(false).status, 100);
    connection.send("hello");
    assert_eq!(connection.answer(false).status, 202);
}

fn other_sites_may_not_send(example: &str) {
    let server = immediate(example, &[]);
    let mut connection = server.connect();
    let address = server.address();
    for (header, status) in [
        ("Sec-Fetch-Site: cross-site".to_owned(), 403),
        ("Sec-Fetch-Site: same-origin".to_owned(), 202),
        ("Sec-Fetch-Site: none".to_owned(), 202),
        (format!("Origin: http://{address}"), 202),
        ("Origin: http://127.0.0.1".to_owned(), 403),
        ("Origin: http://127.0.0.1:1".to_owned(), 403),
        (format!("Origin: http://{address}.example"), 403),
        ("Origin: https://example.com".to_owned(), 403),
        ("Origin: null".to_owned(), 403),
        ("Origin: gibberish".to_owned(), 403),
        ("Origin:".to_owned(), 403),
    ] {
        let head = ["POST /messages", "Content-Type: text/plain", &header];
        assert_eq!(
            connection.request(&head, "hello").status,
            status,
            "{header}"
        );
    }

    // A default port may be left out; names are compared without case.
    for (host, origin, status) in [
        ("example.com", "https://example.com", 202),
        ("example.com:443", "https://example.com", 202),
        ("example.com:80", "http://EXAMPLE.com", 202),
        ("example.com:80", "https://example.com", 403),
        ("[::1]:3000", "http://[::1]:3000", 202),
    ] {
        let mut connection = server.connect();
        connection.send(format!(
            "POST /messages HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n\
             Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx"
        ));
        assert_eq!(connection.answer(false).status, status, "{host} {origin}");
    }
}

fn a_full_queue_says_when_to_try_again(example: &str) {
    let server = immediate(example, &["--capacity", "2"]);
    let mut connection = server.connect();
    assert_eq!(connection.post_text("a").status, 202);
    assert_eq!(connection.post_text("b").status, 202);
    let answer = connection.post_text("c");
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").unwrap().parse::<u32>().is_ok());
    assert_eq!(answer.error(), "queue is full");

    let mut events = server.connect().subscribe().events();
    assert_eq!(events.next().unwrap().data, "a");
    assert_eq!(events.next().unwrap().data, "b");
    assert_eq!(connection.post_text("d").status, 202);
    assert_eq!(events.next().unwrap().data, "d");
}

fn a_full_queue_can_drop_its_oldest_message(example: &str) {
    let server = immediate(example, &["--capacity", "2", "--overflow", "drop-oldest"]);
    let mut connection = server.connect();
    for data in ["a", "b", "c"] {
        assert_eq!(connection.post_text(data).status, 202);
    }
    assert_eq!(server.stats()["dropped"], 1);
    let mut events = server.connect().subscribe().events();
    assert_eq!(events.next().unwrap().data, "b");
    assert_eq!(events.next().unwrap().data, "c");
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
    // No room for a single stream, and a connection that goes on to be used.
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
    // Also after one that was refused without a look at its small body.
    assert_eq!(connection.post_text("hello").status, 202);
    assert_eq!(connection.post_text("hello, world").status, 413);
    assert_eq!(connection.request(&["POST /nowhere"], "hello").status, 404);
    assert_eq!(connection.post_text("hello").status, 202);

    // And where they are sent before the answers are read.
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

fn a_client_that_never_reads_stops_nobody(example: &str) {
    let server = immediate(example, &[]);
    let mut stalled = server.connect();
    stalled.send_head(&["GET /events"]);
    server.wait_until("streams", 1);
    let mut events = server.connect().subscribe().events();

    // More than sockets buffer: what the one does not take goes to the other.
    let data = "x".repeat(1 << 20);
    let mut connection = server.connect();
    for _ in 0..64 {
        assert_eq!(connection.post_text(&data).status, 202);
    }
    server.connect().post_text("last");
    assert!(events.any(|event| event.data == "last"));

    server.signal("TERM");
    assert_eq!(events.next().map(|event| event.data), None);
    assert_eq!(server.wait().code(), Some(0));
    drop(stalled);
}

fn half_a_request_and_a_reset_stop_nobody(example: &str) {
    let server = immediate(example, &[]);
    let mut half_a_head = server.connect();
    half_a_head.send("POST /messages HTTP/1.1\r\nHo");
    let mut half_a_body = server.connect();
    let text = "Content-Type: text/plain";
    half_a_body.send_head(&["POST /messages", text, "Content-Length: 100"]);
    half_a_body.send("half");
    let mut gibberish = server.connect();
    gibberish.send("\0\x01\x02 gibberish\r\n\r\n");

    // Closing a socket that holds unread bytes resets the connection: here, in mid-body.
    let mut reset = server.connect();
    let head = [
        "POST /messages",
        text,
        "Content-Length: 100",
        "Expect: 100-continue",
    ];
    reset.send_head(&head);
    reset.send("half");
    reset.wait_for_bytes();
    drop(reset);
    let mut reset = server.connect();
    reset.send_head(&["GET /events"]);
    reset.wait_for_bytes();
    drop(reset);
    server.wait_until("streams", 0);

    let mut events = server.connect().subscribe().events();
    server.connect().post_text("whole").id();
    assert_eq!(events.next().unwrap().data, "whole");
    assert_eq!(server.stats()["pushed"], 1);
    drop((half_a_head, half_a_body));
}

fn running_out_of_files_is_survived(example: &str) {
    let server = Server::start_with_files(example, 32, &["--interval", "0"]);
    let many: Vec<_> = (0..64).map(|_| server.connect()).collect();
    drop(many);
    assert_eq!(server.stats()["streams"], 0);
}

fn sigterm_ends_streams_cleanly(example: &str) {
    a_signal_ends_streams_cleanly(example, "TERM");
}

fn sigint_ends_streams_cleanly(example: &str) {
    a_signal_ends_streams_cleanly(example, "INT");
}

fn a_signal_ends_streams_cleanly(example: &str, signal: &str) {
    // What is due goes out at once, though the next tick is an hour away; what is not, does not.
    let server = Server::start(example, &["--interval", "3600000"]);
    let mut streams: Vec<_> = (0..3).map(|_| server.connect().subscribe()).collect();
    let mut connection = server.connect();
    for n in 0..10 {
        assert_eq!(connection.post_text(n.to_string()).status, 202);
    }
    connection.post_json(r#"{"data": "later", "delay_ms": 3600000}"#);

    server.signal(signal);
    let mut arrived = BTreeSet::new();
    for mut stream in streams.drain(..) {
        while let Some(chunk) = stream.chunk() {
            let chunk = String::from_utf8(chunk).unwrap();
            assert!(chunk.ends_with("\n\n"), "whole events");
            arrived.extend(
                chunk
                    .lines()
                    .filter(|line| line.starts_with("data: "))
                    .map(str::to_owned),
            );
        }
        assert_eq!(stream.rest(), b"");
    }
    assert_eq!(arrived, (0..10).map(|n| format!("data: {n}")).collect());
    assert_eq!(server.wait().code(), Some(0));
}

fn nothing_that_is_connected_keeps_the_server_from_ending(example: &str) {
    let server = immediate(example, &[]);
    let silent = server.connect();
    let mut idle = server.connect();
    idle.get("/stats");
    let mut half_a_head = server.connect();
    half_a_head.send("GET /ev");
    let mut half_a_body = server.connect();
    half_a_body.send_head(&[
        "POST /messages",
        "Content-Type: text/plain",
        "Content-Length: 9",
    ]);
    half_a_body.send("half");
    let mut stalled = server.connect();
    stalled.send_head(&["GET /events"]);
    server.wait_until("streams", 1);
    let mut connection = server.connect();
    for _ in 0..32 {
        connection.post_text("x".repeat(1 << 20));
    }

    server.signal("TERM");
    assert_eq!(idle.rest(), b"");
    assert_eq!(server.wait().code(), Some(0));
    drop((silent, half_a_head, half_a_body, stalled));
}

fn bad_flags_end_with_one_line_and_code_2(example: &str) {
    for (flags, named) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["nonsense"], "nonsense"),
        (&["--interval"], "--interval"),
        (&["--interval", "x"], "--interval"),
        (&["--interval", "-1"], "--interval"),
        (&["--batch", "0"], "--batch"),
        (&["--capacity", "0"], "--capacity"),
        (&["--max-body", "1e3"], "--max-body"),
        (&["--mode", "x"], "--mode"),
        (&["--overflow", "x"], "--overflow"),
        (&["--listen", "nowhere"], "--listen"),
        (&["--spacing", "5"], "--spacing"),
        (&["--history", "0"], "--history"),
        (&["--mode", "broadcast", "--interval", "x"], "--interval"),
        (&["--at-least-once", "0"], "--at-least-once"),
        (
            &["--at-least-once", "5", "--max-in-flight", "0"],
            "--max-in-flight",
        ),
        (&["--max-in-flight", "2"], "--at-least-once"),
        (&["--at-least-once", "5", "--confirm", "x"], "--confirm"),
        (&["--confirm", "ack"], "--at-least-once"),
        (
            &["--mode", "broadcast", "--at-least-once", "5"],
            "--mode queue",
        ),
    ] {
        let output = run(example, flags);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(named), "{stderr}");
        assert!(output.stdout.is_empty());
    }
    let output = run(example, &["--help"]);
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("--listen ADDR") && help.contains("--at-least-once MS"));
    assert!(help.contains("--max-in-flight N") && help.contains("--confirm ack|resume"));
}
