//! The longest of many calls, and how long another thread waits in the meantime.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use broadcast::CpuTime;

/// The longest of many calls, in processor time, without that of other programs.
#[derive(Debug)]
pub struct Calls {
    clock: CpuTime,
    before: Duration,
    worst: Duration,
}

impl Calls {
    /// No call yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            clock: CpuTime::of_thread(),
            before: Duration::ZERO,
            worst: Duration::ZERO,
        }
    }

    /// Time between two calls does not count from here on.
    pub fn skip(&mut self) {
        self.before = self.clock.elapsed();
    }

    /// Times a call that begins where the last one ended.
    pub fn time<R>(&mut self, call: impl FnOnce() -> R) -> R {
        let result = call();
        let now = self.clock.elapsed();
        self.worst = self.worst.max(now.saturating_sub(self.before));
        self.before = now;
        result
    }

    /// The longest so far, in milliseconds.
    #[must_use]
    pub fn worst(&self) -> f64 {
        self.worst.as_secs_f64() * 1e3
    }
}

impl Default for Calls {
    fn default() -> Self {
        Self::new()
    }
}

/// The longest waits of a thread, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watched {
    /// On the hub that others work with.
    pub busy: f64,
    /// On a hub of its own: what the machine adds by itself.
    pub idle: f64,
}

const PAUSE: Duration = Duration::from_micros(50);

/// Does the work while another thread makes a call that takes the lock, again and again.
///
/// # Panics
///
/// If the other thread panics.
pub fn watched<R>(
    busy: impl Fn() + Send + 'static,
    idle: impl Fn() + Send + 'static,
    work: impl FnOnce() -> R,
) -> (R, Watched) {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let watcher = thread::spawn(move || {
        let mut worst = [Duration::ZERO; 2];
        while !stopped.load(Ordering::Relaxed) {
            worst[0] = worst[0].max(time(&busy));
            worst[1] = worst[1].max(time(&idle));
            thread::sleep(PAUSE);
        }
        worst.map(|worst| worst.as_secs_f64() * 1e3)
    });
    // Waits until it runs.
    thread::sleep(PAUSE * 20);
    let result = work();
    stop.store(true, Ordering::Relaxed);
    let [busy, idle] = watcher.join().expect("the watcher does not panic");
    (result, Watched { busy, idle })
}

fn time(call: &impl Fn()) -> Duration {
    let start = Instant::now();
    call();
    start.elapsed()
}
