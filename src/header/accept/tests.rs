//! Tests of content negotiation.

use http::HeaderValue;

use super::*;

fn accepts_lines(lines: &[&[u8]]) -> bool {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(ACCEPT, HeaderValue::from_bytes(line).unwrap());
    }
    accepts(&headers)
}

fn accepts_line(line: &str) -> bool {
    accepts_lines(&[line.as_bytes()])
}

#[test]
fn ranges_that_match_accept_the_stream() {
    for line in [
        "text/event-stream",
        "Text/Event-Stream",
        "text/*",
        "TEXT/*",
        "*/*",
        "*",
        "application/json, text/event-stream",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
        "text/event-stream;charset=utf-8",
        "text/event-stream ; q=0.001",
        "text/event-stream;q=1",
        "\ttext/event-stream\t",
        ",, text/event-stream ,",
    ] {
        assert!(accepts_line(line), "{line:?}");
    }
}

#[test]
fn ranges_that_do_not_match_refuse_the_stream() {
    for line in [
        "application/json",
        "text/html",
        "text/event",
        "text/event-streams",
        "application/*",
        "event-stream/text, image/png;q=0.5",
        "*/event-stream",
    ] {
        assert!(!accepts_line(line), "{line:?}");
    }
}

#[test]
fn a_weight_of_zero_refuses_the_stream_in_every_spelling() {
    for weight in [
        "q=0", "Q=0", "q=0.", "q=0.0", "q=0.000", "q=.0", "q = 0", "v=1;q=0",
    ] {
        let line = format!("text/event-stream;{weight}");
        assert!(!accepts_line(&line), "{line:?}");
    }
}

#[test]
fn a_weight_that_is_not_a_number_is_ignored() {
    for weight in ["q", "q=", "q=.", "q=x", "q=-0", "q=\"0\"", "q=0x", ";;"] {
        let line = format!("text/event-stream;{weight}");
        assert!(accepts_line(&line), "{line:?}");
    }
}

#[test]
fn the_most_specific_range_wins_in_any_position() {
    assert!(!accepts_line("*/*, text/event-stream;q=0"));
    assert!(!accepts_line("text/event-stream;q=0, text/*, */*"));
    assert!(!accepts_line("text/*;q=0, */*;q=1"));
    assert!(accepts_line("text/*;q=0, text/event-stream"));
    assert!(accepts_line("*/*;q=0, text/*;q=0.1"));
    assert!(accepts_line("text/event-stream;q=0, text/event-stream"));
}

#[test]
fn several_lines_are_one_list() {
    assert!(accepts_lines(&[b"text/html", b"text/event-stream"]));
    assert!(!accepts_lines(&[b"*/*", b"text/event-stream;q=0"]));
}

#[test]
fn commas_and_semicolons_in_quoted_strings_do_not_split() {
    assert!(!accepts_line(r#"text/html;x=", text/event-stream""#));
    assert!(!accepts_line(r#"text/html;x="\", text/event-stream""#));
    assert!(accepts_line(r#"text/event-stream;x="; q=0""#));
    assert!(accepts_line(r#"text/html;x="\\", text/event-stream"#));
    // A backslash outside of quotes escapes nothing.
    assert!(accepts_line(r"text/html;x=\, text/event-stream"));
}

#[test]
fn a_header_without_a_media_range_is_ignored() {
    for line in ["", " ", ",", ";q=0", "gibberish", "\"", "=;,\\"] {
        assert!(accepts_line(line), "{line:?}");
    }
    assert!(accepts_lines(&[b"\xff\xfe"]));
    assert!(!accepts_lines(&[b"\xff/\xfe"]));
}
