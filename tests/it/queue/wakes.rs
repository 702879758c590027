//! How many wakes a queue's messages cost, and which stream gets them.

use sse_queue::{FakeClock, Lease, Message};

use crate::support::{Task, bare, builder, ms, pass, queue, run, secs, settled, waiting};

fn long() -> Lease {
    Lease::new(secs(3_600))
}

#[test]
fn a_hundred_pushes_at_one_moment_wake_a_driver_once() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut driver = Task::new(queue.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    let mut streams = [waiting(&queue, &clock)];
    let (mut wakes, mut chunks) = (0, 0);
    for _ in 0..100 {
        queue.push("x").unwrap();
        chunks += run(&mut streams);
        let woken = driver.wakes();
        wakes += woken;
        if woken > 0 {
            assert!(driver.poll().is_pending());
        }
    }
    assert_eq!((chunks, wakes), (100, 1));
}

#[test]
fn a_driver_of_an_idle_queue_arms_nothing() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut driver = Task::new(queue.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    assert_eq!(clock.next_deadline(), None);
    assert_eq!(driver.wakes(), 0);
}

/// Two workers of one job each: both are busy, both are free, a hundred times at one moment.
#[test]
fn workers_that_are_busy_in_turns_are_woken_once_a_job() {
    let clock = FakeClock::new();
    let queue = builder(&clock).at_least_once(long()).build();
    let mut workers = [(); 2].map(|()| waiting(&queue, &clock));
    let (mut wakes, mut chunks) = (0, 0);
    for _ in 0..100 {
        let mut ids = Vec::new();
        for _ in 0..2 {
            ids.push(queue.push("job").unwrap().id().to_owned());
            while let Some(worker) = workers.iter_mut().find(|worker| worker.is_woken()) {
                wakes += worker.wakes();
                while worker.poll_next().is_ready() {
                    chunks += 1;
                }
            }
        }
        for id in ids {
            queue.ack(&id).unwrap();
        }
    }
    assert_eq!(chunks, 200);
    assert!(wakes <= 202, "{wakes} wakes for 200 messages");
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
        while let Some(stream) = streams.iter_mut().find(|stream| stream.is_woken()) {
            wakes += stream.wakes();
            while stream.poll_next().is_ready() {
                chunks += 1;
            }
        }
        clock.advance(ms(100));
    }
    assert_eq!(chunks, 100);
    assert!(wakes <= 100 + 14, "{wakes} wakes for 100 messages in 10 s");
}

/// Three streams, each busy for 5 ms with a chunk, and a message every 2 ms.
#[test]
fn a_flow_over_busy_streams_costs_one_extra_wake_a_second() {
    struct Busy {
        task: Task<crate::support::QueueStream>,
        until: u32,
        /// It polls when it is free again, woken or not.
        comes_back: bool,
    }

    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams = [(); 3].map(|()| Busy {
        task: waiting(&queue, &clock),
        until: 0,
        comes_back: false,
    });
    let (mut extra, mut chunks) = (0, 0);
    for now in 0..10_000 {
        if now % 2 == 0 {
            queue.push("x").unwrap();
        }
        while let Some(stream) = streams
            .iter_mut()
            .find(|stream| stream.until <= now && (stream.comes_back || stream.task.is_woken()))
        {
            let comes_back = core::mem::take(&mut stream.comes_back);
            stream.task.wakes();
            if stream.task.poll_next().is_ready() {
                chunks += 1;
                stream.until = now + 5;
                stream.comes_back = true;
            } else {
                extra += usize::from(!comes_back);
            }
        }
        clock.advance(ms(1));
    }
    assert!(chunks > 1_000, "{chunks}");
    assert!(extra <= 12, "{extra} extra wakes in 10 s");
}

#[test]
fn a_call_that_finds_a_crowd_due_wakes_at_most_64() {
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
    let woken: usize = streams
        .iter()
        .map(|stream| usize::from(stream.is_woken()))
        .sum();
    assert!((1..=64).contains(&woken), "{woken}");
    assert_eq!(run(&mut streams), 200, "each that is woken wakes more");
}

/// ```text
/// s      0                  5
/// slow   a, gap of 10 s
/// quick  b, gap of 100 ms
/// push                      c, which goes to quick
/// ```
#[test]
fn a_message_after_a_quiet_period_goes_at_once_to_the_stream_whose_gap_is_over() {
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
    let mut streams = [slow, quick];
    assert_eq!(pass(&clock, secs(5), &mut streams), 0);
    queue.push("c").unwrap();
    assert_eq!(run(&mut streams), 1, "at once");
}
