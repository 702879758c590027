use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;

use bytes::Bytes;
use futures_util::Stream;

/// What the streams yielded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The number of chunks.
    pub chunks: usize,
    /// The number of bytes.
    pub bytes: usize,
}

/// The smallest executor that wakes for real: streams, and a list of those that are ready.
#[derive(Debug)]
pub struct Tasks<S> {
    all: Vec<Task<S>>,
    ready: Arc<Ready>,
    running: Vec<usize>,
}

#[derive(Debug)]
struct Task<S> {
    stream: Pin<Box<S>>,
    turn: Arc<Turn>,
    waker: Waker,
}

#[derive(Debug)]
struct Turn {
    place: usize,
    is_ready: AtomicBool,
    ready: Arc<Ready>,
}

#[derive(Debug, Default)]
struct Ready(Mutex<Vec<usize>>);

impl<S: Stream<Item = Bytes>> Tasks<S> {
    /// Each stream in a task of its own, polled until it waits.
    pub fn new(streams: impl Iterator<Item = S>) -> Self {
        let ready = Arc::new(Ready::default());
        let task = |(place, stream)| {
            let turn = Arc::new(Turn {
                place,
                is_ready: AtomicBool::new(false),
                ready: Arc::clone(&ready),
            });
            let waker = Waker::from(Arc::clone(&turn));
            waker.wake_by_ref();
            Task {
                stream: Box::pin(stream),
                turn,
                waker,
            }
        };
        let all = streams.enumerate().map(task).collect();
        let mut tasks = Self {
            all,
            ready,
            running: Vec::new(),
        };
        tasks.run();
        tasks
    }

    /// Polls all that are ready until they wait, and those that they wake.
    pub fn run(&mut self) -> Given {
        let mut given = Given::default();
        loop {
            self.ready.with(|ready| mem::swap(ready, &mut self.running));
            if self.running.is_empty() {
                return given;
            }
            self.run_ready(&mut given);
        }
    }

    fn run_ready(&mut self, given: &mut Given) {
        for place in self.running.drain(..) {
            let Some(task) = self.all.get_mut(place) else {
                continue;
            };
            task.turn.is_ready.store(false, Ordering::Release);
            let mut cx = Context::from_waker(&task.waker);
            while let Poll::Ready(Some(chunk)) = task.stream.as_mut().poll_next(&mut cx) {
                given.chunks += 1;
                given.bytes += chunk.len();
            }
        }
    }
}

impl Ready {
    fn with<R>(&self, work: impl FnOnce(&mut Vec<usize>) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_ready.swap(true, Ordering::AcqRel) {
            self.ready.with(|ready| ready.push(self.place));
        }
    }
}
