//! Tests of events and their fields.

use super::*;

#[test]
fn a_field_set_twice_keeps_its_last_value() {
    let event = Event::new("x").name("a").unwrap().id("1").unwrap();
    let event = event.name("bb").unwrap().id("22").unwrap();
    assert_eq!(event.event_name(), Some("bb"));
    assert_eq!(event.event_id(), Some("22"));
    assert_eq!(event.encode(), "id: 22\nevent: bb\ndata: x\n\n");
}

#[test]
fn an_empty_name_is_the_default_type() {
    let event = Event::new("x").name("a").unwrap().name("").unwrap();
    assert_eq!(event.encode(), "data: x\n\n");
}

#[test]
fn values_keep_their_spaces_and_colons() {
    let event = Event::new("x").name(" x:").unwrap().id(" a ").unwrap();
    assert_eq!(event.event_name(), Some(" x:"));
    assert_eq!(event.event_id(), Some(" a "));
    assert_eq!(event.encode(), "id:  a \nevent:  x:\ndata: x\n\n");
}

#[test]
fn a_long_id_and_name_fit() {
    let (id, name) = ("…".repeat(700), "n".repeat(500));
    let event = Event::new("x").id(&id).unwrap().name(&name).unwrap();
    assert_eq!(
        event.encode(),
        format!("event: {name}\nid: {id}\ndata: x\n\n")
    );
}

#[test]
fn a_refused_field_is_reported_with_the_byte_at_fault() {
    let refused = |result: Result<Event, EventError>| result.unwrap_err();
    for (text, at) in [("\r", 0), ("a\n", 1), ("é\r\n", 2)] {
        let error = refused(Event::new("x").name(text));
        assert_eq!((error.field(), error.at()), (Field::Name, Some(at)));
        let error = refused(Event::new("x").id(text));
        assert_eq!((error.field(), error.at()), (Field::Id, Some(at)));
    }
    assert!(
        Event::new("x").name("a\0b").is_ok(),
        "NUL is legal in names"
    );
    assert_eq!(refused(Event::new("x").id("a\0b")).at(), Some(1));
}

#[test]
fn a_comment_carries_no_id_and_no_name() {
    assert!(Event::comment("x").id("7").is_err());
    assert!(Event::comment("x").name("a").is_err());
    let event = Event::comment("x").retry(Duration::from_secs(1));
    assert_eq!(event.encode(), "retry: 1000\n: x\n");
}

#[test]
fn retry_is_whole_milliseconds_in_digits() {
    let line = |duration| Event::retry_only(duration).encode();
    assert_eq!(line(Duration::ZERO), "retry: 0\n");
    assert_eq!(line(Duration::from_nanos(999_999)), "retry: 0\n");
    assert_eq!(line(Duration::from_millis(1 << 32)), "retry: 4294967296\n");
    assert_eq!(line(Duration::MAX), "retry: 18446744073709551615\n");
}

#[test]
fn debug_never_prints_the_payload() {
    let event = Event::new("secret").name("secret").unwrap();
    assert!(!format!("{event:?}").contains("secret"));
}
