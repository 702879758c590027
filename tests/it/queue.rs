//! The queue in memory, on a clock that the tests move.

mod counts;
mod driver;
mod stalled;
mod waits;
mod wakes;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_core::Stream;
use sse_queue::{Clock, Event, FakeClock, KeepAlive, Lease, Message, Overflow, PushError, Queue};

use crate::support::{Task, bare, builder, ms, parser, queue, secs, settled, waiting};

/// What a message of one letter counts in bytes: its frame, and 192.
const SMALL: usize = 17 + 192;

type Meanwhile = Box<dyn FnOnce() + Send>;

/// A clock that is read, and then held up while something else happens.
#[derive(Clone)]
struct HeldUp {
    clock: FakeClock,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

impl HeldUp {
    fn new(clock: &FakeClock) -> Self {
        Self {
            clock: clock.clone(),
            meanwhile: Arc::default(),
        }
    }

    fn at_the_next_reading(&self, what: impl FnOnce() + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::new(what));
    }
}

impl Clock for HeldUp {
    fn now(&self) -> SystemTime {
        let now = self.clock.now();
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        now
    }
}

/// ```text
/// close:  reads 0 ms ............................ locks
/// push:               reads 1 ms, locks: due at 1
/// ```
#[test]
fn a_close_with_an_older_reading_than_the_last_push_gives_its_message() {
    let clock = FakeClock::new();
    let held_up = HeldUp::new(&clock);
    let queue = Queue::builder().clock(held_up.clone()).build();
    let mut stream = waiting(&queue, &clock);
    let faster = queue.clone();
    held_up.at_the_next_reading(move || {
        clock.advance(ms(1));
        let message = Message::from("x").after(Duration::ZERO);
        faster.push(message).unwrap();
    });
    queue.close();
    assert_eq!(stream.data(), "x");
    stream.is_over();
}

#[test]
fn the_number_of_a_message_with_an_id_of_its_own_cancels_nothing() {
    let queue = queue(&FakeClock::new());
    queue.push(Event::new("x").id("mine").unwrap()).unwrap();
    assert!(!queue.cancel("e-1"));
    assert!(queue.cancel("mine"));
}

#[test]
fn the_older_of_two_with_one_id_can_be_cancelled_when_the_newer_is_gone() {
    let queue = queue(&FakeClock::new());
    let event = |data| Event::new(data).id("a").unwrap();
    queue
        .push(Message::new(event("later")).after(secs(5)))
        .unwrap();
    queue.push(event("now")).unwrap();
    assert!(queue.next_ready().is_some());
    assert!(queue.cancel("a"));
    assert!(!queue.cancel("a"));
    assert_eq!(queue.stats().depth, 0);
}

#[test]
fn a_message_that_never_falls_due_keeps_no_stream_open_once_nobody_can_push() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = waiting(&queue, &clock);
    queue
        .push(Message::from("never").after(Duration::MAX))
        .unwrap();
    queue.push(Message::from("later").after(secs(1))).unwrap();
    stream.is_pending();
    drop(queue);
    stream.is_pending();
    clock.advance(secs(1));
    assert_eq!(stream.data(), "later");
    stream.is_over();
}

/// Nobody looks at a queue without streams when its messages expire: whoever comes next does.
#[test]
fn a_push_that_finds_others_in_line_lets_expired_messages_go() {
    let clock = FakeClock::new();
    let queue = builder(&clock).capacity(1).build();
    let brief = Message::from("x").expires_after(secs(1));
    queue.push(brief).unwrap();
    let mut push = Task::new(queue.push_when_ready("y"));
    assert!(push.poll().is_pending());
    clock.advance(secs(1));
    assert!(matches!(queue.push("z"), Err(PushError::Full(_))));
    assert_eq!(push.wakes(), 1);
    assert!(push.poll().is_ready());
}

/// What can be taken now without a stream: the data, with commas between.
fn rest(queue: &Queue) -> String {
    let mut bytes = Vec::new();
    while let Some(frame) = queue.next_ready() {
        bytes.extend_from_slice(&frame);
    }
    let events = parser::parse(&bytes).events;
    let data: Vec<_> = events.into_iter().map(|event| event.data).collect();
    data.join(",")
}

/// Every message that was accepted is somewhere.
#[track_caller]
fn adds_up(queue: &Queue) {
    let stats = queue.stats();
    let gone = stats.delivered + stats.dropped + stats.expired + stats.withdrawn;
    assert_eq!(stats.pushed, gone + stats.depth as u64, "{stats:?}");
}

// Order.

/// ```text
/// pushed at 0 s    c: 3 s    a: 1 s    b: 2 s    now
/// ```
#[test]
fn messages_leave_in_the_order_of_their_due_times() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    for (data, due) in [("c", 3), ("a", 1), ("b", 2)] {
        queue.push(Message::from(data).after(secs(due))).unwrap();
    }
    queue.push("now").unwrap();
    clock.advance(secs(3));
    queue.push("last").unwrap();
    assert_eq!(rest(&queue), "now,a,b,c,last");
}

#[test]
fn ties_go_by_arrival_across_producers_and_kinds() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let (one, two) = (queue.clone(), queue.clone());
    one.push(Message::from("a").after(secs(1))).unwrap();
    two.push(Message::from("b").at(SystemTime::UNIX_EPOCH + secs(1)))
        .unwrap();
    clock.advance(secs(1));
    one.push("c").unwrap();
    two.push(Message::from("d").after(Duration::ZERO)).unwrap();
    one.push("e").unwrap();
    assert_eq!(rest(&queue), "a,b,c,d,e");
}

