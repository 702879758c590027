//! The HTTP around a stream: the response's headers, `Accept`, and `Last-Event-ID`.
//!
//! This is the only module that knows the [`http`] crate, whose types axum, hyper, warp, poem and
//! others share.
//!
//! # Examples
//!
//! ```
//! use http::{HeaderMap, StatusCode};
//! use sse_queue::header;
//!
//! let request = HeaderMap::new();
//! assert!(header::accepts(&request));
//!
//! let response = header::response("the stream goes here");
//! assert_eq!(response.status(), StatusCode::OK);
//! assert_eq!(response.headers()["content-type"], "text/event-stream");
//! ```

use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use crate::message::LastEventId;

/// The name of the `Last-Event-ID` header.
///
/// # Examples
///
/// ```
/// use sse_queue::header::LAST_EVENT_ID;
///
/// assert_eq!(LAST_EVENT_ID, "Last-Event-ID");
/// ```
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// nginx buffers what it proxies unless the response says this.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The names under which pages pass an id in the query: as `EventSource` polyfills do, in both
/// spellings in use.
const QUERY_KEYS: [&[u8]; 2] = [b"last_event_id", b"lastEventId"];

/// The headers of a response whose body is an event stream.
///
/// * `Content-Type: text/event-stream`, bare: the stream is UTF-8 whatever a `charset` says, and
///   some clients compare the whole value.
/// * `Cache-Control: no-cache, no-transform`: no cache keeps the stream, and no proxy compresses
///   it, which would hold events back.
/// * `X-Accel-Buffering: no`: nginx passes each chunk on as it comes.
///
/// There is nothing for cross-origin readers: whether another site may read the stream is the
/// service's to decide.
///
/// # Examples
///
/// ```
/// use sse_queue::header;
///
/// let headers = header::response_headers();
/// assert_eq!(headers["content-type"], "text/event-stream");
/// assert_eq!(headers["cache-control"], "no-cache, no-transform");
/// assert_eq!(headers["x-accel-buffering"], "no");
/// assert_eq!(headers.len(), 3);
/// ```
#[must_use]
pub fn response_headers() -> HeaderMap {
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (
            CACHE_CONTROL,
            HeaderValue::from_static("no-cache, no-transform"),
        ),
        (X_ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ])
}

/// A `200 OK` with [`response_headers`] around a body.
///
/// # Examples
///
/// ```
/// use sse_queue::header;
///
/// let response = header::response(());
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.headers(), &header::response_headers());
/// ```
#[must_use]
pub fn response<B>(body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.headers_mut() = response_headers();
    response
}

/// Whether the client that sent these headers takes an event stream.
///
/// No `Accept` is a yes, as is one that names no media range at all: clients need not send any.
/// Of the ranges that match, the most specific one decides (`text/event-stream`, then `text/*`,
/// then `*/*`), and only a weight of zero is a no.
///
/// # Examples
///
/// ```
/// use http::HeaderMap;
/// use http::header::ACCEPT;
/// use sse_queue::header;
///
/// let mut headers = HeaderMap::new();
/// assert!(header::accepts(&headers));
///
/// headers.insert(ACCEPT, "text/html, */*;q=0.1".parse().unwrap());
/// assert!(header::accepts(&headers));
///
/// headers.insert(ACCEPT, "*/*, text/event-stream;q=0".parse().unwrap());
/// assert!(!header::accepts(&headers));
/// ```
#[must_use]
pub fn accepts(headers: &HeaderMap) -> bool {
    let mut any_range = false;
    let mut best = None;
    let lines = headers.get_all(ACCEPT).iter();
    for element in lines.flat_map(|line| split_unquoted(line.as_bytes(), b',')) {
        let Some(range) = media_range(element) else {
            continue;
        };
        any_range = true;
        // Of two ranges alike the one that takes the stream wins: `max` on (specificity, taken).
        if let Some(specificity) = range.specificity {
            best = best.max(Some((specificity, range.taken)));
        }
    }
    best.map_or(!any_range, |(_, taken)| taken)
}

