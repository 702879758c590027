//! The id of the last event that a reconnecting client saw.

use super::id::epoch_of;

/// The id of the last event that a reconnecting client saw.
///
/// Browsers send the id of the last event that they dispatched in the `Last-Event-ID` header, as
/// UTF-8, on every *re*connect. A first connection never has it, so a page that has kept an id
/// passes it in the query instead.
///
/// The value comes from the client: it can be unknown, forged or malformed, and none of these is an
/// error. A value that no stream can have sent (not UTF-8, with a NUL, CR or LF, or longer than
/// [`MAX_LEN`](Self::MAX_LEN)) is kept as *malformed*: the client has seen something, but
/// [`as_str`](Self::as_str) cannot say what.
///
/// # Examples
///
/// ```
/// use http::HeaderMap;
/// use sse_queue::LastEventId;
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(LastEventId::from_request(&headers, None), None);
///
/// headers.insert("last-event-id", "q1-41".parse().unwrap());
/// let last = LastEventId::from_request(&headers, Some("last_event_id=q1-7"));
/// assert_eq!(last, Some(LastEventId::new("q1-41")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LastEventId(
    /// `None` if the value is malformed.
    Option<Box<str>>,
);

impl LastEventId {
    /// The longest value that is not malformed, in bytes.
    ///
    /// Servers limit a header, or all of them, to a few KiB. Longer ids might never come back.
    pub const MAX_LEN: usize = 1024;

    /// An id that did not come in a request, such as one kept by a test or another protocol.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::LastEventId;
    ///
    /// assert_eq!(LastEventId::new("q1-41").as_str(), Some("q1-41"));
    /// assert_eq!(LastEventId::new("two\nlines").as_str(), None);
    /// ```
    #[must_use]
    pub fn new(id: &str) -> Self {
        let readable = id.len() <= Self::MAX_LEN && !id.contains(['\0', '\r', '\n']);
        Self(readable.then(|| id.into()))
    }

    /// The id, or `None` if it is malformed.
    ///
    /// Because of that, a `LastEventId` implements neither `AsRef<str>` nor `Display`. In a log
    /// line, use its `Debug`, which escapes what a client has made up.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::LastEventId;
    ///
    /// assert_eq!(LastEventId::new("7").as_str(), Some("7"));
    /// let endless = "7".repeat(LastEventId::MAX_LEN + 1);
    /// assert_eq!(LastEventId::new(&endless).as_str(), None);
    /// ```
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The id in the bytes of a header, for a framework whose types are not those of `http` 1.
    ///
    /// `None` if `value` is empty: the client has seen nothing yet. An id that is not UTF-8 is
    /// malformed.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::LastEventId;
    ///
    /// assert_eq!(LastEventId::from_bytes(b""), None);
    /// assert_eq!(LastEventId::from_bytes("…".as_bytes()), Some(LastEventId::new("…")));
    /// assert_eq!(LastEventId::from_bytes(b"\xff").unwrap().as_str(), None);
    /// ```
    #[must_use]
    pub fn from_bytes(value: &[u8]) -> Option<Self> {
        if value.is_empty() {
            return None;
        }
        Some(str::from_utf8(value).map_or(Self(None), Self::new))
    }

    /// The epoch in an id that a queue or topic assigned: in `EPOCH-SEQ` and `EPOCH-dSEQ`.
    ///
    /// A service with several topics, each with a different epoch, can use it to find the topic of
    /// an id.
    ///
    /// # Examples
    ///
    /// ```
    /// use sse_queue::LastEventId;
    ///
    /// assert_eq!(LastEventId::new("room7-41").epoch(), Some("room7"));
    /// assert_eq!(LastEventId::new("order-42-b").epoch(), None);
    /// ```
    #[must_use]
    pub fn epoch(&self) -> Option<&str> {
        epoch_of(self.as_str()?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn equal_ids_are_one_in_a_set_and_so_are_malformed_ones() {
        let ids = ["a", "b", "a", "\n", "\0"].map(LastEventId::new);
        assert_eq!(HashSet::from(ids).len(), 3);
    }
}
