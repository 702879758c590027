use core::time::Duration;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Outcome;
use crate::scenario::{Scenario, Who};

/// What one run came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// The server's processor time for each delivered event, in nanoseconds.
    pub(crate) cpu: f64,
    /// Delivered events a second.
    pub(crate) rate: f64,
}

/// Files and sockets for each process.
const FILES: u64 = 4_096;

/// A server and its clients, from start to end.
pub(crate) fn once(who: Who, scenario: &Scenario) -> Outcome<Figures> {
    raise_limit();
    let mut server = Process::start(&["serve", who.name()], scenario)?;
    let port = server.hear("port")?.to_string();
    let mut clients = Process::start(&["read", &port], scenario)?;
    clients.hear("ready")?;
    server.tell("go")?;
    let took = clients.hear("took")?;
    server.tell("stop")?;
    let cpu = server.hear("cpu")?;

    let events = scenario.clients as f64 * scenario.events as f64;
    Ok(Figures {
        cpu: cpu as f64 / events,
        rate: events / Duration::from_nanos(took).as_secs_f64(),
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
    // Where it stays too low, the clients say so.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// This program in another role. It ends when its input does.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(role: &[&str], scenario: &Scenario) -> Outcome<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args(role)
            .args(scenario.to_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
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

    /// Waits for a word and the number behind it.
    fn hear(&mut self, word: &str) -> Outcome<u64> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let number = line.trim().strip_prefix(word).map(str::trim);
        let number = number.ok_or_else(|| format!("waited for {word:?}, heard {line:?}"))?;
        Ok(number.parse()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
