//! Tests of frames that were encoded elsewhere.

use core::fmt::Write as _;

use super::*;

fn error(frame: &'static str) -> FrameError {
    Event::from_frame(frame).unwrap_err()
}

#[test]
fn the_frame_of_an_event_is_accepted_unchanged() {
    let events = [
        Event::new(""),
        Event::new("\u{feff}a\n\n b").id("").unwrap(),
        Event::new("x").name("n:").unwrap().id(" 7").unwrap(),
        Event::comment("a\nb"),
        Event::retry_only(core::time::Duration::from_secs(1)),
    ];
    for event in events {
        assert_eq!(Event::from_frame(event.clone().encode()).unwrap(), event);
    }
}

#[test]
fn a_frame_of_a_kibibyte_is_shared_and_a_smaller_one_copied() {
    let is_shared = |len: usize| {
        let data = "x".repeat(len - "data: \n\n".len());
        let frame = Bytes::from(format!("data: {data}\n\n"));
        let out = Event::from_frame(frame.clone()).unwrap().encode();
        assert_eq!(out, frame);
        out.as_ptr() == frame.as_ptr()
    };
    assert_eq!([1_023, 1_024].map(is_shared), [false, true]);
}

#[test]
fn fields_may_have_any_order_and_form() {
    let event = Event::from_frame("data\nid:7\n: c\nevent:a\ndata:b\nretry:05\n\n").unwrap();
    assert_eq!(event.event_id(), Some("7"));
    assert_eq!(event.event_name(), Some("a"));
    let event = event.id("8").unwrap();
    assert_eq!(
        event.encode(),
        "id: 8\ndata\n: c\nevent:a\ndata:b\nretry:05\n\n"
    );
}

#[test]
fn data_is_appended_after_the_data_of_a_frame() {
    let mut event = Event::from_frame("data: a\nid: 7\n\n").unwrap();
    event.write_str("b\nc").unwrap();
    assert_eq!(event.encode(), "id: 7\ndata: ab\ndata: c\n\n");
}

#[test]
fn data_appended_to_an_empty_data_line_stays_data() {
    for bare in ["data", "data:", "data: "] {
        let mut event = Event::from_frame(format!("{bare}\n\n")).unwrap();
        event.write_str(" b").unwrap();
        assert_eq!(event.encode(), "data:  b\n\n");
    }
}

#[test]
fn blank_lines_around_an_event_are_dropped() {
    let encoded = |frame: &'static str| Event::from_frame(frame).unwrap().encode();
    assert_eq!(encoded("\n\ndata: x\n\n\n"), "data: x\n\n");
    assert_eq!(encoded(": ping\n\n"), ": ping\n");
}

#[test]
fn cr_and_crlf_become_lf() {
    let event = Event::from_frame("id: 1\r\ndata: x\rdata: y\n\r\n").unwrap();
    assert_eq!(event.encode(), "id: 1\ndata: x\ndata: y\n\n");
}

#[test]
fn a_frame_that_is_not_one_event_is_refused() {
    assert_eq!(error(""), FrameError::Empty);
    assert_eq!(error("\n\n"), FrameError::Empty);
    assert_eq!(error("data: x"), FrameError::Unfinished);
    assert_eq!(error("data: x\n"), FrameError::Unfinished);
    assert_eq!(error("data: x\n\n: c\n"), FrameError::SecondEvent { at: 9 });
    assert_eq!(
        error("\u{feff}data: x\n\n"),
        FrameError::UnknownField { at: 0 }
    );
    assert_eq!(
        error("data: x\nData: y\n\n"),
        FrameError::UnknownField { at: 8 }
    );
    let field = Field::Id;
    assert_eq!(error("id: a\n\n"), FrameError::NoData { field });
    assert_eq!(
        error("data: x\nid: \0\n\n"),
        FrameError::Ignored { field, at: 8 }
    );
    assert_eq!(
        error("id\nid: 1\ndata\n\n"),
        FrameError::Repeated { field, at: 3 }
    );
    let field = Field::Retry;
    for frame in [
        "retry: +5\n",
        "retry: \n",
        "retry\n",
        "retry:  5\n",
        "retry: 5 \n",
    ] {
        assert_eq!(error(frame), FrameError::Ignored { field, at: 0 });
    }
    let invalid = Event::from_frame(&b"data: \xff\n\n"[..]).unwrap_err();
    assert_eq!(invalid, FrameError::NotUtf8 { at: 6 });
}
