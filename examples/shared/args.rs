//! The flags.

use std::fmt::Display;
use std::net::{SocketAddr, ToSocketAddrs};
use std::num::{NonZeroU64, NonZeroUsize};
use std::process;
use std::time::Duration;

use lexopt::Arg::Long;
use lexopt::{Error, Parser, ValueExt};
use sse_queue::Pacing;
use sse_queue::queue::{Confirm, Overflow};
use sse_queue::stream::KeepAlive;

const HELP: &str = "\
Messages go in by POST /messages and come out as Server-Sent Events by GET /events.

  --listen ADDR                  default 127.0.0.1:3000; port 0 picks a free one
  --mode queue|broadcast         each message to one stream, or to every stream; default queue
  --interval MS                  tick length; 0 delivers at once
                                 default 1000 in queue mode, 0 in broadcast mode
  --rate MS                      queue mode: period in which at most one message leaves, over all
                                 streams together; default 0, no limit
  --batch N                      messages a tick, default 1
  --spacing MS                   with --interval 0: least time between two chunks of a stream,
                                 default 0
  --capacity N                   messages that the queue holds, default 65536 (and 256 MiB);
                                 in broadcast mode those that wait to fall due
  --overflow reject|drop-oldest  what a full queue does, default reject
  --history N                    messages kept for replay in broadcast mode, default 65536
                                 (and 256 MiB)
  --keep-alive MS                default 15000; 0 switches it off
  --max-body BYTES               largest body of POST /messages, default 1048576
  --max-streams N                streams open at once, default 100000
  --at-least-once MS             queue mode: a message comes again unless it is confirmed by
                                 POST /ack/ID within that time, default off
  --max-in-flight N              with --at-least-once: unconfirmed messages per stream, default 1
  --confirm ack|resume           with --at-least-once: whether a client that comes back with an id
                                 thereby confirms what it has seen, default ack
  --help                         prints this";

/// The settings on the command line.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) listen: SocketAddr,
    pub(crate) mode: Mode,
    pub(crate) pacing: Pacing,
    /// The period in which at most one message leaves. Zero is no limit.
    pub(crate) rate: Duration,
    pub(crate) capacity: NonZeroUsize,
    pub(crate) overflow: Overflow,
    pub(crate) history: NonZeroUsize,
    pub(crate) keep_alive: KeepAlive,
    pub(crate) max_body: usize,
    pub(crate) max_streams: usize,
    /// How long a message is leased. `None` delivers at most once.
    pub(crate) lease: Option<Duration>,
    /// The maximum number of unconfirmed messages per stream.
    pub(crate) max_in_flight: NonZeroUsize,
    pub(crate) confirm: Confirm,
}

/// Which streams get a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Queue,
    Broadcast,
}

impl Args {
    /// Reads the command line; ends the process if that is wrong or asks for help.
    pub(crate) fn from_env() -> Self {
        Flags::parse(Parser::from_env())
            .and_then(Self::try_from)
            .unwrap_or_else(|error| {
                eprintln!("error: {error}");
                process::exit(2)
            })
    }
}

impl TryFrom<Flags> for Args {
    type Error = Error;

    fn try_from(flags: Flags) -> Result<Self, Error> {
        if flags.lease.is_some() && flags.mode == Mode::Broadcast {
            return Err("--at-least-once needs --mode queue".into());
        }
        if flags.rate != 0 && flags.mode == Mode::Broadcast {
            return Err("--rate needs --mode queue".into());
        }
        if flags.lease.is_none() {
            if flags.max_in_flight.is_some() {
                return Err("--max-in-flight needs --at-least-once".into());
            }
            if flags.confirm.is_some() {
                return Err("--confirm needs --at-least-once".into());
            }
        }
        let usual_interval = match flags.mode {
            Mode::Queue => 1000,
            Mode::Broadcast => 0,
        };
        let interval = Duration::from_millis(flags.interval.unwrap_or(usual_interval));
        let spacing = Duration::from_millis(flags.spacing);
        let pacing = match (interval.is_zero(), spacing.is_zero()) {
            // Without spacing these are immediate.
            (true, _) => Pacing::spaced(spacing),
            (false, true) => Pacing::every(interval).batch(flags.batch.get()),
            (false, false) => return Err("--spacing needs --interval 0".into()),
        };
        Ok(Self {
            listen: flags.listen,
            mode: flags.mode,
            pacing,
            rate: Duration::from_millis(flags.rate),
            capacity: flags.capacity,
            overflow: flags.overflow,
            history: flags.history,
            // A period of zero is off.
            keep_alive: KeepAlive::comment(Duration::from_millis(flags.keep_alive)),
            max_body: flags.max_body,
            max_streams: flags.max_streams,
            lease: flags
                .lease
                .map(|millis| Duration::from_millis(millis.get())),
            max_in_flight: flags.max_in_flight.unwrap_or(NonZeroUsize::MIN),
            confirm: flags.confirm.unwrap_or_default(),
        })
    }
}

