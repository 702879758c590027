//! The tag and the key of a message.

use std::sync::Arc;

/// What says which streams of a topic want a message, and which message supersedes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    pub(crate) tag: Option<Arc<str>>,
    pub(crate) key: Option<Arc<str>>,
}

/// What a tag or a key counts towards a bound in bytes, in addition to its length.
const OVERHEAD: usize = 64;

impl Labels {
    /// What a tag counts towards a topic's bound in bytes while messages of the log have it, in
    /// addition to what each of these counts.
    pub(crate) const TAG: u64 = 192;

    /// What messages without a tag that follow one another in the log count together, while messages
    /// are listed by tag.
    pub(crate) const RUN: u64 = 32;

    pub(crate) fn is_empty(&self) -> bool {
        self.tag.is_none() && self.key.is_none()
    }

    /// What both count towards a bound in bytes.
    pub(crate) fn cost(&self) -> u64 {
        let labels = [&self.tag, &self.key].into_iter().flatten();
        labels
            .map(|label| Self::cost_of(label))
            .fold(0, u64::saturating_add)
    }

    /// What both count at most in a log: the tag may be new.
    pub(crate) fn max_cost(&self) -> u64 {
        let tag = self.tag.as_ref().map_or(0, |_| Self::TAG);
        self.cost().saturating_add(tag)
    }

    /// What one of them counts.
    pub(crate) fn cost_of(label: &str) -> u64 {
        u64::try_from(label.len().saturating_add(OVERHEAD)).unwrap_or(u64::MAX)
    }
}
