//! Claims that a queue's inner parts must keep: stalled streams, drivers, waits, capacity, wakes.

#![cfg(not(loom))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use sse_queue::{Clock, Event, FakeClock, Lease, Message, Queue};

use support::{QueueStream, Task, bare, builder, ms, queue, secs, settled, waiting};

fn long() -> Lease {
    Lease::new(secs(3_600))
}

/// Polls the woken ones of `healthy` until none is woken; returns how many chunks they got.
fn run(healthy: &mut [Task<QueueStream>]) -> usize {
    let mut taken = 0;
    while let Some(task) = healthy.iter_mut().find(|task| task.wakes() > 0) {
        while task.poll_next().is_ready() {
            taken += 1;
        }
    }
    taken
}

/// Lets time pass in steps of a millisecond at least, running the healthy ones.
fn pass(clock: &FakeClock, millis: u64, healthy: &mut [Task<QueueStream>]) -> usize {
    let mut taken = run(healthy);
    let end = clock.elapsed() + ms(millis);
    loop {
        let left = end.saturating_sub(clock.elapsed());
        if left.is_zero() {
            return taken;
        }
        let step = clock.next_deadline().map_or(left, |next| next.min(left));
        clock.advance(step.max(ms(1)).min(left));
        taken += run(healthy);
    }
}

// Streams that were woken and do not poll.

/// `settle` lets credit lapse only while somebody waits in the lists of those that are not full.
#[test]
fn a_comment_gets_past_a_stalled_full_stream_to_another_full_one() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(long()).build();
    let mut streams = [(); 2].map(|()| waiting(&queue, &clock));
    for stream in &mut streams {
        queue.push("job").unwrap();
        stream.bytes();
        stream.is_pending();
    }
    run(&mut streams);
    clock.advance(secs(5));
    run(&mut streams);
    queue.push(Event::comment("news")).unwrap();
    let [_stalled, other] = streams;
    assert_eq!(pass(&clock, 1_100, &mut [other]), 1, "within 1 s");
}

/// The same, while the driver keeps the time: it polls every millisecond.
#[test]
fn a_driver_does_not_spin_while_a_notified_stream_does_not_poll() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut driver = Task::new(queue.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    let _stalled = waiting(&queue, &clock);
    queue.push("x").unwrap();
    let mut polls = 0;
    let end = clock.elapsed() + secs(10);
    while clock.elapsed() < end {
        if driver.wakes() > 0 {
            polls += 1;
            assert!(driver.poll().is_pending());
        }
        let Some(next) = clock.next_deadline() else {
            break;
        };
        clock.advance(next.max(ms(1)));
    }
    assert!(polls <= 12, "{polls} polls in 10 s");
}

/// A lapsed credit of a stalled stream, and nothing due: the one that waits is appointed, woken,
/// dismissed and appointed again, for ever.
#[test]
fn a_stream_that_waits_beside_a_stalled_one_rests() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let _stalled = waiting(&queue, &clock);
    queue.push("x").unwrap();
    clock.advance(secs(2));
    let mut other = Task::new(bare(&queue, &clock));
    assert_eq!(other.data(), "x");
    other.is_pending();
    let mut polls = 0;
    while other.wakes() > 0 && polls < 1_000 {
        polls += 1;
        other.is_pending();
    }
    assert!(polls <= 2, "{polls} polls at one moment");
}

#[test]
fn a_ticked_stream_polled_by_hand_gets_what_a_stalled_one_was_woken_for() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut by_hand = bare(&queue, &clock).every(secs(1));
    assert_eq!(by_hand.next_ready(), None);
    let _stalled = waiting(&queue, &clock);
    queue.push("x").unwrap();
    let mut taken = None;
    for _ in 0..100 {
        clock.advance(ms(500));
        taken = taken.or(by_hand.next_ready());
    }
    assert!(taken.is_some(), "50 s later");
}