struct MediaRange {
    /// How closely the range names `text/event-stream`; `None` where it names something else.
    specificity: Option<u8>,
    /// Whether its weight is above zero.
    taken: bool,
}

/// One element of `Accept`, or `None` where it is no media range. RFC 9110, section 12.5.1:
///
/// ```text
/// Accept      = [ ( media-range [ weight ] ) *( OWS "," OWS ( media-range [ weight ] ) ) ]
/// media-range = ( "*/*" / ( type "/" "*" ) / ( type "/" subtype ) ) parameters
/// parameters  = *( OWS ";" OWS [ token "=" ( token / quoted-string ) ] )
/// weight      = OWS ";" OWS "q=" qvalue
/// ```
///
/// Parameters other than the weight say nothing here: an event stream has none to differ in.
fn media_range(element: &[u8]) -> Option<MediaRange> {
    let mut parts = split_unquoted(element, b';').map(<[u8]>::trim_ascii);
    let range = parts.next()?;
    // Java's HttpURLConnection sends a lone `*`.
    if range != b"*" && !range.contains(&b'/') {
        return None;
    }
    let specificity = if range.eq_ignore_ascii_case(b"text/event-stream") {
        Some(2)
    } else if range.eq_ignore_ascii_case(b"text/*") {
        Some(1)
    } else if range == b"*/*" || range == b"*" {
        Some(0)
    } else {
        None
    };
    Some(MediaRange {
        specificity,
        taken: !parts.any(is_zero_weight),
    })
}

/// Whether a parameter is `q=0`, with or without decimals. What is no number weighs as if it were
/// not there: a stream that the client may not want does less harm than none.
fn is_zero_weight(parameter: &[u8]) -> bool {
    let Some(equals) = parameter.iter().position(|&byte| byte == b'=') else {
        return false;
    };
    let (name, value) = parameter.split_at(equals);
    let value = value.strip_prefix(b"=").unwrap_or(value).trim_ascii();
    name.trim_ascii().eq_ignore_ascii_case(b"q")
        && value.contains(&b'0')
        && value.iter().all(|byte| matches!(byte, b'0' | b'.'))
}

/// The parts of a header value between separators, except those within quoted strings.
fn split_unquoted(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    value.split(move |&byte| {
        let literal = core::mem::take(&mut escaped);
        match byte {
            b'\\' if quoted && !literal => escaped = true,
            b'"' if !literal => quoted = !quoted,
            _ => {}
        }
        byte == separator && !quoted
    })
}

impl LastEventId {
    /// The id in the `Last-Event-ID` header. `None` where there is none or it is empty, as it is
    /// for a client that has seen nothing yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue};
    /// use sse_queue::LastEventId;
    ///
    /// let mut headers = HeaderMap::new();
    /// assert_eq!(LastEventId::from_headers(&headers), None);
    ///
    /// headers.insert("last-event-id", HeaderValue::from_bytes("…".as_bytes()).unwrap());
    /// assert_eq!(LastEventId::from_headers(&headers), Some(LastEventId::new("…")));
    ///
    /// headers.insert("last-event-id", HeaderValue::from_bytes(b"\xff").unwrap());
    /// assert_eq!(LastEventId::from_headers(&headers).unwrap().as_str(), None);
    /// ```
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        // Not `HeaderValue::to_str`, which refuses what is not ASCII.
        Self::from_bytes(headers.get(LAST_EVENT_ID)?.as_bytes())
    }

    /// The id in a query string, under `last_event_id` or `lastEventId`; the first that is not
    /// empty. The query comes without its `?`, as `Uri::query` gives it.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::LastEventId;
    ///
    /// let last = LastEventId::from_query("room=7&last_event_id=q1-41");
    /// assert_eq!(last, Some(LastEventId::new("q1-41")));
    ///
    /// let last = LastEventId::from_query("lastEventId=a%20b+%E2%80%A6");
    /// assert_eq!(last, Some(LastEventId::new("a b …")));
    ///
    /// assert_eq!(LastEventId::from_query("last_event_id="), None);
    /// ```
    #[must_use]
    pub fn from_query(query: &str) -> Option<Self> {
        query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            if !QUERY_KEYS.contains(&&*form_decoded(key)) {
                return None;
            }
            Self::from_bytes(&form_decoded(value))
        })
    }

    /// The id in the header, else in the query.
    ///
    /// The header wins because it is newer: an `EventSource` keeps the URL it was made with, query
    /// and all, and adds the header on every reconnect.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::Request;
    /// use sse_queue::LastEventId;
    ///
    /// let request = Request::get("/events?last_event_id=7").body(()).unwrap();
    /// let last = LastEventId::from_request(request.headers(), request.uri().query());
    /// assert_eq!(last.unwrap().as_str(), Some("7"));
    /// ```
    #[must_use]
    pub fn from_request(headers: &HeaderMap, query: Option<&str>) -> Option<Self> {
        Self::from_headers(headers).or_else(|| Self::from_query(query?))
    }
}

