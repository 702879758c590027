//! Tests of the wait set, by hand and against a plain model.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use proptest::prelude::*;

use super::*;

/// Counts how often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A task, and how many hold its waker.
struct Task {
    slot: usize,
    count: Arc<Count>,
    waker: Waker,
}

impl Task {
    fn new(set: &mut WaitSet) -> Self {
        let task = Self::in_slot(set.open());
        drop(set.put(task.slot, task.waker.clone()));
        assert!(set.register(task.slot, Registration::Idle));
        task
    }

    fn in_slot(slot: usize) -> Self {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        Self { slot, count, waker }
    }

    /// How often it was woken since the last call.
    fn wakes(&self) -> usize {
        self.count.0.swap(0, Ordering::Relaxed)
    }

    /// How many clones of its waker there are.
    fn clones(&self) -> usize {
        Arc::strong_count(&self.count) - 2
    }
}

fn tasks<const N: usize>(set: &mut WaitSet) -> [Task; N] {
    core::array::from_fn(|_| Task::new(set))
}

fn wake_batch(set: &mut WaitSet) -> usize {
    let mut batch = set.next_batch(false);
    let woken = woken(&batch);
    batch.wake();
    let _ = set.give_back(&mut batch);
    woken
}

fn woken(batch: &Batch) -> usize {
    let blocks = batch.blocks.iter().map(|block| ones(block.woken));
    blocks.sum::<usize>() + batch.singles.len()
}

fn wake_all(set: &mut WaitSet) {
    while set.has_pending() {
        assert!(wake_batch(set) > 0);
    }
}

fn wakes(tasks: &[Task]) -> Vec<usize> {
    tasks.iter().map(Task::wakes).collect()
}

#[test]
fn each_waiting_stream_is_woken_once() {
    let mut set = WaitSet::default();
    let tasks = tasks::<3>(&mut set);
    set.pause(tasks[1].slot);
    assert!(set.announce());
    wake_all(&mut set);
    assert_eq!(wakes(&tasks), [1, 0, 1]);
    assert!(!set.announce());
    wake_all(&mut set);
    assert_eq!(wakes(&tasks), [0, 0, 0]);
}

#[test]
fn many_streams_are_woken_64_at_a_time_each_in_its_turn() {
    let mut set = WaitSet::default();
    let tasks: Vec<_> = (0..1_024).map(|_| Task::new(&mut set)).collect();
    set.announce();
    assert_eq!(wake_batch(&mut set), MAX_WAKES);
    for task in &tasks[..MAX_WAKES] {
        assert!(set.register(task.slot, Registration::Idle));
    }
    set.announce();
    for _ in 0..16 {
        wake_batch(&mut set);
    }
    assert!(
        !set.has_pending(),
        "those that were pending twice are woken once"
    );
    assert_eq!(wakes(&tasks[..MAX_WAKES]), [2; MAX_WAKES]);
    assert_eq!(wakes(&tasks[MAX_WAKES..]), vec![1; 1_024 - MAX_WAKES]);
}

#[test]
fn sparse_blocks_share_one_batch() {
    let mut set = WaitSet::default();
    let tasks: Vec<_> = (0..6_400).map(|_| Task::new(&mut set)).collect();
    for task in &tasks {
        if task.slot % 100 != 7 {
            set.pause(task.slot);
        }
    }
    set.announce();
    assert_eq!(wake_batch(&mut set), 64);
}

#[test]
fn a_waker_is_put_back_for_the_next_wait() {
    let mut set = WaitSet::default();
    let [task] = tasks(&mut set);
    for _ in 0..10 {
        assert!(set.register(task.slot, Registration::Idle));
        set.announce();
        wake_all(&mut set);
        assert_eq!((task.wakes(), task.clones()), (1, 1));
    }
    drop(set.close(task.slot));
    assert_eq!(task.clones(), 0);
}

#[test]
fn a_stream_that_is_polled_while_it_is_pending_is_not_woken() {
    let mut set = WaitSet::default();
    let [one, two] = tasks(&mut set);
    set.announce();
    assert!(set.register(one.slot, Registration::Early));
    wake_all(&mut set);
    assert_eq!([one.wakes(), two.wakes()], [0, 1]);
}