/// The second timekeeper leaves within a second after it was appointed: none follows.
#[test]
fn a_second_timekeeper_that_leaves_soon_is_replaced() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams: Vec<_> = (0..3).map(|_| waiting(&queue, &clock)).collect();
    queue.push(Message::from("x").after(secs(10))).unwrap();
    streams.iter_mut().for_each(Task::is_pending);
    let first = streams.pop().unwrap();
    let second = streams.pop().unwrap();
    let mut healthy = streams;
    assert_eq!(clock.next_deadline(), Some(secs(10)));
    clock.advance(ms(300));
    drop(second);
    run(&mut healthy);
    // The first one stalls from here on; nothing else happens in the queue.
    first.wakes();
    let _stalled = first;
    assert_eq!(pass(&clock, 60_000, &mut healthy), 1);
}

/// A second message, due earlier, comes within a second: the second timekeeper stays armed for long.
#[test]
fn an_earlier_message_soon_after_has_a_second_timekeeper() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams: Vec<_> = (0..3).map(|_| waiting(&queue, &clock)).collect();
    queue.push(Message::from("late").after(secs(20))).unwrap();
    streams.iter_mut().for_each(Task::is_pending);
    streams.iter().for_each(|stream| drop(stream.wakes()));
    let first = streams.pop().unwrap();
    let mut healthy = streams;
    clock.advance(ms(300));
    queue.push(Message::from("early").after(secs(5))).unwrap();
    assert!(first.wakes() > 0);
    let _stalled = first;
    assert_eq!(pass(&clock, 6_100, &mut healthy), 1, "due at 5.3 s");
}

#[test]
fn with_a_driver_two_stalled_streams_hold_up_the_third_for_two_seconds() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut driver = Task::new(queue.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    let [_first, _second, third] = [(); 3].map(|()| waiting(&queue, &clock));
    let mut healthy = [third];
    queue.push("x").unwrap();
    let mut taken = 0;
    for _ in 0..210 {
        while driver.wakes() > 0 {
            assert!(driver.poll().is_pending());
        }
        taken += run(&mut healthy);
        clock.advance(ms(10));
    }
    assert_eq!(taken, 1);
}

/// All that wait end, 64 in each step: streams, producers, drains, drivers.
#[test]
fn an_abort_reaches_all_of_a_crowd() {
    let clock = FakeClock::new();
    let queue = builder(&clock)
        .capacity(1)
        .at_least_once(long().max_attempts(1))
        .build();
    queue.push("x").unwrap();
    assert!(queue.next_ready().is_some());
    let mut streams: Vec<_> = (0..200).map(|_| waiting(&queue, &clock)).collect();
    let mut producers: Vec<_> = (0..200)
        .map(|_| Task::new(queue.push_when_ready("y")))
        .collect();
    let mut drains: Vec<_> = (0..200)
        .map(|_| Task::new(queue.drain(clock.ticker())))
        .collect();
    let mut letters: Vec<_> = (0..200).map(|_| Task::new(queue.dead_letters())).collect();
    for at in 0..200 {
        assert!(producers[at].poll().is_pending());
        assert!(drains[at].poll().is_pending());
        assert!(letters[at].poll().is_pending());
    }
    queue.abort();
    queue.ack("e-1").unwrap();
    let mut ended = 0;
    loop {
        let before = ended;
        for at in 0..200 {
            if streams[at].wakes() > 0 {
                streams[at].is_over();
                ended += 1;
            }
            if producers[at].wakes() > 0 {
                assert!(producers[at].poll().is_ready());
                ended += 1;
            }
            if drains[at].wakes() > 0 {
                assert!(drains[at].poll().is_ready());
                ended += 1;
            }
            if letters[at].wakes() > 0 {
                assert!(letters[at].poll().is_ready());
                ended += 1;
            }
        }
        if ended == before {
            break;
        }
    }
    assert_eq!(ended, 800);
}

// What nobody is armed for.

#[test]
fn a_scheduled_comment_reaches_a_full_stream_when_it_is_due() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(long()).build();
    let mut stream = waiting(&queue, &clock);
    queue.push("job").unwrap();
    stream.bytes();
    stream.is_pending();
    let comment = Message::from(Event::comment("news")).after(secs(5));
    queue.push(comment).unwrap();
    let mut healthy = [stream];
    assert_eq!(pass(&clock, 6_000, &mut healthy), 1);
}

