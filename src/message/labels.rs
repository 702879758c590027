//! The tag and the key of a message.

use std::sync::Arc;

/// What says which streams of a topic want a message, and which message supersedes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    pub(crate) tag: Option<Arc<str>>,
    pub(crate) key: Option<Arc<str>>,
}
