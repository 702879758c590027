//! What goes in comes out.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use eventsource_stream::Eventsource;
use futures_util::stream::{self, StreamExt};
use proptest::collection::vec;
use proptest::prelude::*;
use sse_queue::Event;

use super::config;
use crate::support::parser::{Parsed, Seen, parse};

/// Text in which what matters is frequent.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop_oneof![Just("\n"), Just("\r"), Just("\r\n"), Just("\n\r")],
        4 => prop_oneof![Just(" "), Just(":"), Just("data"), Just("id: 1"), Just("\u{feff}")],
        2 => prop_oneof![Just("\0"), Just("\u{85}"), Just("\u{2028}"), Just("\x0b"), Just("")],
    ];
    let piece =
        prop_oneof![2 => piece.prop_map(str::to_owned), 1 => ".{0,40}", 1 => "[a-z]{0,300}"];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// The text as a client gets it: every line end as LF.
fn with_lf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn line() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.replace(['\r', '\n'], "-"))
}

fn id() -> impl Strategy<Value = String> {
    line().prop_map(|line| line.replace('\0', "-"))
}

prop_compose! {
    fn event()(
        data in text(),
        name in proptest::option::of(line()),
        id in proptest::option::of(id()),
        retry in proptest::option::of(any::<u64>()),
    ) -> (Event, Seen) {
        let mut event = Event::new(&data);
        if let Some(name) = &name {
            event = event.name(name).unwrap();
        }
        if let Some(id) = &id {
            event = event.id(id).unwrap();
        }
        if let Some(retry) = retry {
            event = event.retry(Duration::from_millis(retry));
        }
        let name = name.filter(|name| !name.is_empty());
        let seen = Seen {
            name: name.unwrap_or_else(|| "message".to_owned()),
            data: with_lf(&data),
            last_event_id: id.unwrap_or_default(),
        };
        (event, seen)
    }
}

/// The events that the published parser reads from the stream in these chunks.
fn published(chunks: Vec<Bytes>) -> Vec<(String, String, String)> {
    let chunks = stream::iter(chunks.into_iter().map(Ok::<_, Infallible>));
    let events = chunks.eventsource().map(Result::unwrap);
    let mut events = std::pin::pin!(events);
    let mut seen = Vec::new();
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    while let Poll::Ready(Some(event)) = events.poll_next_unpin(&mut cx) {
        seen.push((event.event, event.data, event.id));
    }
    seen
}

fn cut(bytes: &Bytes, cuts: &[prop::sample::Index]) -> Vec<Bytes> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|at| bytes.slice(at[0]..at[1]))
        .collect()
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn whatever_goes_in_comes_out(events in vec(event(), 1..5)) {
        let mut bytes = bytes::BytesMut::new();
        let mut id = String::new();
        let mut expected = Vec::new();
        for (event, mut seen) in events {
            if event.event_id().is_some() {
                id.clone_from(&seen.last_event_id);
            }
            seen.last_event_id.clone_from(&id);
            event.encode_into(&mut bytes);
            expected.push(seen);
        }
        let parsed = parse(&bytes);
        prop_assert_eq!(parsed.ignored, 0);
        prop_assert_eq!(parsed.events, expected);
    }

    #[test]
    fn any_chunking_gives_the_same_events(
        events in vec(event(), 1..4),
        cuts in vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut bytes = bytes::BytesMut::new();
        let mut expected = Vec::new();
        for (event, seen) in &events {
            event.encode_into(&mut bytes);
            expected.push((seen.name.clone(), seen.data.clone()));
        }
        let bytes = bytes.freeze();
        let seen = published(cut(&bytes, &cuts));
        let seen: Vec<_> = seen.into_iter().map(|(name, data, _)| (name, data)).collect();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn writing_in_pieces_equals_one_text(pieces in vec(text(), 0..6)) {
        let mut event = Event::new("");
        for piece in &pieces {
            event.write_str(piece).unwrap();
        }
        prop_assert_eq!(event, Event::new(pieces.concat()));
    }

    #[test]
    fn a_comment_is_nothing_but_comments(text in text()) {
        let bytes = Event::comment(&text).encode();
        let lines = with_lf(&text).split('\n').count();
        let nothing = Parsed { comments: lines, ..Parsed::default() };
        prop_assert_eq!(parse(&bytes), nothing);
    }

    #[test]
    fn a_frame_of_ours_is_accepted_unchanged((event, _) in event()) {
        let again = Event::from_frame(event.clone().encode()).unwrap();
        prop_assert_eq!(&again, &event);
        prop_assert_eq!(again.event_id(), event.event_id());
        prop_assert_eq!(again.event_name(), event.event_name());
    }

    #[test]
    fn an_accepted_frame_means_the_same_event(frame in foreign_frame(), more in text()) {
        let Ok(event) = Event::from_frame(frame.clone()) else {
            return Ok(());
        };
        let theirs = parse(frame.as_bytes());
        let ours = parse(&event.clone().encode());
        prop_assert!(ours.events.len() <= 1);
        prop_assert_eq!(&ours, &theirs);

        // What is written to it follows its data, and changes nothing else.
        let mut event = event;
        event.write_str(&more).unwrap();
        let written = parse(&event.encode());
        let before = theirs.events.first().map_or("", |event| &event.data);
        prop_assert_eq!(&written.events[0].data, &format!("{before}{}", with_lf(&more)));
        prop_assert_eq!(written.ignored, 0);
    }
}

/// Lines such as a server might send, right and wrong.
fn foreign_frame() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        6 => prop_oneof![Just("data"), Just("data:"), Just("data: x"), Just("data:x"), Just("data:  ")],
        3 => prop_oneof![Just("id"), Just("id: 7"), Just("id:\0"), Just("event: a"), Just("event:")],
        2 => prop_oneof![Just("retry: 5"), Just("retry: x"), Just(": note"), Just(":"), Just("data : x")],
        1 => prop_oneof![Just("\u{feff}data: x"), Just("\u{feff}"), Just("Data: x"), Just("datax")],
    ];
    let end = prop_oneof![Just("\n"), Just("\r"), Just("\r\n")];
    let tail = prop_oneof![6 => Just("\n"), 1 => Just(""), 1 => Just("\r\n"), 1 => Just("\n\n")];
    (vec((line, end), 0..7), tail).prop_map(|(lines, tail)| {
        let lines = lines.into_iter().map(|(line, end)| format!("{line}{end}"));
        lines.collect::<String>() + tail
    })
}