#[test]
fn a_driver_is_woken_when_the_last_message_in_flight_is_confirmed() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(long()).build();
    let mut driver = Task::new(queue.drive(clock.ticker()));
    queue.push("job").unwrap();
    assert!(queue.next_ready().is_some());
    queue.close();
    assert!(driver.poll().is_pending());
    driver.wakes();
    queue.ack("e-1").unwrap();
    assert!(driver.wakes() > 0, "closed and empty");
    assert!(driver.poll().is_ready());
}

#[test]
fn a_driver_is_woken_when_the_last_message_has_left_a_closed_queue() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut driver = Task::new(queue.drive(clock.ticker()));
    queue.push("x").unwrap();
    queue.close();
    assert!(driver.poll().is_pending());
    driver.wakes();
    assert!(queue.next_ready().is_some());
    assert!(driver.wakes() > 0, "closed and empty");
}

#[test]
fn a_drain_ends_with_the_grace_of_a_stream_that_was_dropped() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(long().grace(secs(2))).build();
    let mut stream = waiting(&queue, &clock);
    queue.push("job").unwrap();
    stream.bytes();
    let mut drain = Task::new(queue.drain(clock.ticker()));
    assert!(drain.poll().is_pending());
    drop(stream);
    clock.advance(secs(2));
    assert!(drain.wakes() > 0);
}

#[test]
fn a_drain_notices_a_jump_of_the_clock_within_30_seconds() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(long()).build();
    queue.push("job").unwrap();
    assert!(queue.next_ready().is_some());
    let mut drain = Task::new(queue.drain(clock.ticker()));
    assert!(drain.poll().is_pending());
    clock.jump(secs(3_600));
    clock.advance(secs(30));
    assert!(drain.wakes() > 0);
}

#[test]
fn a_producer_with_a_ticker_sees_the_expiry_of_what_came_back() {
    let clock = FakeClock::new();
    let queue = builder(&clock).capacity(1).at_least_once(long()).build();
    let brief = Message::from("brief").expires_after(secs(10));
    queue.push(brief).unwrap();
    assert!(queue.next_ready().is_some());
    let mut push = Task::new(queue.push_when_ready("next").ticker(clock.ticker()));
    assert!(push.poll().is_pending());
    queue.nack("e-1", ms(0)).unwrap();
    while push.wakes() > 0 {
        assert!(push.poll().is_pending());
    }
    clock.advance(secs(10));
    assert!(push.wakes() > 0);
    assert!(push.poll().is_ready());
}

#[test]
fn the_wait_for_dead_letters_outlasts_what_a_closed_queue_still_hands_out() {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(30)).max_attempts(1);
    let queue = builder(&clock).at_least_once(lease).build();
    queue.push("job").unwrap();
    let mut letters = Task::new(queue.dead_letters());
    assert!(letters.poll().is_pending());
    queue.close();
    assert!(letters.poll().is_pending(), "one is due, and may die");
    assert!(queue.next_ready().is_some());
    queue.nack("e-1", ms(0)).unwrap();
    assert!(letters.poll().is_ready());
}

#[test]
fn a_driver_that_was_never_polled_takes_the_time_from_nobody() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let _driver = queue.drive(clock.ticker());
    let mut healthy = [waiting(&queue, &clock)];
    queue.push(Message::from("x").after(secs(5))).unwrap();
    assert_eq!(pass(&clock, 6_000, &mut healthy), 1);
}

#[test]
fn the_second_driver_keeps_the_time_while_the_first_does_not_poll() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut drivers = [(); 2].map(|()| Task::new(queue.drive(clock.ticker())));
    for driver in &mut drivers {
        assert!(driver.poll().is_pending());
    }
    let mut stream = waiting(&queue, &clock);
    queue.push(Message::from("x").after(secs(5))).unwrap();
    let [_stalled, mut second] = drivers;
    for _ in 0..6 {
        if second.wakes() > 0 {
            assert!(second.poll().is_pending());
        }
        clock.advance(secs(1));
    }
    if second.wakes() > 0 {
        assert!(second.poll().is_pending());
    }
    assert_eq!(stream.wakes(), 1);
    assert_eq!(stream.data(), "x");
}