/// ```text
/// slow:  reads 0 ms ................ locks: comes second, is due second
/// fast:             reads 5 ms, locks
/// ```
#[test]
fn a_push_whose_reading_of_the_clock_is_older_does_not_go_ahead() {
    let clock = FakeClock::new();
    let held_up = HeldUp::new(&clock);
    let queue = Queue::builder().clock(held_up.clone()).build();
    let (fast, time) = (queue.clone(), clock.clone());
    held_up.at_the_next_reading(move || {
        time.advance(ms(5));
        fast.push("fast").unwrap();
    });
    queue.push("slow").unwrap();
    assert_eq!(rest(&queue), "fast,slow");
}

#[test]
fn a_message_due_in_the_past_goes_ahead_of_what_fell_due_later() {
    let clock = FakeClock::at(SystemTime::UNIX_EPOCH + secs(100));
    let queue = queue(&clock);
    queue.push("now").unwrap();
    queue
        .push(Message::from("past").at(SystemTime::UNIX_EPOCH + secs(50)))
        .unwrap();
    assert_eq!(rest(&queue), "past,now");
}

#[test]
fn many_threads_push_and_each_message_comes_out_once_in_its_producers_order() {
    let queue = Queue::builder().clock(FakeClock::new()).build();
    std::thread::scope(|scope| {
        for producer in 0..4 {
            let queue = queue.clone();
            scope.spawn(move || {
                for n in 0..200 {
                    queue.push(format!("{producer} {n}")).unwrap();
                }
            });
        }
    });
    let all = rest(&queue);
    let mut next = [0; 4];
    for message in all.split(',') {
        let (producer, n) = message.split_once(' ').unwrap();
        let producer: usize = producer.parse().unwrap();
        assert_eq!(n.parse::<usize>().unwrap(), next[producer]);
        next[producer] += 1;
    }
    assert_eq!(next, [200; 4]);
}

// Due and expiry.

#[test]
fn nothing_leaves_a_nanosecond_before_it_is_due() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    queue.push(Message::from("x").after(secs(1))).unwrap();
    clock.advance(Duration::new(0, 999_999_999));
    assert_eq!(rest(&queue), "");
    clock.advance(Duration::from_nanos(1));
    assert_eq!(rest(&queue), "x");
}

#[test]
fn a_message_leaves_until_the_nanosecond_before_it_expires() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let brief = |data| Message::from(data).after(secs(1)).expires_after(secs(1));
    queue.push(brief("a")).unwrap();
    clock.advance(Duration::new(1, 999_999_999));
    assert_eq!(rest(&queue), "a");
    queue.push(brief("b")).unwrap();
    clock.advance(secs(2));
    assert_eq!(rest(&queue), "");
    assert_eq!(queue.stats().expired, 1);
    adds_up(&queue);
}

#[test]
fn what_expired_is_let_go_wherever_it_stands() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    for (data, ttl) in [("a", 9), ("b", 1), ("c", 9), ("d", 1)] {
        queue
            .push(Message::from(data).expires_after(secs(ttl)))
            .unwrap();
    }
    queue
        .push(Message::from("e").after(secs(9)).expires_after(secs(1)))
        .unwrap();
    clock.advance(secs(1));
    let stats = queue.stats();
    assert_eq!((stats.depth, stats.expired), (3, 2));
    assert_eq!(rest(&queue), "a,c");
    clock.advance(secs(9));
    assert_eq!(queue.stats().depth, 0);
    assert_eq!(queue.stats().bytes, 0);
    adds_up(&queue);
}

#[test]
fn more_expired_messages_than_one_hold_of_the_lock_lets_go_hide_nothing() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    for _ in 0..1000 {
        queue
            .push(Message::from("x").expires_after(secs(1)))
            .unwrap();
    }
    queue.push("last").unwrap();
    clock.advance(secs(1));
    assert_eq!(rest(&queue), "last");
    assert_eq!(queue.stats().expired, 1000);
    adds_up(&queue);
}

#[test]
fn a_message_that_expires_at_once_is_never_delivered() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = waiting(&queue, &clock);
    queue
        .push(Message::from("x").expires_after(Duration::ZERO))
        .unwrap();
    stream.is_pending();
    assert_eq!(queue.stats().expired, 1);
}

#[test]
fn the_longest_delays_and_times_to_live_overflow_nowhere() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    clock.jump(Duration::MAX);
    for after in [Duration::from_millis(u64::MAX), Duration::MAX] {
        queue
            .push(Message::from("x").after(after).expires_after(after))
            .unwrap();
    }
    queue
        .push(Message::from("y").expires_after(Duration::MAX))
        .unwrap();
    let mut stream = Task::new(bare(&queue, &clock));
    assert_eq!(stream.data(), "y");
    stream.is_pending();
    clock.advance(Duration::MAX);
    stream.is_pending();
}

// Bounds.

#[test]
fn a_full_queue_hands_the_message_back() {
    let queue = builder(&FakeClock::new()).capacity(1).build();
    queue.push("a").unwrap();
    let message = Message::from(Event::new("b").name("n").unwrap().id("7").unwrap())
        .after(secs(1))
        .expires_after(secs(2));
    let refused = queue.push(message.clone()).unwrap_err();
    assert!(matches!(refused, PushError::Full(_)));
    assert_eq!(refused.into_message(), message);
}

