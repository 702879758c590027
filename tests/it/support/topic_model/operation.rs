//! What can be done with a topic, as triples of bytes.

use std::time::Duration;

use sse_queue::topic::Lag;

use super::world::MOST_CLIENTS;

pub const OWN_IDS: [&str; 3] = ["x", "y", "z"];

/// What bounds a topic's history: all are small, so that streams lag.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub messages: u64,
    pub bytes: u64,
    pub age: Option<Duration>,
}

impl Bounds {
    pub fn decode([messages, bytes, age]: [u8; 3]) -> Self {
        Self {
            messages: u64::from(messages % 100) + 1,
            bytes: 200 + 20 * u64::from(bytes),
            age: some(age, 2).then(|| ms(age)),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Publish {
        own_id: Option<&'static str>,
        after: Option<Duration>,
        expires_after: Option<Duration>,
    },
    Burst(u8),
    Cancel(u8),
    Subscribe {
        client: usize,
        how: How,
        start: From,
    },
    /// A slow stream reads its next chunk.
    Read(usize),
    Disconnect(usize),
    Advance(Duration),
    /// A driver starts, or is dropped.
    Drive,
    /// All streams break off, and a new topic replaces this one.
    Restart,
    Close,
    Abort,
}

#[derive(Clone, Copy, Debug)]
pub enum From {
    Now,
    Oldest,
    Last(u64),
    /// Where this client, or the one that had its slot before, left off.
    LastSeen,
}

/// How a stream is set up, and whether its client takes all that is ready at once.
#[derive(Clone, Copy, Debug)]
pub struct How {
    pub pace: Pace,
    pub lag: Lag,
    pub is_slow: bool,
    pub has_keep_alive: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    Immediate,
    Spaced,
    Every,
}

impl Operation {
    pub fn decode([kind, one, two]: [u8; 3]) -> Self {
        let client = usize::from(one) % MOST_CLIENTS;
        match kind % 32 {
            0..=8 => Self::Publish {
                own_id: some(one, 5).then(|| OWN_IDS[usize::from(one / 5) % 3]),
                after: (kind % 32 > 5).then(|| ms(one)),
                expires_after: some(two, 3).then(|| ms(two / 2)),
            },
            9 => Self::Burst(one),
            10 => Self::Cancel(one),
            11..=16 => Self::Subscribe {
                client,
                how: How::decode(two),
                start: match one / 6 % 8 {
                    0 => From::Now,
                    1 => From::Oldest,
                    2 => From::Last(u64::from(two % 9)),
                    _ => From::LastSeen,
                },
            },
            17..=20 => Self::Read(client),
            21..=22 => Self::Disconnect(client),
            23..=28 => Self::Advance(ms(one)),
            29 if some(one, 3) => Self::Restart,
            30 if some(one, 3) => Self::Close,
            31 if some(one, 6) => Self::Abort,
            29 => Self::Drive,
            _ => Self::Advance(ms(one / 16)),
        }
    }
}

impl How {
    pub fn decode(byte: u8) -> Self {
        Self {
            pace: match byte % 4 {
                0 | 1 => Pace::Immediate,
                2 => Pace::Spaced,
                _ => Pace::Every,
            },
            lag: if some(byte / 4, 4) {
                Lag::End
            } else {
                Lag::Skip
            },
            is_slow: some(byte / 16, 2),
            has_keep_alive: some(byte / 32, 2),
        }
    }
}

/// For one in `of` bytes.
pub fn some(byte: u8, of: u8) -> bool {
    byte.is_multiple_of(of)
}

pub fn ms(millis: u8) -> Duration {
    Duration::from_millis(u64::from(millis))
}