#[test]
fn a_stream_registers_with_another_clone_while_its_waker_is_out() {
    let mut set = WaitSet::default();
    let [one] = tasks(&mut set);
    set.announce();
    let mut batch = set.next_batch(false);
    assert!(
        !set.register(one.slot, Registration::Idle),
        "its waker is not here"
    );
    assert!(set.put(one.slot, one.waker.clone()).is_none());
    assert!(set.register(one.slot, Registration::Idle));
    set.announce();
    assert_eq!(wake_batch(&mut set), 1);
    batch.wake();
    assert!(!set.give_back(&mut batch));
    drop(batch);
    assert_eq!((one.wakes(), one.clones()), (2, 0));
    assert!(!set.has_waker(one.slot));
}

#[test]
fn a_stream_that_becomes_pending_while_its_waker_is_out_is_woken_when_it_is_given_back() {
    let mut set = WaitSet::default();
    let [one, two] = tasks(&mut set);
    set.notify(one.slot);
    let mut batch = set.next_batch(false);
    set.announce();
    assert_eq!(wake_batch(&mut set), 0);
    batch.wake();
    assert!(set.give_back(&mut batch), "there is more to wake");
    assert_eq!(wake_batch(&mut set), 1);
    assert_eq!([one.wakes(), two.wakes()], [1, 1]);
}

#[test]
fn the_waker_of_a_task_that_left_while_it_was_out_is_dropped() {
    let mut set = WaitSet::default();
    let [one, two, three] = tasks(&mut set);
    set.announce();
    let mut batch = set.next_batch(false);
    drop(set.close(one.slot));
    // Another task polls one stream now, and a new stream has the slot of the other.
    let moved = Task::in_slot(two.slot);
    drop(set.put(two.slot, moved.waker.clone()));
    let [new] = tasks(&mut set);
    assert_eq!(new.slot, one.slot);
    set.give_back(&mut batch);
    drop(batch);
    let clones = [&one, &two, &three, &moved, &new].map(Task::clones);
    assert_eq!(clones, [0, 0, 1, 1, 1]);
    assert!(set.register(two.slot, Registration::Idle));
    set.announce();
    wake_all(&mut set);
    assert_eq!([two.wakes(), moved.wakes(), new.wakes()], [0, 1, 1]);
}

#[test]
fn two_batches_with_wakers_of_one_slot_put_no_stale_one_back() {
    let mut set = WaitSet::default();
    let [one] = tasks(&mut set);
    set.announce();
    let mut first = set.next_batch(false);
    let moved = Task::in_slot(one.slot);
    drop(set.put(one.slot, moved.waker.clone()));
    set.register(one.slot, Registration::Idle);
    set.announce();
    let mut second = set.next_batch(false);
    set.give_back(&mut first);
    drop(first);
    assert!(!set.has_waker(one.slot));
    set.give_back(&mut second);
    drop(second);
    assert_eq!([one.clones(), moved.clones()], [0, 0]);
}

#[test]
fn the_end_wakes_parked_streams_and_a_message_does_not() {
    let mut set = WaitSet::default();
    let [one, two] = tasks(&mut set);
    set.park(one.slot);
    set.announce();
    wake_all(&mut set);
    assert_eq!([one.wakes(), two.wakes()], [0, 1]);
    set.register(two.slot, Registration::Idle);
    set.announce_end();
    wake_all(&mut set);
    assert_eq!([one.wakes(), two.wakes()], [1, 1]);
}

#[test]
fn idle_streams_are_notified_before_busy_ones() {
    let mut set = WaitSet::default();
    let [busy, keeper, one, two] = tasks(&mut set);
    set.register(busy.slot, Registration::Early);
    assert!(set.notify_some(1, 64, &[keeper.slot]));
    assert!(set.notify(keeper.slot));
    wake_all(&mut set);
    assert_eq!(wakes(&[busy, keeper, one, two]), [0, 1, 1, 0]);
}

