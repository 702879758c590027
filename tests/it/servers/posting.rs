//! Messages that are posted: what is taken, what is refused, and what arrives.

use serde_json::json;

use super::immediate;
use crate::outside::client::Event;

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
    a_client_that_expects_100_continue_is_refused_first,
    other_sites_may_not_send,
    a_full_queue_says_when_to_try_again,
    a_full_queue_can_drop_its_oldest_message,
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

fn a_client_that_expects_100_continue_is_refused_first(example: &str) {
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