// Wakes that are too many.

#[test]
fn a_hundred_pushes_at_one_moment_wake_a_driver_once() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut driver = Task::new(queue.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    let mut stream = waiting(&queue, &clock);
    let mut wakes = 0;
    for _ in 0..100 {
        queue.push("x").unwrap();
        while stream.wakes() > 0 {
            while stream.poll_next().is_ready() {}
        }
        let woken = driver.wakes();
        wakes += woken;
        if woken > 0 {
            assert!(driver.poll().is_pending());
        }
    }
    assert!(wakes <= 2, "{wakes} wakes of the driver");
}

#[test]
fn an_idle_queue_does_not_wake_its_driver() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut driver = Task::new(queue.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    assert_eq!(clock.next_deadline(), None);
}

/// Workers of one job each, two of them, that are both busy in turns.
#[test]
fn busy_workers_wake_a_timekeeper_once_a_second() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(long()).build();
    let mut workers = [(); 2].map(|()| waiting(&queue, &clock));
    let (mut wakes, mut chunks) = (0, 0);
    for _ in 0..100 {
        let mut ids = Vec::new();
        for _ in 0..2 {
            ids.push(queue.push("job").unwrap().id().to_owned());
            loop {
                let mut any = false;
                for worker in &mut workers {
                    let woken = worker.wakes();
                    wakes += woken;
                    if woken > 0 {
                        any = true;
                        while worker.poll_next().is_ready() {
                            chunks += 1;
                        }
                    }
                }
                if !any {
                    break;
                }
            }
        }
        for id in ids {
            queue.ack(&id).unwrap();
        }
    }
    assert_eq!(chunks, 200);
    assert!(wakes <= 202, "{wakes} wakes for 200 messages at one moment");
}

#[test]
fn scheduled_messages_cost_one_wake_each_and_one_a_second() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams: Vec<_> = (0..4).map(|_| waiting(&queue, &clock)).collect();
    for n in 1..=100 {
        queue.push(Message::from("x").after(ms(100 * n))).unwrap();
    }
    let (mut wakes, mut chunks) = (0, 0);
    for _ in 0..=100 {
        while let Some((woken, task)) = streams.iter_mut().find_map(|task| {
            let woken = task.wakes();
            (woken > 0).then_some((woken, task))
        }) {
            wakes += woken;
            while task.poll_next().is_ready() {
                chunks += 1;
            }
        }
        clock.advance(ms(100));
    }
    assert_eq!(chunks, 100);
    assert!(wakes <= 100 + 14, "{wakes} wakes for 100 messages in 10 s");
}

/// At most once: three streams, each busy for 5 ms with a chunk, and a message every 2 ms.
#[test]
fn a_flow_over_busy_streams_costs_one_extra_wake_a_second() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams = [(); 3].map(|()| (waiting(&queue, &clock), 0_u32, false));
    let (mut extra, mut chunks) = (0, 0);
    for now in 0..10_000 {
        if now % 2 == 0 {
            queue.push("x").unwrap();
        }
        while let Some((task, busy, comes_back)) = streams
            .iter_mut()
            .find(|(task, busy, back)| *busy <= now && (*back || task.is_woken()))
        {
            let comes_back = core::mem::take(comes_back);
            task.wakes();
            if task.poll_next().is_ready() {
                chunks += 1;
                *busy = now + 5;
                streams
                    .iter_mut()
                    .filter(|(_, busy, _)| *busy == now + 5)
                    .for_each(|(.., back)| *back = true);
            } else {
                extra += usize::from(!comes_back);
            }
        }
        clock.advance(ms(1));
    }
    assert!(chunks > 1_000);
    assert!(extra <= 12, "{extra} extra wakes in 10 s, {chunks} chunks");
}