#[test]
fn a_refused_message_comes_back_without_the_id_it_did_not_get() {
    let queue = builder(&FakeClock::new()).capacity(1).build();
    queue.push("a").unwrap();
    let back = queue.push("b").unwrap_err().into_message();
    assert_eq!(back, Message::from("b"));
    assert!(queue.next_ready().is_some());
    assert_eq!(queue.push(back).unwrap().id(), "e-2");
}

/// A frame is `id: e-1`, `data: a` and a blank line: 17 bytes.
#[test]
fn bytes_are_counted_with_the_id_and_to_the_last_one() {
    let queue = builder(&FakeClock::new()).capacity_bytes(2 * SMALL).build();
    queue.push("a").unwrap();
    assert_eq!(queue.stats().bytes, SMALL);
    assert!(matches!(queue.push("bb"), Err(PushError::Full(_))));
    queue.push("b").unwrap();
    assert!(matches!(queue.push("c"), Err(PushError::Full(_))));
    assert_eq!(queue.stats().bytes, 2 * SMALL);
    assert_eq!(rest(&queue), "a,b");
    assert_eq!(queue.stats().bytes, 0);
}

#[test]
fn a_message_larger_than_the_queue_is_too_large_at_once() {
    for overflow in [Overflow::Reject, Overflow::DropOldest] {
        let builder = builder(&FakeClock::new()).capacity_bytes(SMALL);
        let queue = builder.overflow(overflow).build();
        queue.push("a").unwrap();
        let refused = queue.push("bb").unwrap_err();
        assert_eq!(refused, PushError::TooLarge("bb".into()));
        let mut waits = Task::new(queue.push_when_ready("bb"));
        let std::task::Poll::Ready(Err(refused)) = waits.poll() else {
            panic!("it waits for what never comes");
        };
        assert_eq!(refused, PushError::TooLarge("bb".into()));
        assert_eq!(rest(&queue), "a", "nothing was dropped for it");
    }
}

#[test]
fn drop_oldest_drops_from_the_head_and_counts() {
    let clock = FakeClock::new();
    let queue = builder(&clock)
        .capacity(3)
        .overflow(Overflow::DropOldest)
        .build();
    queue.push(Message::from("later").after(secs(1))).unwrap();
    for data in ["a", "b", "c", "d"] {
        queue.push(data).unwrap();
    }
    clock.advance(secs(1));
    assert_eq!(rest(&queue), "c,d,later");
    assert_eq!(queue.stats().dropped, 2);
    adds_up(&queue);
}

#[test]
fn drop_oldest_lets_expired_messages_go_before_it_drops_others() {
    let clock = FakeClock::new();
    let queue = builder(&clock)
        .capacity(2)
        .overflow(Overflow::DropOldest)
        .build();
    queue.push("a").unwrap();
    queue
        .push(Message::from("brief").expires_after(secs(1)))
        .unwrap();
    clock.advance(secs(1));
    queue.push("b").unwrap();
    assert_eq!(rest(&queue), "a,b");
    let stats = queue.stats();
    assert_eq!((stats.expired, stats.dropped), (1, 0));
}

/// One large message needs the room of a thousand small ones.
#[test]
fn drop_oldest_makes_room_of_any_size() {
    let queue = builder(&FakeClock::new())
        .capacity_bytes(250_000)
        .overflow(Overflow::DropOldest)
        .build();
    for _ in 0..1000 {
        queue.push("x").unwrap();
    }
    let large = "y".repeat(249_780);
    queue.push(large.as_str()).unwrap();
    assert_eq!(rest(&queue), large);
    assert_eq!(queue.stats().dropped, 1000);
    adds_up(&queue);
}

#[test]
fn the_cap_on_streams_counts_those_that_live() {
    let clock = FakeClock::new();
    let queue = builder(&clock).max_streams(2).build();
    let one = bare(&queue, &clock);
    let _two = bare(&queue, &clock);
    assert_eq!(queue.stream(clock.ticker()).unwrap_err().limit, 2);
    drop(one);
    assert!(queue.stream(clock.ticker()).is_ok());
}

// Waiting for room.

fn full(clock: &FakeClock) -> Queue {
    let queue = builder(clock).capacity(1).build();
    queue.push("a").unwrap();
    queue
}

#[test]
fn those_who_wait_for_room_get_it_in_their_order() {
    let queue = full(&FakeClock::new());
    let mut waits = ["b", "c"].map(|data| Task::new(queue.push_when_ready(data)));
    for task in &mut waits {
        assert!(task.poll().is_pending());
    }
    let [first, second] = &mut waits;
    assert!(queue.next_ready().is_some());
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    assert!(second.poll().is_pending(), "the room is the first one's");
    assert!(first.poll().is_ready());
    assert!(second.poll().is_pending());
    assert!(queue.next_ready().is_some());
    assert_eq!(second.wakes(), 1);
    assert!(second.poll().is_ready());
    assert_eq!(rest(&queue), "c");
}

