//! The id that a returning client sends, in a header or in the query.

use http::HeaderMap;

use crate::header::LAST_EVENT_ID;
use crate::message::LastEventId;

/// The names of the query parameter that `EventSource` polyfills send, in both spellings in use.
const QUERY_KEYS: [&[u8]; 2] = [b"last_event_id", b"lastEventId"];

impl LastEventId {
    /// Returns the id in the `Last-Event-ID` header. `None` if the header is missing or empty, as
    /// it is for a client that has not received an event with an id.
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
        // Not `HeaderValue::to_str`, which accepts only ASCII.
        Self::from_bytes(headers.get(LAST_EVENT_ID)?.as_bytes())
    }

    /// Returns the first non-empty id in a query string, under the name `last_event_id` or
    /// `lastEventId`. The query has no leading `?`, as returned by `Uri::query`.
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

    /// Returns the id in the header or, if there is none, in the query.
    ///
    /// The header takes precedence because it is newer: an `EventSource` reconnects to its original
    /// URL, including the query, and adds the header each time.
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
/// space, `%41` is a byte, and any other `%` stands for itself.
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

/// The byte that two hexadecimal digits stand for.
fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digits = [high, low];
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None; // `from_str_radix` would accept a sign.
    }
    u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