#[test]
fn a_call_wakes_at_most_64() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(long()).build();
    let mut streams: Vec<_> = (0..200).map(|_| waiting(&queue, &clock)).collect();
    for _ in 0..200 {
        queue.push(Message::from("x").after(secs(3))).unwrap();
    }
    run(&mut streams);
    clock.advance(ms(2_990));
    run(&mut streams);
    clock.jump(ms(20));
    let _ = queue.stats();
    let woken: usize = streams.iter().map(Task::wakes).sum();
    assert!((1..=64).contains(&woken), "{woken}");
}

// Pacing.

#[test]
fn a_message_after_a_quiet_period_goes_to_the_stream_whose_gap_is_over() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut slow = settled(bare(&queue, &clock).spaced(secs(10)));
    queue.push("a").unwrap();
    assert_eq!(slow.data(), "a");
    slow.is_pending();
    let mut quick = Task::new(bare(&queue, &clock).spaced(ms(100)));
    queue.push("b").unwrap();
    if slow.wakes() > 0 {
        slow.is_pending();
    }
    assert_eq!(quick.data(), "b");
    quick.is_pending();
    let mut healthy = [slow, quick];
    assert_eq!(pass(&clock, 5_000, &mut healthy), 0);
    queue.push("c").unwrap();
    assert_eq!(pass(&clock, 100, &mut healthy), 1, "at once");
}

// Accounting.

/// A clock that runs something at one of its readings.
struct Hook {
    clock: FakeClock,
    readings: AtomicUsize,
    at: AtomicUsize,
    work: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

#[derive(Clone)]
struct Hooked(Arc<Hook>);

impl Hooked {
    fn new() -> Self {
        Self(Arc::new(Hook {
            clock: FakeClock::new(),
            readings: AtomicUsize::new(0),
            at: AtomicUsize::new(usize::MAX),
            work: Mutex::new(None),
        }))
    }