#[test]
fn a_plain_push_does_not_overtake_those_who_wait() {
    for overflow in [Overflow::Reject, Overflow::DropOldest] {
        let clock = FakeClock::new();
        let queue = builder(&clock).capacity(1).overflow(overflow).build();
        queue.push("a").unwrap();
        let mut waits = Task::new(queue.push_when_ready("b"));
        if waits.poll().is_ready() {
            assert_eq!(overflow, Overflow::DropOldest, "which never waits");
            continue;
        }
        assert!(queue.next_ready().is_some());
        assert!(matches!(queue.push("c"), Err(PushError::Full(_))));
        assert!(waits.poll().is_ready());
        assert_eq!(rest(&queue), "b");
        queue.push("c").unwrap();
    }
}

#[test]
fn the_first_in_line_that_is_dropped_leaves_its_room_to_the_next() {
    let queue = full(&FakeClock::new());
    let mut waits = ["b", "c"].map(|data| Task::new(queue.push_when_ready(data)));
    for task in &mut waits {
        assert!(task.poll().is_pending());
    }
    let [first, mut second] = waits;
    assert!(queue.next_ready().is_some());
    assert_eq!(first.wakes(), 1);
    drop(first);
    assert_eq!(second.wakes(), 1, "the wake-up went with it otherwise");
    assert!(second.poll().is_ready());
    assert_eq!(rest(&queue), "c");
}

#[test]
fn one_in_the_middle_of_the_line_is_dropped_without_a_trace() {
    let queue = full(&FakeClock::new());
    let mut waits = ["b", "c", "d"].map(|data| Task::new(queue.push_when_ready(data)));
    for task in &mut waits {
        assert!(task.poll().is_pending());
    }
    let [mut first, second, mut third] = waits;
    drop(second);
    assert_eq!((first.wakes(), third.wakes()), (0, 0));
    assert!(queue.next_ready().is_some());
    assert!(first.poll().is_ready());
    assert!(queue.next_ready().is_some());
    assert!(third.poll().is_ready());
    assert_eq!(rest(&queue), "d");
    assert_eq!(queue.stats().pushed, 3);
}

#[test]
fn what_is_dropped_before_it_was_polled_never_stood_in_line() {
    let queue = full(&FakeClock::new());
    drop(queue.push_when_ready("b"));
    assert!(queue.next_ready().is_some());
    queue.push("c").unwrap();
}

/// Three of 17 bytes fit; the large one needs them all.
#[test]
fn small_messages_do_not_starve_a_large_one_at_the_head_of_the_line() {
    let queue = builder(&FakeClock::new()).capacity_bytes(3 * SMALL).build();
    for data in ["a", "b", "c"] {
        queue.push(data).unwrap();
    }
    let large = "L".repeat(2 * SMALL);
    let mut waits = [large.as_str(), "d"].map(|data| Task::new(queue.push_when_ready(data)));
    for task in &mut waits {
        assert!(task.poll().is_pending());
    }
    let [first, second] = &mut waits;
    for _ in 0..3 {
        assert!(first.poll().is_pending());
        assert!(second.poll().is_pending(), "there is room, but not for it");
        assert!(queue.next_ready().is_some());
        assert_eq!((first.wakes(), second.wakes()), (1, 0));
    }
    assert!(first.poll().is_ready());
    assert_eq!(second.wakes(), 1, "it is first now, and looks for itself");
    assert!(second.poll().is_pending());
    assert_eq!(rest(&queue), large);
    assert!(second.poll().is_ready());
}

#[test]
fn room_for_several_is_given_to_all_of_them() {
    let queue = builder(&FakeClock::new()).capacity(3).build();
    for data in ["a", "b", "c"] {
        queue.push(data).unwrap();
    }
    let mut waits = ["d", "e", "f"].map(|data| Task::new(queue.push_when_ready(data)));
    for task in &mut waits {
        assert!(task.poll().is_pending());
    }
    assert_eq!(queue.take_remaining().len(), 3);
    for task in &mut waits {
        assert_eq!(task.wakes(), 1);
        assert!(task.poll().is_ready());
    }
    assert_eq!(rest(&queue), "d,e,f");
}

#[test]
fn close_hands_back_to_all_who_wait_for_room() {
    for end in [Queue::close, Queue::abort] {
        let queue = full(&FakeClock::new());
        let mut waits = ["b", "c"].map(|data| Task::new(queue.push_when_ready(data)));
        for task in &mut waits {
            assert!(task.poll().is_pending());
        }
        end(&queue);
        for (task, data) in waits.iter_mut().zip(["b", "c"]) {
            assert_eq!(task.wakes(), 1);
            let closed = PushError::Closed(data.into());
            assert_eq!(task.poll(), std::task::Poll::Ready(Err(closed)));
        }
    }
}

#[test]
fn cancel_and_expiry_make_room_for_those_who_wait() {
    let clock = FakeClock::new();
    let queue = full(&clock);
    let mut waits = Task::new(queue.push_when_ready("b"));
    assert!(waits.poll().is_pending());
    assert!(queue.cancel("e-1"));
    assert_eq!(waits.wakes(), 1);
    assert!(waits.poll().is_ready());
    assert!(queue.cancel("e-2"));

    queue
        .push(Message::from("c").expires_after(secs(1)))
        .unwrap();
    let mut waits = Task::new(queue.push_when_ready("d"));
    assert!(waits.poll().is_pending());
    clock.advance(secs(1));
    assert_eq!(queue.stats().expired, 1);
    assert_eq!(waits.wakes(), 1);
    assert!(waits.poll().is_ready());
}

