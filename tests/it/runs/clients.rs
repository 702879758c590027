//! The clients of the npm packages `ai` and `@tanstack/ai-client`, behind a proxy that cuts every
//! connection.
//!
//! ```sh
//! cargo test --test it runs::clients -- --ignored
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::outside::proxy::Proxy;
use crate::outside::server::Server;

/// What a connection bears: about four tokens beside the head of the response.
const CUT: usize = 700;

const FILES: [&str; 5] = [
    "examples/continuing.mjs",
    "tests/clients/runs/ai.mjs",
    "tests/clients/runs/package.json",
    "tests/clients/runs/package-lock.json",
    "tests/clients/runs/tanstack.mjs",
];

/// The scripts beside the packages that they use.
fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let from = Path::new(env!("CARGO_MANIFEST_DIR"));
        let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("runs");
        fs::create_dir_all(&to).unwrap();
        for file in FILES {
            let file = from.join(file);
            fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        assert!(npm.current_dir(&to).status().unwrap().success());
        to
    })
}

/// What a script prints.
fn run(script: &str, arguments: &[&str]) -> Value {
    let mut node = Command::new("node");
    node.current_dir(installed()).arg(script).args(arguments);
    let output = node.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn ask_as_ai(mode: &str, prompt: &str, bytes: fn(usize) -> usize) -> Value {
    let server = Server::start("runs", &["--delay", "1"]);
    let proxy = Proxy::cutting(server.address(), bytes);
    let url = format!("http://{}", proxy.address());
    run("ai.mjs", &[&url, mode, prompt])
}

fn prompt() -> String {
    let words = (0..60).map(|n| format!("word{n}"));
    words.collect::<Vec<_>>().join(" ")
}

/// The tokens in the chunks of either client.
fn tokens(chunks: &Value) -> Vec<&str> {
    let chunks = chunks.as_array().unwrap().iter();
    chunks.filter_map(|chunk| chunk["delta"].as_str()).collect()
}

fn types(chunks: &Value) -> Vec<&str> {
    let chunks = chunks.as_array().unwrap().iter();
    let mut types: Vec<_> = chunks
        .map(|chunk| chunk["type"].as_str().unwrap())
        .collect();
    types.dedup();
    types
}

fn was_cut(result: &Value) -> bool {
    result["requests"].as_u64().unwrap() > 10
}

#[test]
#[ignore = "needs node and npm"]
fn the_transport_of_ai_continues_exactly_until_204() {
    let prompt = prompt();
    let result = ask_as_ai("chunks", &prompt, |_| CUT);
    let expected: Vec<_> = prompt.split_inclusive(' ').collect();
    assert_eq!(tokens(&result["chunks"]), expected);
    let expected = ["start", "text-start", "text-delta", "text-end", "finish"];
    assert_eq!(types(&result["chunks"]), expected);
    assert_eq!(result["last"], 204);
    assert!(was_cut(&result));
}

#[test]
#[ignore = "needs node and npm"]
fn a_chat_of_ai_that_continues_shows_each_token_once() {
    let prompt = prompt();
    let result = ask_as_ai("continue", &prompt, |_| CUT);
    assert_eq!(result["texts"], json!([prompt, prompt]));
    assert_eq!(result["again"], json!(prompt));
    assert_eq!(result["states"], json!(["done"]));
    assert_eq!(result["last"], 204);
    assert!(was_cut(&result));
}

#[test]
#[ignore = "needs node and npm"]
fn a_chat_of_ai_that_replays_shows_each_token_once() {
    let prompt = prompt();
    // A replay comes to an end only if its connection bears all of it.
    let result = ask_as_ai("replay", &prompt, |number| CUT * (number + 1));
    assert_eq!(result["texts"], json!([prompt, prompt]));
    assert_eq!(
        result["again"],
        json!(prompt),
        "another replay changes nothing"
    );
    assert_eq!(result["states"], json!(["done"]));
    assert!(result["requests"].as_u64().unwrap() > 5);
}

#[test]
#[ignore = "needs node and npm"]
fn a_chat_of_tanstack_shows_each_token_once() {
    let prompt = prompt();
    let server = Server::start("runs", &["--delay", "1"]);
    let proxy = Proxy::cutting(server.address(), |_| CUT);
    let url = format!("http://{}", proxy.address());
    let result = run("tanstack.mjs", &[&url, "chat", &prompt]);
    assert_eq!(result["texts"], json!([prompt, prompt]));
    assert_eq!(result["errors"], json!([]));
    assert!(was_cut(&result));
}

#[test]
#[ignore = "needs node and npm"]
fn the_connection_of_tanstack_continues_exactly_and_joins_a_run() {
    let prompt = prompt();
    let server = Server::start("runs", &["--delay", "1"]);
    let proxy = Proxy::cutting(server.address(), |_| CUT);
    let url = format!("http://{}", proxy.address());
    for mode in ["connect", "join"] {
        let result = run("tanstack.mjs", &[&url, mode, &prompt]);
        let expected: Vec<_> = prompt.split_inclusive(' ').collect();
        assert_eq!(tokens(&result["chunks"]), expected, "{mode}");
        let expected = [
            "RUN_STARTED",
            "TEXT_MESSAGE_START",
            "TEXT_MESSAGE_CONTENT",
            "TEXT_MESSAGE_END",
            "RUN_FINISHED",
        ];
        assert_eq!(types(&result["chunks"]), expected, "{mode}");
        assert!(was_cut(&result), "{mode}");
    }
}