    /// Runs it before the reading that comes so many readings later.
    fn run_in(&self, readings: usize, work: impl FnOnce() + Send + 'static) {
        *self.0.work.lock().unwrap() = Some(Box::new(work));
        let now = self.0.readings.load(Ordering::SeqCst);
        self.0.at.store(now + readings, Ordering::SeqCst);
    }
}

impl Clock for Hooked {
    fn now(&self) -> SystemTime {
        let reading = self.0.readings.fetch_add(1, Ordering::SeqCst);
        if reading == self.0.at.load(Ordering::SeqCst) {
            let work = self.0.work.lock().unwrap().take();
            if let Some(work) = work {
                work();
            }
        }
        self.0.clock.now()
    }
}

fn one_is_dead(clock: &Hooked) -> Queue {
    let lease = Lease::new(secs(30)).max_attempts(1);
    let queue = Queue::builder()
        .clock(clock.clone())
        .epoch("e")
        .unwrap()
        .capacity(2)
        .at_least_once(lease)
        .build();
    queue.push("dead").unwrap();
    assert!(queue.next_ready().is_some());
    queue.nack("e-1", ms(0)).unwrap();
    assert_eq!(queue.stats().dead, 1);
    queue
}

/// Between the two holds of `take_dead_letters` another thread takes the rest and pushes.
#[test]
fn the_capacity_survives_take_remaining_while_dead_letters_are_taken() {
    let clock = Hooked::new();
    let queue = one_is_dead(&clock);
    let other = queue.clone();
    clock.run_in(1, move || {
        assert!(other.take_remaining().is_empty());
        other.push("a").unwrap();
        other.push("b").unwrap();
    });
    assert_eq!(queue.take_dead_letters().len(), 1);
    assert_eq!(queue.stats().depth, 2);
    assert!(queue.push("c").is_err(), "two is the bound");
    let bytes = queue.stats().bytes;
    assert!(bytes >= 2 * 192, "{bytes}");
}

/// A scrape between the two holds.
#[test]
fn the_counters_add_up_while_dead_letters_are_taken() {
    let clock = Hooked::new();
    let queue = one_is_dead(&clock);
    let (other, seen) = (queue.clone(), Arc::new(Mutex::new(None)));
    let sees = Arc::clone(&seen);
    clock.run_in(1, move || *sees.lock().unwrap() = Some(other.stats()));
    assert_eq!(queue.take_dead_letters().len(), 1);
    let stats = seen.lock().unwrap().unwrap();
    let held = (stats.depth + stats.in_flight + stats.dead) as u64;
    let gone = stats.confirmed + stats.expired + stats.withdrawn + stats.dropped;
    assert_eq!(stats.pushed, held + gone, "{stats:?}");
}

/// Own ids, returned messages, dead letters, cancels and drops: in the end nothing is held.
#[test]
fn the_bounds_are_free_again_after_everything_that_can_happen() {
    use sse_queue::Overflow;

    let mut random = 1_u64;
    let mut below = move |n: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % n
    };
    let clock = FakeClock::new();
    let lease = Lease::new(secs(3))
        .max_attempts(3)
        .max_in_flight(4)
        .grace(secs(1));
    for overflow in [Overflow::Reject, Overflow::DropOldest] {
        let queue = builder(&clock)
            .capacity(12)
            .capacity_bytes(12 * 250)
            .overflow(overflow)
            .at_least_once(lease)
            .build();
        let mut back = Vec::new();
        let mut ids = Vec::new();
        let mut streams = Vec::new();
        for n in 0..20_000 {
            match below(12) {
                0..3 => {
                    let mut event = Event::new("x".repeat(1 + below(100) as usize));
                    if below(2) == 0 {
                        event = event.id(&format!("own-{}", below(30))).unwrap();
                    }
                    let mut message = Message::from(event);
                    if below(3) == 0 {
                        message = message.expires_after(ms(below(4_000)));
                    }
                    if let Ok(receipt) = queue.push(message.after(ms(below(2) * below(2_000)))) {
                        ids.push(receipt.id().to_owned());
                    }
                }
                3 => back.extend(queue.take_dead_letters().into_iter().map(Message::from)),
                4 if n % 50 == 0 => {
                    back.extend(queue.take_remaining().into_iter().map(Message::from))
                }
                5 => {
                    if let Some(message) = back.pop()
                        && let Ok(receipt) = queue.push(message)
                    {
                        ids.push(receipt.id().to_owned());
                    }
                }
                6 if streams.len() < 4 => streams.push(bare(&queue, &clock)),
                7 if !streams.is_empty() => {
                    let at = below(streams.len() as u64) as usize;
                    let mut stream = streams.swap_remove(at);
                    while stream.next_ready().is_some() {}
                    if below(2) == 0 {
                        streams.push(stream);
                    }
                }
                8 => drop(queue.next_ready()),
                9 => clock.advance(ms(below(1_500))),
                _ if !ids.is_empty() => {
                    let id = &ids[ids.len() - 1 - below(ids.len().min(30) as u64) as usize];
                    match below(4) {
                        0 => drop(queue.ack(id)),
                        1 => drop(queue.nack(id, ms(below(2) * 500))),
                        2 => drop(queue.cancel(id)),
                        _ => drop(queue.extend_lease(id, ms(500))),
                    }
                }
                _ => {}
            }
            let stats = queue.stats();
            let held = stats.depth + stats.in_flight + stats.dead;
            assert!(held <= 12 && stats.bytes <= 12 * 250, "{stats:?}");
            let gone = stats.dropped + stats.expired + stats.withdrawn + stats.confirmed;
            assert_eq!(stats.pushed, held as u64 + gone, "{stats:?}");
        }
        streams.clear();
        clock.advance(secs(20));
        drop(queue.take_dead_letters());
        drop(queue.take_remaining());
        assert_eq!(queue.stats().bytes, 0);
        if overflow == Overflow::DropOldest {
            for _ in 0..30 {
                queue.push("x").unwrap();
            }
            let stats = queue.stats();
            assert_eq!(stats.depth, 12, "none is kept that is gone");
        }
        for _ in 0..12 {
            assert!(overflow == Overflow::DropOldest || queue.push("x").is_ok());
        }
    }
}

#[path = "queue_simulation_parts/simulation.rs"]
mod simulation;
