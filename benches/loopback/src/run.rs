//! One run: a server and its clients, each a process.

use core::time::Duration;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Outcome;
use crate::scenario::{Scenario, Who};

/// The result of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// The server's processor time for each delivered event, in nanoseconds.
    pub(crate) cpu: f64,
    /// Delivered events a second.
    pub(crate) rate: f64,
    /// From a message's publication, or its `POST`, to the read of its event, in milliseconds: the
    /// median.
    pub(crate) p50: f64,
    /// The same for the slowest hundredth.
    pub(crate) p99: f64,
}

/// Files and sockets for each process.
const FILES: u64 = 4_096;

/// A server and its clients, from start to end.
pub(crate) fn once(who: Who, scenario: &Scenario) -> Outcome<Figures> {
    raise_limit();
    let mut server = Process::server(who, scenario)?;
    let port = match who {
        Who::Example => server.hear("listening on http://127.0.0.1:")?,
        _ => server.hear("port")?,
    };
    let mut clients = Process::start(&["read", &port.to_string()], scenario)?;
    clients.hear("ready")?;
    let before = server.cpu()?;
    // The example needs no input.
    if who != Who::Example {
        server.tell("go")?;
    }
    clients.tell("go")?;
    let took = clients.hear("took")?;
    let cpu = server.cpu()?.saturating_sub(before);
    let [p50, p99] = [clients.hear("p50")?, clients.hear("p99")?];

    let events = scenario.clients as f64 * scenario.events as f64;
    Ok(Figures {
        cpu: cpu.as_nanos() as f64 / events,
        rate: events / Duration::from_nanos(took).as_secs_f64(),
        p50: Duration::from_nanos(p50).as_secs_f64() * 1e3,
        p99: Duration::from_nanos(p99).as_secs_f64() * 1e3,
    })
}

fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current.filter(|current| *current < FILES) else {
        return;
    };
    let most = limit.maximum.unwrap_or(FILES);
    let raised = Rlimit {
        current: Some(FILES.min(most).max(current)),
        ..limit
    };
    // If the limit stays too low, the clients report it.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// This program in another role, or the example. It ends when its input does, or this value.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn server(who: Who, scenario: &Scenario) -> Outcome<Self> {
        if who != Who::Example {
            return Self::start(&["serve", who.name()], scenario);
        }
        let mut example = env::current_exe()?;
        example.set_file_name("examples");
        example.push("axum");
        let mut command = Command::new(&example);
        command.args(["--listen", "127.0.0.1:0", "--interval", "0"]);
        Self::spawn(command).map_err(|error| {
            let example = example.display();
            format!("{example}: {error}; `cargo build --release --example axum`").into()
        })
    }

    fn start(role: &[&str], scenario: &Scenario) -> Outcome<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args(role).args(scenario.to_args());
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Outcome<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self {
            child,
            input,
            output,
        })
    }

    fn tell(&mut self, word: &str) -> Outcome<()> {
        Ok(writeln!(self.input, "{word}")?)
    }

    /// Waits for a word and the number after it.
    fn hear(&mut self, word: &str) -> Outcome<u64> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let number = line.trim().strip_prefix(word).map(str::trim);
        let number = number.ok_or_else(|| format!("waited for {word:?}, heard {line:?}"))?;
        Ok(number.parse()?)
    }

    /// The processor time of all its threads so far, including what the kernel did for them. The
    /// scheduler counts it in nanoseconds, for any program alike.
    fn cpu(&self) -> Outcome<Duration> {
        let mut sum = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // A thread may end in the meantime.
            let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else {
                continue;
            };
            let nanos = text.split_whitespace().next().ok_or("no processor time")?;
            sum += nanos.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(sum))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
