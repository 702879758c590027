//! Tests of the id that a returning client sends.

use http::HeaderValue;

use super::*;

fn in_header(value: &[u8]) -> Option<LastEventId> {
    let mut headers = HeaderMap::new();
    headers.append(LAST_EVENT_ID, HeaderValue::from_bytes(value).unwrap());
    LastEventId::from_headers(&headers)
}

#[test]
fn a_header_value_is_utf_8_and_not_decoded_further() {
    assert_eq!(in_header(b"41"), Some(LastEventId::new("41")));
    assert_eq!(in_header(b"a%20b+c"), Some(LastEventId::new("a%20b+c")));
    let ellipsis = in_header("…".as_bytes()).unwrap();
    assert_eq!(ellipsis.as_str(), Some("…"));
}

#[test]
fn a_missing_or_empty_id_is_none() {
    assert_eq!(LastEventId::from_headers(&HeaderMap::new()), None);
    assert_eq!(in_header(b""), None);
    for query in [
        "",
        "&",
        "=",
        "last_event_id",
        "last_event_id=",
        "lastEventId=&x=1",
        "lasteventid=7",
    ] {
        assert_eq!(LastEventId::from_query(query), None, "{query:?}");
    }
}

#[test]
fn a_malformed_id_is_present_but_unreadable() {
    let malformed = LastEventId::new("\0");
    assert_eq!(in_header(b"\xe2\x80"), Some(malformed.clone()));
    for value in ["%ff", "a%00", "a%0Db", "%0a", &"7".repeat(1025)] {
        let query = format!("last_event_id={value}");
        let last = LastEventId::from_query(&query);
        assert_eq!(last, Some(malformed.clone()), "{value:?}");
    }
    assert_eq!(malformed.as_str(), None);
}

#[test]
fn the_maximum_length_counts_decoded_bytes() {
    let longest = "…".repeat(341) + "x";
    assert_eq!(longest.len(), LastEventId::MAX_LEN);
    let query = format!("lastEventId={}x", "%E2%80%A6".repeat(341));
    let last = LastEventId::from_query(&query).unwrap();
    assert_eq!(last.as_str(), Some(&*longest));
}

#[test]
fn a_query_is_form_decoded() {
    for (query, id) in [
        ("last_event_id=a+b", "a b"),
        ("last_event_id=a%2Bb", "a+b"),
        ("last_event_id=a=b", "a=b"),
        ("last%5Fevent%5fid=7", "7"),
        ("last_event_id=%", "%"),
        ("last_event_id=%4", "%4"),
        ("last_event_id=%zz%+1", "%zz% 1"),
        ("last_event_id=%%41", "%A"),
        ("x=1&last_event_id=&lastEventId=7&last_event_id=8", "7"),
        ("last_event_id=…", "…"),
    ] {
        let last = LastEventId::from_query(query).unwrap();
        assert_eq!(last.as_str(), Some(id), "{query:?}");
    }
}

#[test]
fn the_header_takes_precedence_over_the_query_even_if_it_is_malformed() {
    let query = Some("last_event_id=old");
    let mut headers = HeaderMap::new();
    let last = LastEventId::from_request(&headers, query);
    assert_eq!(last, Some(LastEventId::new("old")));

    headers.insert(LAST_EVENT_ID, HeaderValue::from_static(""));
    let last = LastEventId::from_request(&headers, query);
    assert_eq!(last, Some(LastEventId::new("old")));

    headers.insert(LAST_EVENT_ID, HeaderValue::from_static("new"));
    let last = LastEventId::from_request(&headers, query);
    assert_eq!(last, Some(LastEventId::new("new")));

    headers.insert(LAST_EVENT_ID, HeaderValue::from_bytes(b"\xff").unwrap());
    let last = LastEventId::from_request(&headers, query);
    assert_eq!(last, Some(LastEventId::new("\0")));
}
