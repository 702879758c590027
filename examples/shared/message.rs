//! Turns the body of a request into a message.

use std::time::Duration;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde::{Deserialize, Deserializer};
use sse_queue::event::EventError;
use sse_queue::{Event, Message};

use super::answer::Refusal;

/// The format of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    Json,
}

impl Kind {
    /// From `Content-Type: type/subtype; charset=...`.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let value = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let mut parts = value.unwrap_or_default().split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default();
        let is = |name| essence.eq_ignore_ascii_case(name);
        if headers.contains_key(CONTENT_ENCODING) {
            Err(Refusal::UnsupportedType)
        } else if is("text/plain") && parts.all(is_not_foreign_charset) {
            Ok(Self::Text)
        } else if is("application/json") {
            Ok(Self::Json)
        } else {
            Err(Refusal::UnsupportedType)
        }
    }

    /// The message in a body; with a tag or a key only if it `may_be_labelled`.
    pub(crate) fn message(self, body: &[u8], may_be_labelled: bool) -> Result<Message, Refusal> {
        match self {
            Self::Text => from_text(body),
            Self::Json => from_json(body, may_be_labelled),
        }
        .map_err(Refusal::BadMessage)
    }
}

fn is_not_foreign_charset(parameter: &str) -> bool {
    parameter.split_once('=').is_none_or(|(name, value)| {
        let value = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset") || value.eq_ignore_ascii_case("utf-8")
    })
}

fn from_text(body: &[u8]) -> Result<Message, String> {
    let data = str::from_utf8(body).map_err(|error| format!("data: {error}"))?;
    Ok(Message::from(data))
}

fn from_json(body: &[u8], may_be_labelled: bool) -> Result<Message, String> {
    // serde would also accept an array of the fields' values.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err("expected a JSON object with the field `data`".to_owned());
    }
    let fields: Fields = match serde_json::from_slice(body) {
        Ok(fields) => fields,
        Err(error) => return Err(with_field(body).unwrap_or_else(|| error.to_string())),
    };
    let labels = [("tag", &fields.tag), ("key", &fields.key)];
    let refused = labels.iter().find(|(_, label)| label.is_some());
    if let Some((field, _)) = refused.filter(|_| !may_be_labelled) {
        return Err(format!("{field} has a meaning in broadcast mode only"));
    }
    fields.into_message().map_err(|error| error.to_string())
}

/// What is wrong with an object, with the name of the field. Tracking the path through the object
/// costs more than reading it, so only refused objects are read this way.
fn with_field(body: &[u8]) -> Option<String> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let error = serde_path_to_error::deserialize::<_, Fields>(&mut json).err()?;
    let (field, error) = (error.path().to_string(), error.inner().to_string());
    let is_known = field == "." || field == "?" || error.contains(&format!("`{field}`"));
    Some(if is_known {
        error
    } else {
        format!("{field}: {error}")
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    data: String,
    #[serde(default, deserialize_with = "present")]
    event: Option<String>,
    #[serde(default, deserialize_with = "present")]
    id: Option<String>,
    #[serde(default, deserialize_with = "present")]
    retry_ms: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    delay_ms: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    ttl_ms: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    tag: Option<String>,
    #[serde(default, deserialize_with = "present")]
    key: Option<String>,
}

/// A field may be left out, but not be null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(json: D) -> Result<Option<T>, D::Error> {
    T::deserialize(json).map(Some)
}

impl Fields {
    fn into_message(self) -> Result<Message, EventError> {
        let mut event = Event::new(&self.data);
        if let Some(name) = &self.event {
            event = event.name(name)?;
        }
        if let Some(id) = &self.id {
            event = event.id(id)?;
        }
        if let Some(millis) = self.retry_ms {
            event = event.retry(Duration::from_millis(millis));
        }
        let mut message = Message::new(event);
        if let Some(millis) = self.delay_ms {
            message = message.after(Duration::from_millis(millis));
        }
        if let Some(millis) = self.ttl_ms {
            message = message.expires_after(Duration::from_millis(millis));
        }
        if let Some(tag) = self.tag {
            message = message.tag(tag);
        }
        if let Some(key) = self.key {
            message = message.key(key);
        }
        Ok(message)
    }
}
