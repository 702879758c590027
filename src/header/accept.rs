//! Content negotiation: the `Accept` header of a request.

use http::HeaderMap;
use http::header::ACCEPT;

/// Returns whether the client that sent these headers accepts an event stream.
///
/// A client without an `Accept` header, or with one that has no media range, accepts everything.
/// Otherwise the most specific range that matches decides (`text/event-stream`, then `text/*`, then
/// `*/*`): the client accepts the stream unless the range has a weight of zero.
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
    let mut has_range = false;
    let mut best = None;
    let lines = headers.get_all(ACCEPT).iter();
    for element in lines.flat_map(|line| split_unquoted(line.as_bytes(), b',')) {
        let Some(range) = media_range(element) else {
            continue;
        };
        has_range = true;
        // Of two equally specific ranges the one that accepts the stream wins.
        if let Some(specificity) = range.specificity {
            best = best.max(Some((specificity, range.is_accepted)));
        }
    }
    best.map_or(!has_range, |(_, is_accepted)| is_accepted)
}

/// A media range, matched against `text/event-stream`.
struct MediaRange {
    /// How specifically the range matches; `None` if it does not.
    specificity: Option<u8>,
    /// Whether its weight is above zero.
    is_accepted: bool,
}

/// Parses an element of `Accept`; `None` if it is not a media range. RFC 9110, section 12.5.1:
///
/// ```text
/// Accept      = [ ( media-range [ weight ] ) *( OWS "," OWS ( media-range [ weight ] ) ) ]
/// media-range = ( "*/*" / ( type "/" "*" ) / ( type "/" subtype ) ) parameters
/// parameters  = *( OWS ";" OWS [ token "=" ( token / quoted-string ) ] )
/// weight      = OWS ";" OWS "q=" qvalue
/// ```
///
/// Parameters other than the weight are ignored: `text/event-stream` has none that could differ.
fn media_range(element: &[u8]) -> Option<MediaRange> {
    let mut parts = split_unquoted(element, b';').map(<[u8]>::trim_ascii);
    let range = parts.next()?;
    // Java's HttpURLConnection sends `*` without a subtype.
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
        is_accepted: !parts.any(is_zero_weight),
    })
}

/// Whether a parameter is `q=0`, with or without decimals. A weight that is not a number is
/// ignored: an unwanted stream does less harm than none.
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

/// Splits a header value at each separator that is not in a quoted string.
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

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