/// Decodes `application/x-www-form-urlencoded`, as the URL standard does (section 5.1): `+` is a
/// space, `%41` a byte, and a `%` that opens no such triple is itself.
fn form_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => hex_byte(*high, *low).map(|byte| (byte, tail)),
            (b'+', _) => Some((b' ', tail)),
            _ => None,
        };
        let (byte, tail) = escaped.unwrap_or((byte, tail));
        decoded.push(byte);
        rest = tail;
    }
    decoded
}

fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digits = [high, low];
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None; // `from_str_radix` would take a sign.
    }
    u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
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

    fn in_header(value: &[u8]) -> Option<LastEventId> {
        let mut headers = HeaderMap::new();
        headers.append(LAST_EVENT_ID, HeaderValue::from_bytes(value).unwrap());
        LastEventId::from_headers(&headers)
    }

    #[test]
    fn ranges_that_cover_the_stream_take_it() {
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
    fn ranges_that_name_something_else_do_not() {
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
    fn a_weight_of_zero_excludes_in_every_spelling() {
        for weight in [
            "q=0", "Q=0", "q=0.", "q=0.0", "q=0.000", "q=.0", "q = 0", "v=1;q=0",
        ] {
            let line = format!("text/event-stream;{weight}");
            assert!(!accepts_line(&line), "{line:?}");
        }
    }

    #[test]
    fn a_weight_that_is_no_number_does_not_exclude() {
        for weight in ["q", "q=", "q=.", "q=x", "q=-0", "q=\"0\"", "q=0x", ";;"] {
            let line = format!("text/event-stream;{weight}");
            assert!(accepts_line(&line), "{line:?}");
        }
    }

    #[test]
    fn the_most_specific_range_wins_wherever_it_stands() {
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
    fn an_accept_that_names_nothing_is_none() {
        for line in ["", " ", ",", ";q=0", "gibberish", "\"", "=;,\\"] {
            assert!(accepts_line(line), "{line:?}");
        }
        assert!(accepts_lines(&[b"\xff\xfe"]));
        assert!(!accepts_lines(&[b"\xff/\xfe"]));
    }

    #[test]
    fn a_header_value_is_utf_8_and_not_decoded_further() {
        assert_eq!(in_header(b"41"), Some(LastEventId::new("41")));
        assert_eq!(in_header(b"a%20b+c"), Some(LastEventId::new("a%20b+c")));
        let ellipsis = in_header("…".as_bytes()).unwrap();
        assert_eq!(ellipsis.as_str(), Some("…"));
    }

    #[test]
    fn no_id_and_an_empty_id_are_none() {
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
    fn the_cap_counts_decoded_bytes() {
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
    fn the_header_wins_over_the_query_even_where_it_is_malformed() {
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
}
