use core::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Processor time, without that of other programs.
#[derive(Clone, Copy, Debug)]
pub struct CpuTime {
    clock: ClockId,
    start: Duration,
}

impl CpuTime {
    /// Starts to count the calling thread's.
    #[must_use]
    pub fn of_thread() -> Self {
        Self::of(ClockId::ThreadCPUTime)
    }

    /// Starts to count the whole process's, including what the kernel does for it.
    #[must_use]
    pub fn of_process() -> Self {
        Self::of(ClockId::ProcessCPUTime)
    }

    fn of(clock: ClockId) -> Self {
        let start = duration(clock_gettime(clock));
        Self { clock, start }
    }

    /// The time used since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        duration(clock_gettime(self.clock)).saturating_sub(self.start)
    }
}

fn duration(time: Timespec) -> Duration {
    Duration::try_from(time).unwrap_or_default()
}
