//! A frame that is accepted is one event or none, and the same one, also in the middle of others.

#![no_main]

#[path = "../../it/support/parser.rs"]
mod parser;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sse_queue::Event;

fuzz_target!(|input: &[u8]| {
    let Ok(event) = Event::from_frame(Bytes::copy_from_slice(input)) else {
        return;
    };
    let frame = event.clone().encode();
    let theirs = parser::parse(input);
    assert!(theirs.events.len() <= 1);
    assert_eq!(theirs.ignored, 0);
    assert_eq!(parser::parse(&frame), theirs);
    assert_eq!(Event::from_frame(frame.clone()).unwrap(), event);
    let around = [b"data: a\n\n", &*frame, b"data: b\n\n"].concat();
    assert_eq!(parser::parse(&around).events.len(), theirs.events.len() + 2);
});
