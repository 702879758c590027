//! The newest retained message of each key.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::seq_map::SeqMap;

/// Keys and numbers, both ways. A tree, since a hash table moves everything at once when it grows.
#[derive(Debug, Default)]
pub(super) struct Keys {
    newest: BTreeMap<Arc<str>, u64>,
    /// The key of each retained message that has one.
    by_number: SeqMap<Arc<str>>,
}

impl Keys {
    /// Records a message above all others; returns the one with this key that it supersedes.
    pub(super) fn insert(&mut self, key: Arc<str>, number: u64) -> Option<u64> {
        self.by_number.insert(number, Arc::clone(&key));
        self.newest.insert(key, number)
    }

    /// The key of this message.
    pub(super) fn get(&self, number: u64) -> Option<&str> {
        self.by_number.get(number).map(AsRef::as_ref)
    }

    /// Forgets a message that is removed from the log.
    pub(super) fn remove(&mut self, number: u64) {
        if let Some(key) = self.by_number.remove(number)
            && self.newest.get(&key) == Some(&number)
        {
            self.newest.remove(&key);
        }
    }
}