// Taking back, and the end.

#[test]
fn cancel_takes_back_due_scheduled_and_never_once() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let delays = [Duration::ZERO, secs(5), Duration::MAX];
    let ids = delays.map(|delay| {
        let message = Message::from("x").after(delay);
        queue.push(message).unwrap().id().to_owned()
    });
    for id in &ids {
        assert!(queue.cancel(id));
        assert!(!queue.cancel(id));
    }
    assert_eq!(queue.stats().withdrawn, 3);
    assert_eq!(queue.stats().bytes, 0);
    adds_up(&queue);
}

#[test]
fn what_was_handed_out_cannot_be_cancelled() {
    let queue = queue(&FakeClock::new());
    let receipt = queue.push("x").unwrap();
    assert!(queue.next_ready().is_some());
    assert!(!queue.cancel(receipt.id()));
    for id in ["", "e-", "e-0", "e-2", "e-18446744073709551616", "f-1"] {
        assert!(!queue.cancel(id), "{id}");
    }
}

#[test]
fn of_many_cancelled_in_the_middle_the_rest_leaves_in_order() {
    let queue = queue(&FakeClock::new());
    for n in 0..500 {
        queue.push(n.to_string()).unwrap();
    }
    for n in (0..500).filter(|n| n % 3 != 0) {
        assert!(queue.cancel(&format!("e-{}", n + 1)));
    }
    let left: Vec<_> = (0..500).step_by(3).map(|n: u32| n.to_string()).collect();
    assert_eq!(rest(&queue), left.join(","));
    adds_up(&queue);
}

#[test]
fn what_remains_keeps_id_due_time_and_expiry_when_it_is_pushed_again() {
    let clock = FakeClock::new();
    let old = queue(&clock);
    old.push(Message::from("b").after(secs(2)).expires_after(secs(2)))
        .unwrap();
    old.push("a").unwrap();
    old.push(Message::from("never").after(Duration::MAX))
        .unwrap();
    old.push(Event::comment("note")).unwrap();
    old.close();
    clock.advance(secs(1));
    let remaining = old.take_remaining();
    let ids: Vec<_> = remaining.iter().map(sse_queue::Remaining::id).collect();
    assert_eq!(ids, ["e-2", "e-4", "e-1", "e-3"]);
    let start = SystemTime::UNIX_EPOCH;
    assert_eq!(remaining[2].due(), Some(start + secs(2)));
    assert_eq!(remaining[2].expires(), Some(start + secs(4)));
    adds_up(&old);

    let new = builder(&clock).epoch("new").unwrap().build();
    for message in remaining {
        new.push(message).unwrap();
    }
    let first = new.next_ready().unwrap();
    assert_eq!(first, "id: e-2\ndata: a\n\n");
    assert_eq!(new.next_ready().unwrap(), ": note\n");
    assert_eq!(new.next_ready(), None, "not due yet");
    assert!(new.cancel("e-3"));
    clock.advance(secs(3));
    assert_eq!(new.next_ready(), None, "expired");
    adds_up(&new);
}

#[test]
fn what_remains_can_go_back_into_the_same_queue() {
    let queue = queue(&FakeClock::new());
    for data in ["a", "b"] {
        queue.push(data).unwrap();
    }
    for message in queue.take_remaining() {
        queue.push(message).unwrap();
    }
    let next = queue.push("c").unwrap();
    assert_eq!(next.id(), "e-5");
    assert!(queue.cancel("e-2"));
    assert_eq!(rest(&queue), "a,c");
    adds_up(&queue);
}

#[test]
fn what_expired_does_not_remain() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    queue
        .push(Message::from("x").expires_after(secs(1)))
        .unwrap();
    queue.push("y").unwrap();
    clock.advance(secs(1));
    assert_eq!(queue.take_remaining().len(), 1);
    assert_eq!(queue.stats().expired, 1);
    adds_up(&queue);
}

#[test]
fn a_closed_queue_hands_the_message_back_and_gives_what_was_due() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    queue.push("a").unwrap();
    queue.push(Message::from("b").after(secs(1))).unwrap();
    queue.close();
    assert!(queue.is_closed());
    assert_eq!(queue.push("c"), Err(PushError::Closed("c".into())));
    clock.advance(secs(2));
    assert_eq!(rest(&queue), "a", "b was not due at the close");
    queue.close();
    assert_eq!(rest(&queue), "", "a second close changes nothing");
    assert_eq!(queue.take_remaining().len(), 1);
    adds_up(&queue);
}

#[test]
fn an_aborted_queue_gives_nothing() {
    let queue = queue(&FakeClock::new());
    queue.push("a").unwrap();
    queue.close();
    queue.abort();
    assert_eq!(queue.next_ready(), None);
    assert_eq!(queue.take_remaining().len(), 1);
}

#[test]
fn depth_age_and_streams_are_those_of_the_moment() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let stream = waiting(&queue, &clock);
    queue.push(Message::from("later").after(secs(5))).unwrap();
    assert_eq!(queue.stats().oldest_age, None);
    queue.push("a").unwrap();
    clock.advance(secs(2));
    let stats = queue.stats();
    assert_eq!(stats.oldest_age, Some(secs(2)));
    assert_eq!((stats.depth, stats.streams), (2, 1));
    drop(stream);
    assert_eq!(queue.stats().streams, 0);
}

