//! What each encoder makes of the same fields, seen by a client.
//!
//! The tables hold what a client should get, and what it gets from each peer's newest version. If a
//! peer mends a fault, its row fails here and leaves the README.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ::axum::body::HttpBody;
use ::axum::response::IntoResponse;
use ::axum::response::sse::{Event, KeepAlive, Sse};
use bytes::Bytes;
use eventsource_stream::EventStream;
use futures_util::{FutureExt, StreamExt, stream};
use peers::{Fields, Refusal, actix_web_lab, axum, ours, sse_stream, warp};

use Outcome::{Gets, Panics, Refuses};

/// What becomes of the fields.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// A client dispatches events with these data; each test checks names and ids.
    Gets(&'static [&'static str]),
    /// The encoder returns an error.
    Refuses,
    /// The encoder panics.
    Panics,
}

/// The encoder's frame as an independent client reads it.
fn outcome<F>(encoder: impl FnOnce(Fields) -> F, fields: Fields) -> Outcome
where
    F: FnMut() -> Result<Bytes, Refusal>,
{
    match catch_unwind(AssertUnwindSafe(|| encoder(fields)())) {
        Ok(Ok(frame)) => Gets(dispatched(frame).leak()),
        Ok(Err(_)) => Refuses,
        Err(_) => Panics,
    }
}

fn dispatched(frame: Bytes) -> Vec<&'static str> {
    EventStream::new(stream::iter([Ok::<_, Infallible>(frame)]))
        .map(|event| &*event.unwrap().data.leak())
        .collect()
        .now_or_never()
        .unwrap()
}

/// Asserts a row of outcomes: ours, axum, sse-stream, actix-web-lab, warp.
#[track_caller]
fn row(fields: Fields, expected: &[Outcome; 5]) {
    let found = [
        outcome(ours, fields),
        outcome(axum, fields),
        outcome(sse_stream, fields),
        outcome(actix_web_lab, fields),
        outcome(warp, fields),
    ];
    assert_eq!(
        &found, expected,
        "ours, axum, sse-stream, actix-web-lab, warp for {fields:?}"
    );
}

fn named(name: &'static str) -> Fields {
    Fields {
        name: Some(name),
        ..Fields::of("x")
    }
}

fn with_id(id: &'static str) -> Fields {
    Fields {
        id: Some(id),
        ..Fields::of("x")
    }
}

#[test]
fn empty_data_is_lost_by_axum() {
    const SENT: Outcome = Gets(&[""]);
    row(Fields::of(""), &[SENT, Gets(&[]), SENT, SENT, SENT]);
}

#[test]
fn crlf_is_two_line_ends_for_axum() {
    const WHOLE: Outcome = Gets(&["a\nb"]);
    row(
        Fields::of("a\r\nb"),
        &[WHOLE, Gets(&["a\n\nb"]), WHOLE, WHOLE, WHOLE],
    );
}

#[test]
fn what_follows_a_cr_is_lost_by_warp() {
    const WHOLE: Outcome = Gets(&["a\nb"]);
    row(
        Fields::of("a\rb"),
        &[WHOLE, WHOLE, WHOLE, WHOLE, Gets(&["a"])],
    );
}

#[test]
fn cr_in_data_injects_an_event_through_warp() {
    const WHOLE: Outcome = Gets(&["a\n\ndata: owned"]);
    row(
        Fields::of("a\r\rdata: owned"),
        &[WHOLE, WHOLE, WHOLE, WHOLE, Gets(&["a", "owned"])],
    );
}

#[test]
fn a_leading_space_is_lost_by_warp() {
    const WHOLE: Outcome = Gets(&[" a"]);
    row(
        Fields::of(" a"),
        &[WHOLE, WHOLE, WHOLE, WHOLE, Gets(&["a"])],
    );
}

#[test]
fn a_trailing_line_end_is_kept_by_all() {
    const WHOLE: Outcome = Gets(&["a\n"]);
    row(Fields::of("a\n"), &[WHOLE; 5]);
}

#[test]
fn a_line_end_in_the_name_panics_in_axum_and_injects_through_warp() {
    for name in ["n\ndata: owned", "n\rdata: owned"] {
        row(
            named(name),
            &[Refuses, Panics, Refuses, Refuses, Gets(&["owned\nx"])],
        );
    }
}

#[test]
fn a_line_end_in_the_id_panics_in_axum_and_injects_through_warp() {
    for id in ["7\n\ndata: owned", "7\r\rdata: owned"] {
        row(
            with_id(id),
            &[Refuses, Panics, Refuses, Refuses, Gets(&["x", "owned"])],
        );
    }
}

#[test]
fn a_field_set_twice_panics_in_axum() {
    let twice = || Event::default().data("a").data("b");
    assert!(catch_unwind(twice).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_keep_alive_that_never_comes_panics_in_axum() {
    let stream = stream::iter([Ok::<_, Infallible>(Event::default().data("x"))]);
    let body = Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::MAX));
    let mut body = body.into_response().into_body();
    let mut poll = || Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
    assert!(catch_unwind(AssertUnwindSafe(|| poll().is_ready())).is_err());
}

/// ```text
/// seconds     0    4    8    10
/// data        x    x    x
/// keep-alive  !              !
/// ```
#[tokio::test(start_paused = true)]
async fn a_keep_alive_comes_while_data_flows_in_actix_web_lab() {
    use ::actix_web_lab::sse::{Data, Sse};
    use actix_web::body::MessageBody;

    const KEEP_ALIVE: &str = ": keep-alive\n\n";

    let (events, receiver) = tokio::sync::mpsc::channel(1);
    let mut body = std::pin::pin!(
        Sse::from_infallible_receiver(receiver).with_keep_alive(Duration::from_secs(10))
    );
    let mut take = || {
        let mut frames = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(frame)) = body.as_mut().poll_next(&mut cx) {
            frames.push(frame.unwrap());
        }
        frames
    };

    assert_eq!(take(), [KEEP_ALIVE]);
    for _ in 0..2 {
        tokio::time::advance(Duration::from_secs(4)).await;
        events.send(Data::new("x").into()).await.unwrap();
        assert_eq!(take(), ["data: x\n\n"]);
    }
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(take(), [KEEP_ALIVE], "two seconds after the last data");
}