/// The flags one by one, each valid by itself.
struct Flags {
    listen: SocketAddr,
    mode: Mode,
    interval: Option<u64>,
    rate: u64,
    batch: NonZeroUsize,
    spacing: u64,
    capacity: NonZeroUsize,
    overflow: Overflow,
    history: NonZeroUsize,
    keep_alive: u64,
    max_body: usize,
    max_streams: usize,
    lease: Option<NonZeroU64>,
    max_in_flight: Option<NonZeroUsize>,
    confirm: Option<Confirm>,
}

impl Flags {
    fn parse(mut args: Parser) -> Result<Self, Error> {
        let mut flags = Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3000)),
            mode: Mode::Queue,
            interval: None,
            rate: 0,
            batch: NonZeroUsize::MIN,
            spacing: 0,
            capacity: NonZeroUsize::MIN.saturating_add(65_535),
            overflow: Overflow::Reject,
            history: NonZeroUsize::MIN.saturating_add(65_535),
            keep_alive: 15_000,
            max_body: 1 << 20,
            max_streams: 100_000,
            lease: None,
            max_in_flight: None,
            confirm: None,
        };
        while let Some(arg) = args.next()? {
            match arg {
                Long("listen") => flags.listen = value(&mut args, "listen", address)?,
                Long("mode") => flags.mode = value(&mut args, "mode", mode)?,
                Long("interval") => {
                    flags.interval = Some(value(&mut args, "interval", str::parse)?);
                }
                Long("rate") => flags.rate = value(&mut args, "rate", str::parse)?,
                Long("batch") => flags.batch = value(&mut args, "batch", str::parse)?,
                Long("spacing") => flags.spacing = value(&mut args, "spacing", str::parse)?,
                Long("capacity") => flags.capacity = value(&mut args, "capacity", str::parse)?,
                Long("overflow") => flags.overflow = value(&mut args, "overflow", overflow)?,
                Long("history") => flags.history = value(&mut args, "history", str::parse)?,
                Long("keep-alive") => {
                    flags.keep_alive = value(&mut args, "keep-alive", str::parse)?;
                }
                Long("max-body") => flags.max_body = value(&mut args, "max-body", str::parse)?,
                Long("max-streams") => {
                    flags.max_streams = value(&mut args, "max-streams", str::parse)?;
                }
                Long("at-least-once") => {
                    flags.lease = Some(value(&mut args, "at-least-once", str::parse)?);
                }
                Long("max-in-flight") => {
                    flags.max_in_flight = Some(value(&mut args, "max-in-flight", str::parse)?);
                }
                Long("confirm") => flags.confirm = Some(value(&mut args, "confirm", confirm)?),
                Long("help") => {
                    println!("{HELP}");
                    process::exit(0)
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok(flags)
    }
}

/// The value of a flag; an error names the flag.
fn value<T, E: Display>(
    args: &mut Parser,
    flag: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Error> {
    let text = args.value()?.string()?;
    parse(&text).map_err(|error| format!("--{flag} {text:?}: {error}").into())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "no such host".to_owned())
}

fn mode(text: &str) -> Result<Mode, &'static str> {
    match text {
        "queue" => Ok(Mode::Queue),
        "broadcast" => Ok(Mode::Broadcast),
        _ => Err("expected queue or broadcast"),
    }
}

fn overflow(text: &str) -> Result<Overflow, &'static str> {
    match text {
        "reject" => Ok(Overflow::Reject),
        "drop-oldest" => Ok(Overflow::DropOldest),
        _ => Err("expected reject or drop-oldest"),
    }
}

fn confirm(text: &str) -> Result<Confirm, &'static str> {
    match text {
        "ack" => Ok(Confirm::ByAck),
        "resume" => Ok(Confirm::ByResume),
        _ => Err("expected ack or resume"),
    }
}