// The last handle.

#[test]
fn streams_end_once_nobody_can_push_and_all_has_left() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = waiting(&queue, &clock);
    queue.push(Message::from("x").after(secs(1))).unwrap();
    let other = queue.clone();
    let pending = other.push_when_ready("y");
    stream.is_pending();
    drop(queue);
    drop(other);
    stream.is_pending();
    let mut pending = Task::new(pending);
    assert!(pending.poll().is_ready());
    assert_eq!(stream.data(), "y");
    stream.is_pending();
    drop(pending);
    stream.is_pending();
    clock.advance(secs(1));
    assert_eq!(stream.data(), "x");
    stream.is_over();
}

#[test]
fn the_last_handle_wakes_every_stream_when_nothing_is_left() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams = [(); 3].map(|()| waiting(&queue, &clock));
    queue.push("x").unwrap();
    drop(queue);
    assert_eq!(streams[0].data(), "x");
    for stream in &mut streams[1..] {
        assert_eq!(stream.wakes(), 1);
        stream.is_over();
    }
    streams[0].is_over();
}

#[test]
fn streams_end_when_the_last_message_expires_behind_the_last_handle() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams = [(); 2].map(|()| waiting(&queue, &clock));
    queue
        .push(
            Message::from("x")
                .after(secs(1))
                .expires_after(Duration::ZERO),
        )
        .unwrap();
    for stream in &mut streams {
        stream.is_pending();
    }
    drop(queue);
    clock.advance(secs(1));
    let woken = streams.iter().position(|stream| stream.wakes() > 0);
    streams[woken.unwrap()].is_over();
    streams[1 - woken.unwrap()].is_over();
}

// Who is woken.

#[test]
fn one_message_wakes_one_of_many_the_longest_waiting_and_the_first_a_timekeeper_too() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams: Vec<_> = (0..10).map(|_| waiting(&queue, &clock)).collect();
    for (turn, expected) in [0, 1, 2, 3, 4, 5, 6, 7, 8, 0].into_iter().enumerate() {
        queue.push("x").unwrap();
        let wakes: Vec<_> = streams.iter().map(Task::wakes).collect();
        let of = |at| usize::from(at == expected || (at == 9 && turn == 0));
        assert_eq!(wakes, (0..10).map(of).collect::<Vec<_>>());
        if turn == 0 {
            // It leaves the message to the one that was woken for it.
            streams[9].is_pending();
        }
        assert_eq!(streams[expected].data(), "x");
        streams[expected].is_pending();
    }
}

#[test]
fn a_burst_wakes_as_many_streams_as_it_takes() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams = [(); 4].map(|()| waiting(&queue, &clock));
    for n in 0..16 {
        queue.push(n.to_string()).unwrap();
    }
    assert_eq!(
        streams.each_ref().map(Task::wakes),
        [1, 0, 0, 1],
        "one takes all; the last keeps the time"
    );
    for n in 16..20 {
        queue.push(n.to_string()).unwrap();
    }
    assert_eq!(streams.each_ref().map(Task::wakes), [0, 1, 0, 0]);
    assert_eq!(streams[0].data().split(',').count(), 16);
    streams[3].is_pending();
    assert_eq!(streams[1].data(), "16,17,18,19");
    assert_eq!(streams.each_ref().map(Task::wakes), [0, 0, 0, 0]);
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
    assert!(workers.iter().all(|worker| worker.wakes() > 0));
    let jobs: Vec<_> = workers.iter_mut().map(Task::data).collect();
    assert_eq!(jobs.len(), 10);
    assert_eq!(queue.stats().in_flight, 10);
}

#[test]
fn a_thousand_messages_wake_a_timekeeper_once() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams = [(); 3].map(|()| waiting(&queue, &clock));
    let mut wakes = 0;
    for _ in 0..1_000 {
        queue.push("x").unwrap();
        for stream in &mut streams {
            let woken = stream.wakes();
            wakes += woken;
            if woken > 0 && stream.poll_next().is_ready() {
                stream.is_pending();
            }
        }
    }
    assert_eq!(wakes, 1_001);
    assert_eq!(queue.stats().depth, 0);
}

/// Streams that were woken but are not polled, as in a `select!` whose other branch is busy.
#[test]
fn a_stream_that_does_not_poll_holds_up_the_others_for_a_second() {
    for stalled in 1..4 {
        let clock = FakeClock::new();
        let queue = queue(&clock);
        let mut streams: Vec<_> = (0..5).map(|_| waiting(&queue, &clock)).collect();
        for n in 0..16 * stalled {
            queue.push(n.to_string()).unwrap();
        }
        let mut others = streams.split_off(stalled);
        assert!(streams.iter().all(|stream| stream.wakes() == 1));
        for other in &mut others {
            if other.wakes() > 0 {
                other.is_pending();
            }
        }
        clock.advance(secs(1));
        let mut taken = 0;
        while let Some(woken) = others.iter_mut().find(|other| other.wakes() > 0) {
            while woken.poll_next().is_ready() {
                taken += 1;
            }
        }
        assert_eq!((taken, queue.stats().depth), (stalled, 0));
    }
}

