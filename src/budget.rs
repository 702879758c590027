//! A bound in bytes that several logs share, and what each of them counts towards it.

use std::sync::Arc;

use crate::sync::{AtomicU64, Ordering};

/// A bound in bytes for all that hold a [`Share`] of it.
///
/// `Relaxed` suffices: the number is a sum, and nothing else is published through it.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    used: AtomicU64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            used: AtomicU64::new(0),
        }
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn is_exceeded(&self) -> bool {
        self.used() > self.limit
    }

    /// Whether this many bytes fit beside what is counted now.
    #[inline]
    pub(crate) fn has_capacity(&self, bytes: u64) -> bool {
        self.used().saturating_add(bytes) <= self.limit
    }
}

/// What one holder counts towards a budget, if it has one. What it counted is free again when the
/// share is dropped.
#[derive(Debug, Default)]
pub(crate) struct Share {
    budget: Option<Arc<Budget>>,
    counted: u64,
}

impl Share {
    pub(crate) fn of(budget: Arc<Budget>) -> Self {
        Self {
            budget: Some(budget),
            counted: 0,
        }
    }

    /// Whether there is no budget.
    #[inline]
    pub(crate) fn is_unlimited(&self) -> bool {
        self.budget.is_none()
    }

    /// Whether this many bytes fit into the budget if nothing else is in it.
    #[inline]
    pub(crate) fn fits(&self, bytes: u64) -> bool {
        let budget = self.budget.as_ref();
        budget.is_none_or(|budget| bytes <= budget.limit)
    }

    /// Whether this many bytes fit beside what is counted now.
    pub(crate) fn has_capacity(&self, bytes: u64) -> bool {
        let budget = self.budget.as_ref();
        budget.is_none_or(|budget| budget.has_capacity(bytes))
    }

    /// Counts that the holder has this many bytes now.
    #[inline]
    pub(crate) fn record(&mut self, bytes: u64) {
        if let Some(budget) = &self.budget
            && bytes != self.counted
        {
            // Wraps like the sum: the result is that of adding the signed difference.
            let change = bytes.wrapping_sub(self.counted);
            budget.used.fetch_add(change, Ordering::Relaxed);
            self.counted = bytes;
        }
    }

    #[inline]
    pub(crate) fn is_exceeded(&self) -> bool {
        let budget = self.budget.as_ref();
        budget.is_some_and(|budget| budget.is_exceeded())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.record(0);
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_the_sum_of_what_its_shares_have_now() {
        let budget = Arc::new(Budget::new(10));
        let mut shares = [(); 2].map(|()| Share::of(Arc::clone(&budget)));
        shares[0].record(7);
        shares[1].record(3);
        assert!(shares[0].has_capacity(0) && !shares[0].has_capacity(1));
        assert!(!budget.is_exceeded());
        shares[1].record(4);
        assert!(shares[0].is_exceeded());
        shares[0].record(2);
        assert_eq!(budget.used(), 6);
        drop(shares);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn without_a_budget_everything_fits() {
        let mut share = Share::default();
        share.record(u64::MAX);
        assert!(share.fits(u64::MAX) && share.has_capacity(u64::MAX));
        assert!(!share.is_exceeded());
    }
}
