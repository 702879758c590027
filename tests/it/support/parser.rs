//! A client's parser, word for word from the standard: HTML, 9.2.6. Slow and plain on purpose.

/// An event as a page's listener sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub name: String,
    pub data: String,
    pub last_event_id: String,
}

/// What a client reads from a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    pub events: Vec<Seen>,
    /// Each time the reconnection time was set, in digits.
    pub retries: Vec<String>,
    /// How many comment lines there were.
    pub comments: usize,
    /// Lines whose field is unknown, or whose value is ignored.
    pub ignored: usize,
    /// What the client would send as `Last-Event-ID` after the end.
    pub last_event_id: String,
}

pub fn parse(stream: &[u8]) -> Parsed {
    // "Streams must be decoded using the UTF-8 decode algorithm", which strips one byte order mark.
    let text = String::from_utf8_lossy(stream);
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut parsed = Parsed::default();
    let (mut data, mut name, mut id) = (String::new(), String::new(), String::new());
    // A line that is not ended is discarded, as is an event without its blank line.
    while let Some(end) = rest.find(['\r', '\n']) {
        let (line, after) = (&rest[..end], &rest[end..]);
        rest = after.strip_prefix("\r\n").unwrap_or(&after[1..]);
        if line.is_empty() {
            // "Dispatch the event."
            parsed.last_event_id.clone_from(&id);
            if !data.is_empty() {
                data.pop();
                let name = if name.is_empty() { "message" } else { &name };
                parsed.events.push(Seen {
                    name: name.to_owned(),
                    data: data.clone(),
                    last_event_id: id.clone(),
                });
            }
            data.clear();
            name.clear();
            continue;
        }
        let (field, value) = match line.split_once(':') {
            Some(("", _)) => {
                parsed.comments += 1;
                continue;
            }
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (line, ""),
        };
        match field {
            "event" => value.clone_into(&mut name),
            "data" => {
                data.push_str(value);
                data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                parsed.retries.push(value.to_owned());
            }
            _ => parsed.ignored += 1,
        }
    }
    parsed
}
