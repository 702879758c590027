//! The longest call on a topic of a million messages, and how long it makes another thread wait.

use core::hint::black_box;

use broadcast::median;
use costs::{Calls, Row, Size, Watched, watched};
use sse_queue::{Event, Topic};

const MILLION: usize = 1_000_000;

/// Publishes messages with ids of their own, and with the topic's.
pub(crate) fn publish(size: Size) -> Vec<Row> {
    let count = size.of(MILLION);
    let kinds = [("own ids", true), ("the topic's ids", false)];
    let rows = kinds.map(|(whose, is_own)| {
        let (mut calls, mut waits, mut idle) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..size.rounds() {
            let mut worst = Calls::new();
            let watched = fill(count, is_own, &mut worst);
            calls.push(worst.worst());
            waits.push(watched.busy);
            idle.push(watched.idle);
        }
        let what = format!("{count} published with {whose}");
        let idle = format!("on an idle topic {:.2} ms", median(idle));
        let call = format!("worst single call: {what}");
        let wait = format!("worst wait of another thread: {what}");
        [
            Row::at_most(call, median(calls), " ms", 2.0),
            Row::at_most(wait, median(waits), " ms", 2.0).detail(idle),
        ]
    });
    rows.into_iter().flatten().collect()
}

fn fill(count: usize, is_own: bool, calls: &mut Calls) -> Watched {
    let builder = Topic::builder()
        .history(usize::MAX)
        .history_bytes(usize::MAX);
    let topic = builder.build();
    let (busy, idle) = (topic.clone(), Topic::new());
    let busy = move || {
        black_box(busy.stats());
    };
    let idle = move || {
        black_box(idle.stats());
    };
    let work = || {
        for number in 0..count {
            let event = Event::new("0123456789");
            let event = if is_own {
                event.id(&format!("own_{number}")).expect("it is valid")
            } else {
                event
            };
            calls.skip();
            calls.time(|| topic.publish(event).expect("it is open"));
        }
    };
    watched(busy, idle, work).1
}
