//! Whatever goes in comes out of a client's parser, in one write or in three.

#![no_main]

#[path = "../../it/support/parser.rs"]
mod parser;

use std::fmt::Write as _;

use libfuzzer_sys::fuzz_target;
use sse_queue::Event;

fuzz_target!(|input: (&str, &str, &str, &str)| {
    let (data, more, name, id) = input;
    let mut event = Event::new(data);
    for text in [more, data] {
        event.write_str(text).unwrap();
    }
    let data = [data, more, data].concat();
    assert_eq!(event, Event::new(&data));
    let name = name.replace(['\r', '\n'], "");
    let id = id.replace(['\r', '\n', '\0'], "");
    let event = event.id(&id).unwrap().name(&name).unwrap();
    let parsed = parser::parse(&event.encode());
    let name = if name.is_empty() { "message" } else { &name };
    let data = data.replace("\r\n", "\n").replace('\r', "\n");
    assert_eq!((parsed.events.len(), parsed.ignored), (1, 0));
    let seen = &parsed.events[0];
    assert_eq!(
        (&*seen.name, &seen.data, &seen.last_event_id),
        (name, &data, &id)
    );
});
