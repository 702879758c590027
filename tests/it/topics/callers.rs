//! The caller's code runs outside all locks: keys, settings, clocks and wakers may call the registry.

use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use sse_queue::Topics;

use crate::support::topics::{KEEP, builder, new_topics};

type Registry = Arc<OnceLock<Topics<Nosy>>>;

thread_local! {
    /// Keeps a call of a key's from calling another key.
    static IS_CALLING: RefCell<bool> = const { RefCell::new(false) };
}

/// A key each of whose methods calls the registry.
struct Nosy {
    number: u64,
    registry: Registry,
}

impl Nosy {
    fn call(&self) {
        if IS_CALLING.replace(true) {
            return;
        }
        if let Some(topics) = self.registry.get() {
            let _ = topics.stats();
            let other = Self {
                number: self.number + 1_000,
                registry: Arc::clone(&self.registry),
            };
            drop(topics.get(&other));
        }
        IS_CALLING.replace(false);
    }
}

impl Clone for Nosy {
    fn clone(&self) -> Self {
        self.call();
        Self {
            number: self.number,
            registry: Arc::clone(&self.registry),
        }
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        self.call();
    }
}

impl PartialEq for Nosy {
    fn eq(&self, other: &Self) -> bool {
        self.call();
        self.number == other.number
    }
}

impl Eq for Nosy {}

impl Hash for Nosy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.call();
        self.number.hash(state);
    }
}

#[test]
fn a_key_may_call_the_registry_from_all_of_its_methods() {
    let clock = sse_queue::FakeClock::new();
    let registry = Registry::default();
    let settings = {
        let registry = Arc::clone(&registry);
        move |topic| {
            let _ = registry.get().map(Topics::len);
            topic
        }
    };
    let topics = registry.get_or_init(|| builder(&clock).topic(settings).max_topics(2).build());
    let key = |number| Nosy {
        number,
        registry: Arc::clone(&registry),
    };
    let topic = topics.topic(&key(1)).unwrap();
    let id = topic.publish("x").unwrap();
    assert!(topics.get(&key(1)).is_some());
    let last = sse_queue::LastEventId::new(id.id());
    assert_eq!(topics.key_of(&last).unwrap().number, 1);
    drop(topic);
    for number in 2..5 {
        drop(topics.topic(&key(number)).unwrap());
    }
    assert!(topics.forget(&key(4)));
    assert_eq!(topics.stats().idle, 1);
    clock.advance(KEEP);
    assert_eq!(topics.len(), 0);
}

#[test]
fn settings_that_panic_harm_nothing() {
    let clock = sse_queue::FakeClock::new();
    let is_first = std::sync::atomic::AtomicBool::new(true);
    let settings = move |topic| {
        assert!(
            !is_first.swap(false, std::sync::atomic::Ordering::Relaxed),
            "planned"
        );
        topic
    };
    let topics: Topics<u64> = builder(&clock).topic(settings).max_topics(1).build();
    let made = catch_unwind(AssertUnwindSafe(|| topics.topic(&1)));
    assert!(made.is_err());
    assert_eq!(topics.len(), 0);
    assert!(topics.topic(&1).is_ok());
}

#[test]
fn a_handle_and_its_drop_read_no_clock() {
    let clock = sse_queue::FakeClock::new();
    let counting = crate::support::clock::Counting::new(&clock);
    let topics: Topics<u64> = Topics::builder().clock(counting.clone()).build();
    let topic = topics.topic(&1).unwrap();
    counting.reads();
    drop(topic.clone());
    drop(topics.topic(&1).unwrap());
    assert!(topics.get(&2).is_none());
    drop(topic);
    drop(topics.clone());
    assert_eq!(counting.reads(), 0, "no topic is known to be idle");
}

#[test]
fn a_registry_is_shared_between_threads() {
    fn check<T: Send + Sync + Clone + std::panic::UnwindSafe + std::fmt::Debug>(_: &T) {}

    let (_, topics) = new_topics::<String>();
    check(&topics);
}
