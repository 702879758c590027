//! How many wakes a queue's messages cost, and which stream gets them.

use futures_core::Stream;
use sse_queue::{FakeClock, Lease, Pacing};

use crate::support::queue::{
    QueueStream, builder, drain_data, new_queue, push_later, quiet_stream, take_one, waiting,
};
use crate::support::{Task, ms, pass, run, secs, settled};

#[test]
fn a_message_wakes_the_longest_waiting_stream_and_the_first_message_a_timekeeper_too() {
    let (clock, queue) = new_queue();
    let mut streams: Vec<_> = (0..10).map(|_| waiting(&queue, &clock)).collect();
    for (turn, expected) in [0, 1, 2, 3, 4, 5, 6, 7, 8, 0].into_iter().enumerate() {
        queue.push("x").unwrap();
        let wakes: Vec<_> = streams.iter().map(Task::take_wakes).collect();
        let of = |at| usize::from(at == expected || (at == 9 && turn == 0));
        assert_eq!(wakes, (0..10).map(of).collect::<Vec<_>>());
        if turn == 0 {
            // It leaves the message to the stream that was woken for it.
            streams[9].assert_pending();
        }
        streams[expected].assert_sends("x");
    }
}

#[test]
fn a_burst_wakes_as_many_streams_as_it_takes() {
    let (clock, queue) = new_queue();
    let mut streams = [(); 4].map(|()| waiting(&queue, &clock));
    for n in 0..16 {
        queue.push(n.to_string()).unwrap();
    }
    assert_eq!(
        streams.each_ref().map(Task::take_wakes),
        [1, 0, 0, 1],
        "one takes all; the last is a timekeeper"
    );
    for n in 16..20 {
        queue.push(n.to_string()).unwrap();
    }
    assert_eq!(streams.each_ref().map(Task::take_wakes), [0, 1, 0, 0]);
    assert_eq!(streams[0].data().split(',').count(), 16);
    streams[3].assert_pending();
    assert_eq!(streams[1].data(), "16,17,18,19");
    assert_eq!(streams.each_ref().map(Task::take_wakes), [0, 0, 0, 0]);
}

#[test]
fn ten_jobs_wake_ten_idle_workers_of_one_job_each() {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(30));
    let queue = builder(&clock).at_least_once(lease).build();
    let mut workers: Vec<_> = (0..10).map(|_| waiting(&queue, &clock)).collect();
    for n in 0..10 {
        queue.push(n.to_string()).unwrap();
    }
    assert!(workers.iter().all(|worker| worker.take_wakes() > 0));
    let jobs: Vec<_> = workers.iter_mut().map(Task::data).collect();
    assert_eq!(jobs.len(), 10);
    assert_eq!(queue.stats().in_flight, 10);
}

#[test]
fn a_thousand_messages_wake_a_timekeeper_once() {
    let (clock, queue) = new_queue();
    let mut streams = [(); 3].map(|()| waiting(&queue, &clock));
    let mut wakes = 0;
    for _ in 0..1_000 {
        queue.push("x").unwrap();
        for stream in &mut streams {
            let woken = stream.take_wakes();
            wakes += woken;
            if woken > 0 && stream.poll_next().is_ready() {
                stream.assert_pending();
            }
        }
    }
    assert_eq!(wakes, 1_001);
    assert_eq!(queue.stats().depth, 0);
}

#[test]
fn a_stream_in_its_gap_leaves_messages_to_those_that_wait() {
    let (clock, queue) = new_queue();
    let mut spaced = Task::new(quiet_stream(&queue, &clock).pacing(Pacing::spaced(secs(5))));
    spaced.assert_pending();
    queue.push("first").unwrap();
    spaced.assert_sends("first");
    let mut other = waiting(&queue, &clock);
    queue.push("second").unwrap();
    assert_eq!(other.data(), "second");
    assert_eq!(drain_data(&queue), "");
}

#[test]
fn a_woken_stream_that_finds_its_message_taken_wakes_no_other() {
    let (clock, queue) = new_queue();
    let mut streams = [(); 3].map(|()| waiting(&queue, &clock));
    queue.push("x").unwrap();
    take_one(&queue);
    assert_eq!(streams.each_ref().map(Task::take_wakes), [1, 0, 1]);
    streams[0].assert_pending();
    streams[2].assert_pending();
    assert_eq!(streams[1].take_wakes(), 0);
    queue.push("y").unwrap();
    assert_eq!(
        streams.each_ref().map(Task::take_wakes),
        [0, 1, 0],
        "the first is at the end of the line now"
    );
}

