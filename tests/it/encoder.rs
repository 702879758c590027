//! What other encoders get wrong, and what is hard, as the parsers of two clients read it.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use eventsource_stream::Eventsource;
use futures_util::stream::{self, StreamExt};
use sse_queue::event::{EventError, Field};
use sse_queue::stream::KeepAlive;
use sse_queue::{Event, FakeClock, Queue};

use crate::support::parser::{Seen, parse};
use crate::support::queue::{new_queue, push_later, quiet_stream, waiting};
use crate::support::{ms, secs, settled};

/// The event as the client sees it: name, data, id.
fn seen(event: Event) -> (String, String, String) {
    let frame = event.encode();
    let mut parsed = parse(&frame);
    assert_eq!(parsed.ignored, 0, "no line is lost");
    assert_eq!(parsed.events.len(), 1, "one event");
    let Seen {
        name,
        data,
        last_event_id,
    } = parsed.events.remove(0);
    let ours = (name, data, last_event_id);

    let chunks = stream::iter([Ok::<_, Infallible>(frame)]).eventsource();
    let mut chunks = std::pin::pin!(chunks);
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Some(Ok(event))) = chunks.poll_next_unpin(&mut cx) else {
        panic!("the published parser sees no event");
    };
    assert_eq!(ours, (event.event, event.data, event.id));
    ours
}

/// The data as the client sees it.
fn arrives(data: &str) -> String {
    seen(Event::new(data)).1
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, EventError>, field: Field, at: usize) {
    let error = result.unwrap_err();
    assert_eq!((error.field(), error.at()), (field, Some(at)));
}

// What other crates get wrong: each name states what is right.

/// axum 0.8 writes an empty line in between.
#[test]
fn crlf_makes_no_empty_line() {
    assert_eq!(arrives("a\r\nb"), "a\nb");
}

/// axum, poem, viz and async-sse send nothing.
#[test]
fn empty_data_is_an_event() {
    assert_eq!(arrives(""), "");
}

/// axum panics, and so does volo on data.
#[test]
fn line_ends_in_fields_are_errors_not_panics() {
    for (text, at) in [("\r", 0), ("a\n", 1), ("äb\r\nc", 3)] {
        refused(Event::new("x").name(text), Field::Name, at);
        refused(Event::new("x").id(text), Field::Id, at);
    }
    assert_eq!(arrives("a\rb"), "a\nb");
    assert_eq!(Event::comment("a\rb").encode(), ": a\n: b\n");
}

/// axum panics.
#[test]
fn a_field_that_is_set_twice_keeps_its_last_value() {
    let event = Event::new("x").name("a").unwrap().id("1").unwrap();
    let event = event.retry(ms(1)).name("b").unwrap().id("2").unwrap();
    let event = event.retry(ms(2));
    assert_eq!(parse(&event.clone().encode()).retries, ["2"]);
    assert_eq!(seen(event), ("b".into(), "x".into(), "2".into()));
}

/// axum panics.
#[test]
fn a_keep_alive_of_the_longest_duration_is_none() {
    let (clock, queue) = new_queue();
    let stream = quiet_stream(&queue, &clock).keep_alive(KeepAlive::comment(Duration::MAX));
    let _stream = settled(stream);
    assert_eq!(clock.next_deadline(), None);
}

/// axum's body continues after an error.
#[test]
fn nothing_comes_after_the_end() {
    let (clock, queue) = new_queue();
    let mut stream = waiting(&queue, &clock);
    queue.abort();
    stream.assert_ended();
    clock.advance(secs(100));
    stream.assert_ended();
}

/// warp, poem, viz, async-sse, trillium-sse and ohkami let data, names and ids inject.
#[test]
fn no_field_injects_another() {
    for evil in ["a\rid: 9", "a\nevent: b", "a\n\ndata: b", "a\r\rdata: b"] {
        let lines = evil.replace('\r', "\n");
        let expected = ("message".to_owned(), lines, String::new());
        assert_eq!(seen(Event::new(evil)), expected);
        refused(Event::new("x").name(evil), Field::Name, 1);
        refused(Event::new("x").id(evil), Field::Id, 1);
        let comment = parse(&Event::comment(evil).encode());
        assert_eq!((comment.events.len(), comment.ignored), (0, 0));
        assert_eq!(comment.last_event_id, "");
        let mut written = Event::new("");
        write!(written, "{evil}").unwrap();
        assert_eq!(written, Event::new(evil));
    }
}