#[test]
fn a_timekeeper_that_does_not_poll_holds_up_the_others_for_a_second() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    queue.push(Message::from("x").after(secs(5))).unwrap();
    let stalled = waiting(&queue, &clock);
    let mut other = waiting(&queue, &clock);
    let mut third = waiting(&queue, &clock);
    clock.advance(secs(5));
    assert_eq!(
        [stalled.wakes(), other.wakes(), third.wakes()],
        [1, 0, 0],
        "it is armed, and does not poll"
    );
    clock.advance(secs(1));
    assert_eq!([other.wakes(), third.wakes()], [1, 0]);
    assert_eq!(other.data(), "x");
    third.is_pending();
}

#[test]
fn a_ticked_stream_that_does_not_come_back_holds_up_the_others_for_a_second() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stalled = Task::new(bare(&queue, &clock).every(secs(10)));
    stalled.is_pending();
    queue.push("x").unwrap();
    stalled.is_pending();
    let mut other = Task::new(bare(&queue, &clock).every(secs(10)));
    other.is_pending();
    clock.advance(secs(10));
    assert_eq!(stalled.wakes(), 2, "for the push, and at its tick");
    other.is_pending();
    clock.advance(secs(1));
    other.is_pending();
    clock.advance(secs(9));
    assert_eq!(other.data(), "x");
}

#[test]
fn an_idle_queue_wakes_nobody() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let off = |queue: &Queue| bare(queue, &clock).keep_alive(KeepAlive::off());
    let mut streams = [(); 3].map(|()| settled(off(&queue)));
    queue.push("x").unwrap();
    for _ in 0..5 {
        for stream in &mut streams {
            while stream.wakes() > 0 && stream.poll_next().is_ready() {}
        }
        clock.advance(secs(1));
    }
    assert_eq!(clock.next_deadline(), None);
    clock.advance(secs(1_000));
    assert_eq!(streams.each_ref().map(Task::wakes), [0; 3]);
}

#[test]
fn a_stream_in_its_gap_leaves_messages_to_those_that_wait() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut spaced = Task::new(bare(&queue, &clock).spaced(secs(5)));
    spaced.is_pending();
    queue.push("first").unwrap();
    assert_eq!(spaced.data(), "first");
    spaced.is_pending();
    let mut other = waiting(&queue, &clock);
    queue.push("second").unwrap();
    assert_eq!(other.data(), "second");
    assert_eq!(rest(&queue), "");
}

#[test]
fn a_full_stream_still_gets_comments() {
    let clock = FakeClock::new();
    let lease = Lease::new(secs(30));
    let queue = builder(&clock).at_least_once(lease).build();
    let mut stream = waiting(&queue, &clock);
    queue.push("job").unwrap();
    assert_eq!(stream.data(), "job");
    stream.is_pending();
    queue.push(Event::comment("news")).unwrap();
    assert_eq!(stream.wakes(), 2);
    assert_eq!(stream.bytes(), ": news\n");
    queue.push("another").unwrap();
    queue.push(Event::comment("behind it")).unwrap();
    stream.is_pending();
}

#[test]
fn a_woken_stream_that_others_were_faster_than_wakes_nobody() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams = [(); 3].map(|()| waiting(&queue, &clock));
    queue.push("x").unwrap();
    assert!(queue.next_ready().is_some());
    assert_eq!(streams.each_ref().map(Task::wakes), [1, 0, 1]);
    streams[0].is_pending();
    streams[2].is_pending();
    assert_eq!(streams[1].wakes(), 0);
    queue.push("y").unwrap();
    assert_eq!(
        streams.each_ref().map(Task::wakes),
        [0, 1, 0],
        "the first stands at the end of the line now"
    );
}

#[test]
fn a_message_for_later_wakes_only_the_two_that_keep_the_time() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams = [(); 4].map(|()| waiting(&queue, &clock));
    queue.push(Message::from("x").after(secs(5))).unwrap();
    assert_eq!(streams.iter().map(Task::wakes).sum::<usize>(), 2);
    for stream in &mut streams {
        stream.is_pending();
    }
    // Two are armed; at the due time the first of them alone is woken.
    assert_eq!(clock.advance_to_next(), Some(secs(5)));
    assert_eq!(clock.wakes(), 1);
    let wakes = streams.each_ref().map(Task::wakes);
    let keeper = wakes.iter().position(|wakes| *wakes > 0).unwrap();
    assert_eq!(wakes.iter().sum::<usize>(), 1);
    assert_eq!(streams[keeper].data(), "x");
    assert_eq!(clock.next_deadline(), Some(secs(1)), "the other one");
}

#[test]
fn an_earlier_message_arms_again() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams = [(); 3].map(|()| waiting(&queue, &clock));
    for (data, due) in [("a", 5), ("b", 2), ("c", 1), ("d", 9)] {
        queue.push(Message::from(data).after(secs(due))).unwrap();
        let woken = streams.iter().map(Task::wakes).sum::<usize>();
        let expected = match data {
            "d" => 0,
            _ => 2,
        };
        assert_eq!(woken, expected, "{data}");
        for stream in &mut streams {
            stream.is_pending();
        }
        assert_eq!(
            clock.next_deadline(),
            Some(secs(due.min(5).min(if data == "d" { 1 } else { due })))
        );
    }
}

