//! What topics with keys take in memory, each, and what finding one allocates.

use allocation_counter::measure;
use sse_queue::{FakeClock, Topic, Topics};

const TOPICS: i64 = 1_000;
const DELTAS: i64 = 500;

fn runs() -> Topics<u64> {
    Topics::builder().clock(FakeClock::new()).build()
}

/// The bytes that each of some topics takes, with its entry, after `fill`.
fn bytes_each(fill: impl Fn(&Topic)) -> i64 {
    let runs = runs();
    let taken = measure(|| {
        for key in 0..TOPICS {
            let key = u64::try_from(key).unwrap();
            fill(&runs.topic(&key).unwrap());
        }
    });
    assert_eq!(runs.len(), usize::try_from(TOPICS).unwrap());
    taken.bytes_current / TOPICS
}

#[test]
fn an_idle_topic_takes_at_most_one_and_a_half_kilobytes() {
    let bytes = bytes_each(|_| {});
    println!("an empty topic in a registry takes {bytes} bytes");
    assert!(bytes <= 1_536, "{bytes}");
}

#[test]
fn a_run_of_deltas_takes_at_most_64_bytes_a_delta() {
    let bytes = bytes_each(|run| {
        for _ in 0..DELTAS {
            run.publish("fifteen bytes, ").unwrap();
        }
    });
    println!(
        "a run of {DELTAS} deltas takes {bytes} bytes: {} a delta",
        bytes / DELTAS
    );
    assert!(bytes <= 64 * DELTAS + 1_536, "{bytes}");
}

#[test]
fn finding_a_topic_allocates_its_handle_alone() {
    let runs = runs();
    let kept = runs.topic(&1).unwrap();
    let found = measure(|| drop(runs.topic(&1).unwrap()));
    assert_eq!((found.count_total, found.count_current), (1, 0));
    let cloned = measure(|| drop(kept.clone()));
    assert_eq!(cloned.count_total, 0);
}

#[test]
fn memory_is_free_again_when_all_topics_are_evicted() {
    let clock = FakeClock::new();
    let runs: Topics<u64> = Topics::builder().clock(clock.clone()).build();
    let left = measure(|| {
        for key in 0..1_000 {
            runs.topic(&key).unwrap().publish("x").unwrap();
        }
        let keep = std::time::Duration::from_secs(300);
        while !runs.is_empty() {
            clock.advance(keep);
        }
    });
    assert!(left.bytes_current < 4 * 1_024, "{}", left.bytes_current);
}