/// The message that is being pushed is not lost, and the other streams are woken.
#[test]
fn a_waker_that_panics_harms_no_other_stream() {
    struct Panics;

    impl std::task::Wake for Panics {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("a waker that panics");
        }
    }

    let (clock, queue) = new_queue();
    let mut mine = waiting(&queue, &clock);
    let mut other = quiet_stream(&queue, &clock);
    let waker = std::task::Waker::from(std::sync::Arc::new(Panics));
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(
        std::pin::Pin::new(&mut other)
            .poll_next(&mut cx)
            .is_pending()
    );
    for n in 0..32 {
        queue.push(n.to_string()).unwrap();
    }
    assert_eq!(mine.data().split(',').count(), 16);
    assert_eq!(mine.data().split(',').count(), 16);
    mine.assert_pending();
    queue.close();
    assert_eq!(
        mine.take_wakes(),
        2,
        "for the first message, and for the end"
    );
}

fn long() -> Lease {
    Lease::new(secs(3_600))
}

#[test]
fn a_hundred_pushes_at_one_moment_wake_a_driver_once() {
    let (clock, queue) = new_queue();
    let mut driver = Task::new(queue.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    let mut streams = [waiting(&queue, &clock)];
    let (mut wakes, mut chunks) = (0, 0);
    for _ in 0..100 {
        queue.push("x").unwrap();
        chunks += run(&mut streams).len();
        let woken = driver.take_wakes();
        wakes += woken;
        if woken > 0 {
            assert!(driver.poll().is_pending());
        }
    }
    assert_eq!((chunks, wakes), (100, 1));
}

#[test]
fn a_driver_of_an_idle_queue_arms_nothing() {
    let (clock, queue) = new_queue();
    let mut driver = Task::new(queue.drive(clock.ticker()));
    assert!(driver.poll().is_pending());
    assert_eq!(clock.next_deadline(), None);
    assert_eq!(driver.take_wakes(), 0);
}

/// Two workers of one job each are both busy, then both free, a hundred times at one moment.
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
                wakes += worker.take_wakes();
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
    let (clock, queue) = new_queue();
    let mut streams: Vec<_> = (0..4).map(|_| waiting(&queue, &clock)).collect();
    for n in 1..=100 {
        push_later(&queue, "x", ms(100 * n));
    }
    let (mut wakes, mut chunks) = (0, 0);
    for _ in 0..=100 {
        while let Some(stream) = streams.iter_mut().find(|stream| stream.is_woken()) {
            wakes += stream.take_wakes();
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
        task: Task<QueueStream>,
        until: u32,
        /// When it is free again, and polls whether it was woken or not.
        comes_back: bool,
    }

    let (clock, queue) = new_queue();
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
            stream.task.take_wakes();
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
        push_later(&queue, "x", secs(3));
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
    assert_eq!(
        run(&mut streams).len(),
        200,
        "each that is woken wakes more"
    );
}

/// ```text
/// s      0                  5
/// slow   a, gap of 10 s
/// quick  b, gap of 100 ms
/// push                      c, which goes to quick
/// ```
#[test]
fn a_message_after_a_quiet_period_goes_at_once_to_the_stream_whose_gap_is_over() {
    let (clock, queue) = new_queue();
    let mut slow = settled(quiet_stream(&queue, &clock).pacing(Pacing::spaced(secs(10))));
    queue.push("a").unwrap();
    slow.assert_sends("a");
    let mut quick = Task::new(quiet_stream(&queue, &clock).pacing(Pacing::spaced(ms(100))));
    queue.push("b").unwrap();
    if slow.take_wakes() > 0 {
        slow.assert_pending();
    }
    quick.assert_sends("b");
    let mut streams = [slow, quick];
    assert_eq!(pass(&clock, secs(5), &mut streams).len(), 0);
    queue.push("c").unwrap();
    assert_eq!(run(&mut streams).len(), 1, "at once");
}
