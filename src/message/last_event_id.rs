//! What a reconnecting client says it saw last.

/// What a reconnecting client says it saw last.
///
/// Browsers send the id of the last event they dispatched in the `Last-Event-ID` header, as UTF-8,
/// on every *re*connect. A first connection never has it, so a page that has kept an id passes it
/// in the query instead.
///
/// The value comes from the client: it can be unknown, forged or malformed, and none of these is
/// an error. A value that no stream can have sent (it is not UTF-8, or holds NUL, CR or LF, or is
/// longer than [`MAX_LEN`](Self::MAX_LEN)) is kept as *malformed*: the client did see something,
/// but [`as_str`](Self::as_str) cannot say what.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastEventId(
    /// `None` if the value is malformed.
    Option<Box<str>>,
);

impl LastEventId {
    /// The longest value that is not malformed, in bytes.
    ///
    /// Servers cap a header or all of them at a few KiB. Ids longer than this might never come back.
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

    /// The id, or `None` where it is malformed.
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

    pub(crate) fn from_bytes(value: &[u8]) -> Option<Self> {
        if value.is_empty() {
            return None;
        }
        Some(str::from_utf8(value).map_or(Self(None), Self::new))
    }
}
