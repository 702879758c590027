//! Whatever a client says that it saw last, its stream begins as the rules say, and goes on.

#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use sse_queue::topic::{GapCause, Resumption, Start};
use sse_queue::{Event, FakeClock, LastEventId, Message, Pacing, Topic};

/// 1 and 2 were evicted, which are `e-d1` and `e-d2`; 3 to 6 are kept, of which 4 is `own`; `e-d3`
/// waits.
fn topic(clock: &FakeClock) -> Topic {
    let topic = Topic::builder().clock(clock.clone()).history(4);
    let topic = topic.epoch("e").unwrap().build();
    let second = core::time::Duration::from_secs(1);
    for number in ["1", "2"] {
        topic.publish(Message::from(number).after(second)).unwrap();
    }
    clock.advance(second);
    topic.publish("3").unwrap();
    topic.publish(Event::new("4").id("own").unwrap()).unwrap();
    topic.publish("5").unwrap();
    topic.publish("6").unwrap();
    topic.publish(Message::from("later").after(second)).unwrap();
    topic
}

/// How the rules read an id; where the stream goes on, if exactly.
fn expected(id: Option<&str>) -> (Resumption, u64) {
    let gap = |missed, cause| (Resumption::Gap { missed, cause }, 3);
    let Some(id) = id else {
        return gap(None, GapCause::Malformed);
    };
    if id == "own" {
        return (Resumption::Exact, 5);
    }
    let Some((epoch, rest)) = id.split_once('-') else {
        return gap(None, GapCause::Unknown);
    };
    let is_epoch = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let digits = rest.strip_prefix('d').unwrap_or(rest);
    let has_shape = (1..=16).contains(&epoch.len())
        && epoch.bytes().all(is_epoch)
        && !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    if !has_shape {
        return gap(None, GapCause::Unknown);
    }
    match (epoch, rest) {
        ("e", "0") => gap(Some(2), GapCause::Evicted),
        ("e", "1") => gap(Some(1), GapCause::Evicted),
        ("e", "d1") => gap(None, GapCause::Evicted),
        // Just left of the oldest: what follows it is all kept.
        ("e", "d2") => (Resumption::Exact, 3),
        ("e", "2" | "3" | "4" | "5" | "6") => (Resumption::Exact, rest.parse::<u64>().unwrap() + 1),
        ("e", _) => gap(None, GapCause::Future),
        _ => gap(None, GapCause::ForeignEpoch),
    }
}

fuzz_target!(|input: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(input) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.insert("last-event-id", value);
    let Some(id) = LastEventId::from_headers(&headers) else {
        assert!(input.is_empty());
        return;
    };
    let (resumption, first) = expected(id.as_str());
    let clock = FakeClock::new();
    let topic = topic(&clock);
    let stream = topic.stream(Start::After(id), clock.ticker()).unwrap();
    assert_eq!(stream.resumption(), resumption);
    let mut stream = stream
        .without_first_comment()
        .pacing(Pacing::immediate().batch(1));
    if let Resumption::Gap { .. } = resumption {
        assert!(stream.next_ready().unwrap().starts_with(b"event: gap\n"));
    }
    for number in first..=6 {
        let frame = stream.next_ready().unwrap();
        assert!(frame.ends_with(format!("\ndata: {number}\n\n").as_bytes()));
    }
    assert_eq!(stream.next_ready(), None);
    topic.publish("7").unwrap();
    assert!(stream.next_ready().unwrap().ends_with(b"\ndata: 7\n\n"));
});