/// better-sse and others let these through.
#[test]
fn ids_with_nul_are_refused() {
    refused(Event::new("x").id("a\0"), Field::Id, 1);
}

/// poem, viz and async-sse lose it.
#[test]
fn a_trailing_line_end_arrives() {
    assert_eq!(arrives("a\n"), "a\n");
    assert_eq!(arrives("a\n\n"), "a\n\n");
}

/// warp, async-sse and rocket lose it.
#[test]
fn a_leading_space_arrives() {
    assert_eq!(arrives(" a"), " a");
    assert_eq!(arrives("  a\n b"), "  a\n b");
    let event = Event::new("x").name(" n").unwrap().id(" i").unwrap();
    assert_eq!(seen(event), (" n".into(), "x".into(), " i".into()));
}

/// volo's `json` writes no blank line.
#[test]
fn every_event_with_data_is_dispatched() {
    assert_eq!(arrives("{}"), "{}");
    assert_eq!(seen(Event::from_display(7)).1, "7");
}

/// tako deletes them.
#[test]
fn a_cr_is_a_line_end_not_nothing() {
    assert_eq!(arrives("a\rb"), "a\nb");
}

/// viz's keep-alive keeps the stream from ever ending.
#[test]
fn keep_alive_does_not_outlive_the_source() {
    let (clock, queue) = new_queue();
    let stream = quiet_stream(&queue, &clock).keep_alive(KeepAlive::comment(secs(1)));
    let mut stream = settled(stream);
    drop(queue);
    stream.assert_ended();
    assert_eq!(clock.next_deadline(), None);
}

/// actix-web-lab's comes at a fixed period from the start, even while data flows.
#[test]
fn keep_alive_does_not_come_while_data_flows() {
    let (clock, queue) = new_queue();
    let stream = quiet_stream(&queue, &clock).keep_alive(KeepAlive::comment(ms(1500)));
    let mut stream = settled(stream);
    for _ in 0..10 {
        clock.advance(secs(1));
        queue.push("x").unwrap();
        stream.assert_sends("x");
    }
    clock.advance(ms(1500));
    assert_eq!(stream.bytes(), ":\n");
}

/// httpx-sse and Microsoft's fetch-event-source make an empty event of the blank line.
#[test]
fn what_is_no_event_has_no_blank_line() {
    for frame in [
        Event::comment("x").encode(),
        Event::comment("").encode(),
        Event::retry_only(secs(1)).encode(),
    ] {
        assert!(!frame.ends_with(b"\n\n"));
        assert!(frame.ends_with(b"\n"));
    }
}

/// nchan sends a bare CR as it is; clients that cut there would wait for the next byte.
#[test]
fn nothing_but_lf_ends_a_line_on_the_wire() {
    let event = Event::from_frame("id: 1\r\ndata: a\rdata: b\r\n\r\n").unwrap();
    for frame in [event.encode(), Event::new("a\r\nb\rc").encode()] {
        assert!(!frame.contains(&b'\r'));
    }
}

/// sse-stream's timer reads the machine's clock.
#[test]
fn nothing_happens_until_the_clock_of_the_test_advances() {
    let (clock, queue) = new_queue();
    push_later(&queue, "x", secs(3600));
    let mut stream = waiting(&queue, &clock);
    stream.assert_pending();
    clock.advance(secs(3600));
    assert_eq!(stream.data(), "x");
}

// Hard cases.

