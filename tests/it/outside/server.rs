use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use super::client::Connection;

/// An example server that runs until it is dropped.
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
    /// Kept open, as a terminal would be.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts an example on a free port and waits until it listens.
    pub(crate) fn start(example: &str, flags: &[&str]) -> Self {
        Self::start_at(example, "127.0.0.1:0", flags)
    }

    pub(crate) fn start_at(example: &str, address: &str, flags: &[&str]) -> Self {
        Self::spawn(Command::new(binary(example)), address, flags)
    }

    /// Starts an example that may open no more than `files` files.
    pub(crate) fn start_with_files(example: &str, files: u32, flags: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        let script = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script]).arg(binary(example));
        Self::spawn(shell, "127.0.0.1:0", flags)
    }

    fn spawn(mut command: Command, address: &str, flags: &[&str]) -> Self {
        let command = command.args(["--listen", address]).args(flags);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on http://");
        Self {
            process,
            address: address.unwrap().parse().unwrap(),
            _stdout: stdout,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// The counters.
    pub(crate) fn stats(&self) -> Value {
        self.connect().get("/stats").json()
    }

    /// How much memory it has to itself, in KiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.unwrap().trim().strip_suffix(" kB");
        kib.unwrap().parse().unwrap()
    }

    /// Asks until a counter has a value.
    pub(crate) fn wait_until(&self, counter: &str, value: u64) {
        let mut connection = self.connect();
        while connection.get("/stats").json()[counter] != value {
            std::thread::yield_now();
        }
    }

    /// Sends `TERM` or `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.process.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended and was waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs an example to its end.
pub(crate) fn run(example: &str, flags: &[&str]) -> Output {
    Command::new(binary(example)).args(flags).output().unwrap()
}

/// Where an example lies. Cargo builds no examples for a single test, so they are built here.
pub(crate) fn binary(example: &str) -> &'static Path {
    static BINARIES: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    &BINARIES.get_or_init(build)[example]
}

fn build() -> HashMap<String, PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--message-format", "json"]);
    for example in ["axum", "hyper", "rooms", "runs", "worker"] {
        cargo.args(["--example", example]);
    }
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    let messages = output.stdout.lines();
    let messages = messages.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    messages
        .filter(|message| message["target"]["kind"][0] == "example")
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?;
            let path = message["executable"].as_str()?;
            Some((name.to_owned(), path.into()))
        })
        .collect()
}
