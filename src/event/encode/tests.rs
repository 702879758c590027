//! Tests of encoding data and comments.

use core::fmt::Write as _;

use super::*;

fn encoded(data: &str) -> String {
    String::from_utf8(Event::new(data).encode().to_vec()).unwrap()
}

#[test]
fn crlf_is_one_line_end() {
    assert_eq!(encoded("a\r\nb"), "data: a\ndata: b\n\n");
    assert_eq!(encoded("a\n\rb"), "data: a\ndata: \ndata: b\n\n");
    assert_eq!(encoded("\r\r\n"), "data: \ndata: \ndata: \n\n");
}

#[test]
fn a_lone_cr_is_a_line_end_and_injects_nothing() {
    assert_eq!(encoded("a\rid: 9"), "data: a\ndata: id: 9\n\n");
}

#[test]
fn empty_data_is_still_sent() {
    assert_eq!(encoded(""), "data: \n\n");
}

#[test]
fn a_trailing_line_end_is_kept() {
    assert_eq!(encoded("a\n"), "data: a\ndata: \n\n");
    assert_eq!(encoded("\n"), "data: \ndata: \n\n");
}

#[test]
fn a_leading_space_is_kept() {
    assert_eq!(encoded(" a"), "data:  a\n\n");
}

#[test]
fn only_cr_and_lf_end_lines() {
    for text in [
        "\u{85}",
        "\u{2028}",
        "\u{2029}",
        "\x0b\x0c",
        "\0",
        "\u{feff}x",
        "\x1c",
    ] {
        assert_eq!(encoded(text), format!("data: {text}\n\n"));
    }
}

#[test]
fn the_buffer_of_a_new_event_has_no_spare_capacity() {
    for data in [
        "",
        "a",
        "a\nb",
        "a\r\nb\r\rc\n",
        &"x".repeat(1000),
        &"y\r\n".repeat(99),
    ] {
        let mut event = Event::new(data);
        let buf = event.make_buffer();
        assert_eq!(buf.capacity(), buf.len(), "{data:?}");
    }
}

#[test]
fn every_position_of_a_line_end_is_found() {
    for len in 0..80 {
        for at in 0..len {
            for end in ["\n", "\r", "\r\n"] {
                let (before, after) = ("\x0c".repeat(at), "\t".repeat(len - at));
                let frame = format!("data: {before}\ndata: {after}\n\n");
                assert_eq!(encoded(&format!("{before}{end}{after}")), frame);
            }
        }
    }
}

#[test]
fn writes_in_pieces_equal_one_write() {
    let text = "a\r\n\r\nb\rc\n\n d\r";
    for cut in 0..=text.len() {
        let mut event = Event::from_display("");
        event.write_str(&text[..cut]).unwrap();
        event.write_str("").unwrap();
        event.write_str(&text[cut..]).unwrap();
        assert_eq!(event, Event::new(text), "{cut}");
    }
}

#[test]
fn a_lf_written_alone_after_a_cr_joins_it_and_no_other_does() {
    let mut event = Event::new("a\r");
    event.write_str("\n").unwrap();
    event.write_str("\nb").unwrap();
    assert_eq!(event, Event::new("a\r\n\nb"));
}

#[test]
fn writing_to_a_comment_adds_data() {
    let mut event = Event::comment("note");
    event.write_str("x\ny").unwrap();
    assert_eq!(
        event.id("7").unwrap().encode(),
        "id: 7\n: note\ndata: x\ndata: y\n\n"
    );
}

#[test]
fn a_comment_with_line_ends_is_several_comments() {
    let comment = |text| Event::comment(text).encode();
    assert_eq!(comment("a\rdata: b\n"), ": a\n: data: b\n: \n");
    assert_eq!(comment("\0"), ": \0\n");
}