#[test]
fn hard_data_arrives_with_lf_for_each_line_end() {
    let (long, emoji) = ("x".repeat(1 << 20), "🦀".repeat(300));
    let lines = "line\n".repeat(10_000);
    let crlf = "line\r\n".repeat(10_000);
    for (data, expected) in [
        ("", ""),
        (" ", " "),
        ("\t", "\t"),
        ("\n", "\n"),
        ("\r", "\n"),
        ("\r\n", "\n"),
        ("\n\r", "\n\n"),
        ("\r\r\n", "\n\n"),
        ("a\n", "a\n"),
        ("\na", "\na"),
        (" a", " a"),
        ("a ", "a "),
        (":", ":"),
        ("data: x", "data: x"),
        ("retry: 1", "retry: 1"),
        ("\0", "\0"),
        ("\u{2028}\u{2029}", "\u{2028}\u{2029}"),
        ("\u{85}", "\u{85}"),
        ("\x0b\x0c\x1c\x1d\x1e", "\x0b\x0c\x1c\x1d\x1e"),
        ("🦀", "🦀"),
        (&emoji, &emoji),
        (&long, &long),
        (&lines, &lines),
        (&crlf, &lines),
    ] {
        assert!(arrives(data) == expected, "{data:.20?}");
    }
}

#[test]
fn bare_line_ends_arrive_in_their_number() {
    let ends = "\n".repeat(20_000);
    assert!(arrives(&ends) == ends);
}

/// At the start of a stream it would be stripped, and the published parser panics on it. No event
/// starts with one.
#[test]
fn a_byte_order_mark_in_data_is_data() {
    for data in ["\u{feff}", "\u{feff}x", "x\n\u{feff}\ny"] {
        assert_eq!(arrives(data), data);
    }
    assert!(Event::new("\u{feff}").encode().starts_with(b"data: "));
}

#[test]
fn hard_names_and_ids_arrive() {
    for name in [" x", "x:", "a\0b", ":", "data", "…", "x "] {
        let event = Event::new("d").name(name).unwrap();
        assert_eq!(seen(event).0, name);
    }
    let event = Event::new("d").name("").unwrap();
    assert_eq!(seen(event).0, "message");
    let long = "i".repeat(2000);
    for id in [" a", "…", "0", &long, ":", "a b"] {
        let event = Event::new("d").id(id).unwrap();
        assert_eq!(seen(event).2, id);
    }
}

#[test]
fn an_empty_id_resets_and_no_id_keeps() {
    let mut bytes = bytes::BytesMut::new();
    for event in [
        Event::new("a").id("7").unwrap(),
        Event::new("b"),
        Event::new("c").id("").unwrap(),
    ] {
        event.encode_into(&mut bytes);
    }
    let ids: Vec<_> = parse(&bytes)
        .events
        .into_iter()
        .map(|event| event.last_event_id)
        .collect();
    assert_eq!(ids, ["7", "7", ""]);
}

#[test]
fn a_name_or_an_id_without_data_is_refused() {
    for bare in [Event::comment("x"), Event::retry_only(secs(1))] {
        for result in [bare.clone().name("n"), bare.clone().id("7")] {
            assert!(matches!(result, Err(EventError::NoData { .. })));
        }
    }
}

#[test]
fn retry_onlys_are_whole_milliseconds_in_digits() {
    for (duration, digits) in [
        (Duration::ZERO, "0"),
        (Duration::from_nanos(1_999_999), "1"),
        (ms(1 << 32), "4294967296"),
        (ms(u64::MAX), "18446744073709551615"),
        (Duration::MAX, "18446744073709551615"),
    ] {
        let alone = Event::retry_only(duration).encode();
        assert_eq!(alone, format!("retry: {digits}\n"));
        assert_eq!(parse(&alone).retries, [digits]);
        let with_data = parse(&Event::new("x").retry(duration).encode());
        assert_eq!((with_data.retries.len(), with_data.events.len()), (1, 1));
    }
}

#[test]
fn the_longest_delay_does_not_overflow() {
    let queue = Queue::builder().clock(FakeClock::new()).build();
    for delay in [ms(u64::MAX), Duration::MAX] {
        push_later(&queue, "x", delay);
    }
    assert_eq!(queue.next_ready(), None);
}

/// The ids of a queue are valid in any header.
#[test]
fn the_ids_of_a_queue_are_short_and_plain() {
    let queue = Queue::builder().clock(FakeClock::new()).build();
    let receipt = queue.push("x").unwrap();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    assert!(receipt.id().bytes().all(plain));
    assert!(receipt.id().len() < 40);
    let parsed = parse(&queue.next_ready().unwrap());
    assert_eq!(parsed.last_event_id, receipt.id());
}