/// ```text
/// s      0                  5              10
/// due                       x, cancelled   y
/// ```
#[test]
fn a_timekeeper_that_looked_at_an_empty_queue_slept_through_the_next_message() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = waiting(&queue, &clock);
    let receipt = queue.push(Message::from("x").after(secs(5))).unwrap();
    stream.is_pending();
    assert!(queue.cancel(receipt.id()));
    stream.is_pending();
    stream.wakes();
    queue.push(Message::from("y").after(secs(10))).unwrap();
    assert_eq!(stream.wakes(), 1);
    stream.is_pending();
    clock.advance(secs(10));
    assert_eq!(stream.wakes(), 1);
    assert_eq!(stream.data(), "y");
}

/// Once dropped, once parked, once slow: the time is kept by another each time.
#[test]
fn the_timekeepers_role_moves_on() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    queue.push(Message::from("x").after(secs(5))).unwrap();
    let keeper = waiting(&queue, &clock);
    assert_eq!(clock.next_deadline(), Some(secs(5)));
    let mut second = Task::new(bare(&queue, &clock).spaced(secs(60)));
    second.is_pending();
    let mut third = waiting(&queue, &clock);
    drop(keeper);
    assert_eq!([second.wakes(), third.wakes()], [1, 1], "dropped");
    second.is_pending();
    third.is_pending();
    drop(third);
    second.is_pending();
    assert_eq!(clock.next_deadline(), Some(secs(5)));

    // It takes something and comes last for a minute; the other waits.
    queue.push("now").unwrap();
    assert_eq!(second.data(), "now");
    second.is_pending();
    let mut fourth = waiting(&queue, &clock);
    clock.advance(secs(5));
    second.is_pending();
    assert_eq!(fourth.wakes(), 1);
    assert_eq!(fourth.data(), "x");
}

#[test]
fn a_timekeeper_that_took_something_and_is_slow_keeps_no_time() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut slow = waiting(&queue, &clock);
    queue.push(Message::from("x").after(secs(5))).unwrap();
    slow.is_pending();
    queue.push("now").unwrap();
    assert_eq!(slow.data(), "now");
    let mut other = waiting(&queue, &clock);
    clock.advance(secs(5));
    assert_eq!(other.wakes(), 1);
    assert_eq!(other.data(), "x");
}

#[test]
fn ten_thousand_idle_streams_cost_no_wake_up_in_an_hour() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut streams: Vec<_> = (0..10_000_u64)
        .map(|n| match n % 3 {
            0 => bare(&queue, &clock),
            1 => bare(&queue, &clock).spaced(ms(20)),
            _ => bare(&queue, &clock).every(ms(1 + n)),
        })
        .map(settled)
        .collect();
    clock.advance(secs(3600));
    assert_eq!(clock.wakes(), 0);
    assert_eq!(streams.iter().map(Task::wakes).sum::<usize>(), 0);

    // With keep-alive, that and no more.
    streams.truncate(10);
    let mut streams: Vec<_> = streams
        .into_iter()
        .map(|_| {
            let stream = bare(&queue, &clock).every(ms(10));
            settled(stream.keep_alive(KeepAlive::every(secs(15))))
        })
        .collect();
    let before = clock.wakes();
    for _ in 0..240 {
        clock.advance(ms(13_499));
        streams.iter_mut().for_each(Task::is_pending);
        clock.advance(ms(1_501));
        for stream in &mut streams {
            assert_eq!(stream.bytes(), ":\n");
            stream.is_pending();
        }
    }
    assert_eq!(clock.wakes() - before, 10 * 240);
}

/// ```text
/// s        0       1           2
/// x        push    cancelled
/// y                push        due: who waits knows of it
/// ```
#[test]
fn a_timekeeper_whose_message_went_away_misses_the_next_no_more() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut stream = waiting(&queue, &clock);
    queue.push(Message::from("x").after(secs(1))).unwrap();
    stream.is_pending();
    assert!(queue.cancel("e-1"));
    clock.advance(secs(1));
    stream.is_pending();
    stream.wakes();
    queue.push(Message::from("y").after(secs(1))).unwrap();
    assert_eq!(stream.wakes(), 1);
    stream.is_pending();
    assert_eq!(clock.advance_to_next(), Some(secs(1)));
    assert_eq!(stream.data(), "y");
}

/// The message in hand is not lost, and the others are woken.
#[test]
fn a_waker_that_panics_harms_nobody_else() {
    struct Panics;

    impl std::task::Wake for Panics {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("a waker that panics");
        }
    }

    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut mine = waiting(&queue, &clock);
    let mut other = bare(&queue, &clock);
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
    mine.is_pending();
    queue.close();
    assert_eq!(mine.wakes(), 2, "for the first message, and for the end");
}

/// A stream that is read by hand neither keeps a waker nor is counted on.
#[test]
fn polling_by_hand_takes_nobodys_wake_up() {
    let clock = FakeClock::new();
    let queue = queue(&clock);
    let mut by_hand = bare(&queue, &clock);
    assert_eq!(by_hand.next_ready(), None);
    let mut ticked = bare(&queue, &clock).every(secs(60));
    assert_eq!(ticked.next_ready(), None);
    let mut other = waiting(&queue, &clock);
    queue.push("a").unwrap();
    assert_eq!(other.wakes(), 1);
    assert_eq!(other.data(), "a");
    other.is_pending();
    queue.push(Message::from("b").after(secs(1))).unwrap();
    other.wakes();
    other.is_pending();
    clock.advance(secs(1));
    assert_eq!(other.wakes(), 1);
    assert_eq!(other.data(), "b");
}