#[test]
fn the_lowest_free_slot_is_assigned_and_empty_blocks_are_freed() {
    let mut set = WaitSet::default();
    let tasks: Vec<_> = (0..10_000).map(|_| Task::new(&mut set)).collect();
    for task in &tasks[70..] {
        drop(set.close(task.slot));
    }
    drop(set.close(9));
    assert_eq!([set.open(), set.open()], [9, 70]);
    assert_eq!(set.blocks.len(), 2);
    assert!(set.blocks.capacity() < 20);
}

/// The model of a slot.
#[derive(Clone, Copy, Default)]
struct Naive {
    waits: bool,
    is_pending: bool,
}

proptest! {
    /// Whatever happens while batches are out, a stream is woken if and only if it is pending.
    #[test]
    fn each_pending_stream_is_woken_once(
        operations in prop::collection::vec((0_u8..9, 0_usize..150), 1..400),
    ) {
        let mut set = WaitSet::default();
        let mut tasks: Vec<Task> = (0..150).map(|_| Task::new(&mut set)).collect();
        let mut model = vec![Naive { waits: true, ..Naive::default() }; 150];
        let mut out = Vec::new();
        for (operation, which) in operations {
            let (task, naive) = (&mut tasks[which], &mut model[which]);
            match operation {
                0 | 1 => {
                    if !set.has_waker(task.slot) {
                        drop(set.put(task.slot, task.waker.clone()));
                    }
                    prop_assert!(set.register(task.slot, Registration::Idle));
                    *naive = Naive { waits: true, ..Naive::default() };
                }
                2 => {
                    if !set.has_waker(task.slot) {
                        drop(set.put(task.slot, task.waker.clone()));
                    }
                    set.park(task.slot);
                    *naive = Naive::default();
                }
                3 => {
                    // Another task polls the stream, which keeps its slot.
                    *task = Task::in_slot(task.slot);
                    drop(set.put(task.slot, task.waker.clone()));
                }
                4 => {
                    drop(set.close(task.slot));
                    prop_assert_eq!(task.clones(), out_clones(&out, task));
                    *task = Task::in_slot(set.open());
                    *naive = Naive::default();
                }
                5 => {
                    set.announce();
                    for naive in &mut model {
                        naive.is_pending |= core::mem::take(&mut naive.waits);
                    }
                }
                6 => {
                    let batch = set.next_batch(false);
                    batch.wake();
                    out.push(batch);
                }
                7 => {
                    if !out.is_empty() {
                        let mut batch: Batch = out.swap_remove(which % out.len());
                        set.give_back(&mut batch);
                    }
                }
                _ => {
                    if set.notify(task.slot) {
                        prop_assert!(naive.waits);
                        *naive = Naive { is_pending: true, ..Naive::default() };
                    }
                }
            }
            for (task, naive) in tasks.iter().zip(&mut model) {
                let wakes = task.wakes();
                prop_assert!(wakes <= usize::from(naive.is_pending), "only pending streams are woken");
                naive.is_pending &= wakes == 0;
            }
        }
        for mut batch in out {
            set.give_back(&mut batch);
        }
        while set.has_pending() {
            prop_assert!(wake_batch(&mut set) > 0);
        }
        for (task, naive) in tasks.iter().zip(&model) {
            prop_assert_eq!(task.wakes(), usize::from(naive.is_pending));
            drop(set.close(task.slot));
            prop_assert_eq!(task.clones(), 0);
        }
        prop_assert_eq!(set.blocks.len(), 0);
    }
}

/// How many batches hold a task's waker.
fn out_clones(out: &[Batch], task: &Task) -> usize {
    let blocks = out.iter().flat_map(|batch| &batch.blocks);
    let wakers = blocks.flat_map(|block| block.wakers.iter().flatten());
    let singles = out.iter().flat_map(|batch| &batch.singles);
    let is_own = |waker: &&Waker| waker.will_wake(&task.waker);
    wakers.chain(singles).filter(is_own).count()
}
