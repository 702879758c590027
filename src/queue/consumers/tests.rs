//! Tests of the wait queue.
