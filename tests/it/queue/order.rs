//! The order in which messages leave.

use std::time::{Duration, SystemTime};

use sse_queue::{FakeClock, Message, Queue};

use crate::support::clock::Interrupted;
use crate::support::queue::{drain_data, new_queue, push_later, queue};
use crate::support::{ms, secs};

/// ```text
/// pushed at 0 s    c: 3 s    a: 1 s    b: 2 s    now
/// ```
#[test]
fn messages_leave_in_the_order_of_their_due_times() {
    let (clock, queue) = new_queue();
    for (data, due) in [("c", 3), ("a", 1), ("b", 2)] {
        push_later(&queue, data, secs(due));
    }
    queue.push("now").unwrap();
    clock.advance(secs(3));
    queue.push("last").unwrap();
    assert_eq!(drain_data(&queue), "now,a,b,c,last");
}

#[test]
fn ties_go_by_arrival_across_producers_and_kinds() {
    let (clock, queue) = new_queue();
    let (one, two) = (queue.clone(), queue.clone());
    push_later(&one, "a", secs(1));
    two.push(Message::from("b").at(SystemTime::UNIX_EPOCH + secs(1)))
        .unwrap();
    clock.advance(secs(1));
    one.push("c").unwrap();
    push_later(&two, "d", Duration::ZERO);
    one.push("e").unwrap();
    assert_eq!(drain_data(&queue), "a,b,c,d,e");
}

/// ```text
/// slow:  reads 0 ms ................ locks second: due second
/// fast:             reads 5 ms, locks
/// ```
#[test]
fn a_push_whose_reading_of_the_clock_is_older_does_not_go_ahead() {
    let clock = FakeClock::new();
    let held_up = Interrupted::new(&clock);
    let queue = Queue::builder().clock(held_up.clone()).build();
    let (fast, time) = (queue.clone(), clock.clone());
    held_up.run_after(0, move || {
        time.advance(ms(5));
        fast.push("fast").unwrap();
    });
    queue.push("slow").unwrap();
    assert_eq!(drain_data(&queue), "fast,slow");
}

#[test]
fn a_message_due_in_the_past_goes_ahead_of_what_fell_due_later() {
    let clock = FakeClock::at(SystemTime::UNIX_EPOCH + secs(100));
    let queue = queue(&clock);
    queue.push("now").unwrap();
    queue
        .push(Message::from("past").at(SystemTime::UNIX_EPOCH + secs(50)))
        .unwrap();
    assert_eq!(drain_data(&queue), "past,now");
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
    let all = drain_data(&queue);
    let mut next = [0; 4];
    for message in all.split(',') {
        let (producer, n) = message.split_once(' ').unwrap();
        let producer: usize = producer.parse().unwrap();
        assert_eq!(n.parse::<usize>().unwrap(), next[producer]);
        next[producer] += 1;
    }
    assert_eq!(next, [200; 4]);
}
