//! Which file may know which: a file uses only lower layers. Files are named by their paths.

#![cfg(not(loom))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::similar_names,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// From the bottom up, each name with the files below it; the longest name decides. So a new file
/// in a folder has its folder's layer, and one that is pure is listed here.
///
/// ```text
/// 5  lib                            names
/// 4  stream  header                 the only poll that faces the user; the only user of `http`
/// 3  queue  topic  topics  relay    a lock around pure parts
/// 2  the pure parts of these, and real and fake time
/// 1  event  message  source  time  ordered  seq_map  wake  sync
/// ```
const LAYERS: [(u8, &[&str]); 5] = [
    (
        1,
        &[
            "event", "message", "source", "time", "ordered", "seq_map", "wake", "sync",
        ],
    ),
    (
        2,
        &[
            "queue/ack_history",
            "queue/backlog",
            "queue/bounds",
            "queue/consumers",
            "queue/dead_letter",
            "queue/delivery",
            "queue/item",
            "queue/lease",
            "queue/receipt",
            "queue/state",
            "queue/stats",
            "queue/step",
            "queue/wait_queue",
            "topic/log",
            "topic/cursor",
            "topic/drivers",
            "topic/effects",
            "topic/gap_event",
            "topic/listeners",
            "topic/publish",
            "topic/resume",
            "topic/state",
            "topic/status",
            "topic/store",
            "topic/timekeepers",
            "topic/wait_set",
            "stream/idle",
            "stream/moment",
            "stream/pacing",
            "stream/recheck",
            "time/system",
            "time/thread",
            "time/fake",
        ],
    ),
    (3, &["queue", "topic", "topics", "relay"]),
    (4, &["stream", "header"]),
    (5, &["lib"]),
];

/// What has no lock and no clock: time is an argument.
const PURE: [&str; 36] = [
    "event",
    "ordered",
    "queue/ack_history",
    "queue/backlog",
    "queue/bounds",
    "queue/consumers",
    "queue/dead_letter",
    "queue/delivery",
    "queue/item",
    "queue/lease",
    "queue/receipt",
    "queue/state",
    "queue/stats",
    "queue/step",
    "queue/wait_queue",
    "seq_map",
    "source/chunk",
    "source/pull",
    "stream/idle",
    "stream/moment",
    "stream/pacing",
    "stream/recheck",
    "time/timers",
    "topic/cursor",
    "topic/drivers",
    "topic/effects",
    "topic/gap_event",
    "topic/listeners",
    "topic/log",
    "topic/publish",
    "topic/resume",
    "topic/state",
    "topic/status",
    "topic/store",
    "topic/timekeepers",
    "topic/wait_set",
];

/// What a pure file does not name.
const IMPURE: [&str; 8] = [
    "Mutex",
    "MutexGuard",
    "RwLock",
    "Clock",
    "SystemClock",
    "FakeClock",
    "Instant",
    "thread",
];

/// Each file by its path, without `.rs`, with its code: no comments, no tests.
type Files = BTreeMap<String, String>;

fn is_or_is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn layer(file: &str) -> Result<u8, String> {
    let names = LAYERS.iter();
    let names =
        names.flat_map(|(layer, names)| names.iter().map(|name| (name.len(), *layer, name)));
    let found = names.filter(|(.., name)| is_or_is_in(file, name)).max();
    found.map_or(Err(format!("{file} stands in no layer")), |found| {
        Ok(found.1)
    })
}

fn is_pure(file: &str) -> bool {
    PURE.iter().any(|name| is_or_is_in(file, name))
}

/// The file or folder directly below `src` that a file belongs to.
fn wing(file: &str) -> &str {
    file.split('/').next().unwrap()
}

fn of_this_crate() -> Files {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut folders) = (Files::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().with_extension("");
            let name = name.to_str().unwrap().replace('\\', "/");
            if !name.ends_with("tests") {
                files.insert(name, code_of(&fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files
}

/// Without comments, and without what follows the first module of tests.
fn code_of(text: &str) -> String {
    let is_test = |line: &str| line == "#[cfg(test)]" || line == "#[cfg(all(test, loom))]";
    let lines = text.lines().take_while(|line| !is_test(line));
    let code = lines.filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| [line, "\n"]).collect()
}

/// The files that a file's code names by `crate::` or `super::`.
fn used(file: &str, files: &Files) -> BTreeSet<String> {
    let words = words_of(&files[file]);
    let mut used = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        // Not within a path, and not `pub(super)`.
        let starts_a_path = at == 0 || words[at - 1] != "::";
        if !starts_a_path || words.get(at + 1) != Some(&"::") {
            continue;
        }
        let start: Vec<_> = match *word {
            "crate" => Vec::new(),
            "super" => {
                let mut parents: Vec<_> = file.split('/').map(str::to_owned).collect();
                parents.pop();
                parents
            }
            _ => continue,
        };
        paths(&words[at + 1..], start, &mut |path| {
            used.extend(file_of(path, files));
        });
    }
    used.remove(file);
    used
}

/// Identifiers, `::`, and single other characters.
fn words_of(code: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
        let length = if is_name(first) {
            rest.find(|letter| !is_name(letter)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        words.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    words
}

/// Calls `found` with each path that starts with `path` and goes on with `words`: `::a::b`,
/// `::{a, b::C}`. Returns the number of words read.
fn paths(words: &[&str], mut path: Vec<String>, found: &mut impl FnMut(&[String])) -> usize {
    let mut at = 0;
    while words.get(at) == Some(&"::") {
        match words.get(at + 1) {
            Some(&"{") => {
                at += 2;
                while words.get(at).is_some_and(|word| *word != "}") {
                    let mut inner = path.clone();
                    inner.push(words[at].to_owned());
                    at += 1;
                    at += paths(&words[at..], inner, found);
                    // `as name`, and the comma.
                    while words
                        .get(at)
                        .is_some_and(|word| !matches!(*word, "," | "}"))
                    {
                        at += 1;
                    }
                    at += usize::from(words.get(at) == Some(&","));
                }
                return at + 1;
            }
            Some(&"super") => drop(path.pop()),
            Some(name) => path.push((*name).to_owned()),
            None => break,
        }
        at += 2;
    }
    found(&path);
    at
}

/// The file that a path of modules and names leads into; the crate's own names are `lib`'s.
fn file_of(path: &[String], files: &Files) -> Option<String> {
    let lengths = (1..=path.len()).rev();
    let found = lengths.map(|length| path[..length].join("/"));
    let mut found = found.filter(|name| files.contains_key(name));
    let is_unknown_module = path
        .first()
        .is_some_and(|name| !name.starts_with(char::is_uppercase));
    found.next().or_else(|| match path {
        [] => None,
        [name, ..] if is_unknown_module => Some(name.clone()),
        _ => Some("lib".to_owned()),
    })
}

fn check_use(user: &str, used: &str) -> Result<(), String> {
    let (above, below) = (layer(user)?, layer(used)?);
    let same_wing = wing(user) == wing(used);
    let is_inner = used.contains('/') && layer(wing(used))? > 1;
    let allowed = match above.cmp(&below) {
        _ if is_inner && !same_wing => false,
        _ if is_pure(user) && (used == "sync" || below > 1 && !is_pure(used)) => false,
        std::cmp::Ordering::Greater => true,
        // The lowest may use each other, as long as there is no circle.
        std::cmp::Ordering::Equal => same_wing || below == 1,
        std::cmp::Ordering::Less => false,
    };
    let fault = || format!("{user} uses {used}");
    if allowed { Ok(()) } else { Err(fault()) }
}

/// What breaks the rules, in words.
fn faults(files: &Files) -> Vec<String> {
    let mut faults = Vec::new();
    let mut wings: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (file, code) in files {
        faults.extend(layer(file).err());
        let all = used(file, files);
        faults.extend(all.iter().filter_map(|used| check_use(file, used).err()));
        let others = all.iter().map(|used| wing(used).to_owned());
        let others = others.filter(|used| used != wing(file));
        wings.entry(wing(file)).or_default().extend(others);
        let words = words_of(code);
        let named = words
            .iter()
            .filter(|word| is_pure(file) && IMPURE.contains(word));
        faults.extend(named.map(|word| format!("{file} names {word}")));
        let is_http = |pair: &[&str]| pair == ["http", "::"] || pair == ["http", "as"];
        if wing(file) != "header" && words.windows(2).any(is_http) {
            faults.push(format!("{file} names http"));
        }
    }
    for wing in wings.keys() {
        if reaches(&wings, wing, wing, &mut BTreeSet::new()) {
            faults.push(format!("{wing} uses itself by way of others"));
        }
    }
    faults
}

fn reaches<'a>(
    wings: &'a BTreeMap<&str, BTreeSet<String>>,
    from: &str,
    to: &str,
    seen: &mut BTreeSet<&'a str>,
) -> bool {
    let Some(all) = wings.get(from) else {
        return false;
    };
    all.iter()
        .any(|used| used == to || (seen.insert(used) && reaches(wings, used, to, seen)))
}

#[test]
fn a_file_uses_only_lower_layers() {
    let files = of_this_crate();
    assert!(used("stream/connect", &files).contains("queue"), "it reads");
    assert!(used("stream/connect", &files).contains("stream"), "`super`");
    assert_eq!(faults(&files), [""; 0]);
}

#[test]
fn every_pure_file_exists() {
    let files = of_this_crate();
    for name in PURE {
        let mut files = files.keys();
        assert!(files.any(|file| is_or_is_in(file, name)), "{name}");
    }
}

#[test]
fn a_planted_import_is_found() {
    for (user, code, fault) in [
        (
            "event",
            "use crate::encode::A;",
            "encode stands in no layer",
        ),
        ("news", "", "news stands in no layer"),
        ("event", "use crate::queue::Queue;", "event uses queue"),
        ("ordered", "crate::queue::Queue", "ordered uses queue"),
        ("queue/lease", "use super::Queue;", "queue/lease uses queue"),
        (
            "queue/lease",
            "use super::push;",
            "queue/lease uses queue/push",
        ),
        (
            "queue/new",
            "use crate::topic::Topic;",
            "queue/new uses topic",
        ),
        (
            "queue/a/b",
            "super::super::super::stream::S",
            "queue/a/b uses stream",
        ),
        (
            "queue",
            "use crate::{sync::M, stream::S};",
            "queue uses stream",
        ),
        (
            "header",
            "use crate::queue::state::S;",
            "header uses queue/state",
        ),
        ("topic", "use crate::Event;", "topic uses lib"),
        (
            "time",
            "use crate::message::M;",
            "time uses itself by way of others",
        ),
        ("seq_map", "use crate::sync::Mutex;", "seq_map uses sync"),
        ("seq_map", "use std::sync::Mutex;", "seq_map names Mutex"),
        (
            "topic/log",
            "fn f(clock: &dyn Clock) {}",
            "topic/log names Clock",
        ),
        ("stream", "fn f(a: http::HeaderMap) {}", "stream names http"),
    ] {
        let mut files = of_this_crate();
        files.entry(user.to_owned()).or_default().push_str(code);
        let faults = faults(&files);
        assert!(faults.contains(&fault.to_owned()), "{fault}: {faults:?}");
    }
}

#[test]
fn a_new_file_needs_no_entry() {
    for (file, code) in [
        (
            "queue/outlet",
            "use super::{Queue, step::Step}; use crate::sync::Mutex;",
        ),
        ("topic/listeners", "use super::state::State;"),
        ("relay/window", "use crate::source::{Pull, Source};"),
        ("topic/log/new", "pub(super) fn f() {}"),
        (
            "stream/new",
            "use super::pacing::A; use crate::topic::Topic;",
        ),
    ] {
        let mut files = of_this_crate();
        files.insert(file.to_owned(), code.to_owned());
        assert_eq!(faults(&files), [""; 0], "{file}");
    }
}

#[test]
fn code_is_what_is_neither_comment_nor_test() {
    let text = "//! crate::no\nuse crate::a::A;\n    /// [x](crate::no)\n#[cfg(test)]\nmod tests {";
    assert_eq!(code_of(text), "use crate::a::A;\n");
}

#[test]
fn paths_are_resolved_to_files() {
    let mut files = of_this_crate();
    let code = "use super::{builder::{self as b, B}, Queue}; crate::time::system::now(); \
                pub(crate) fn f() {} pub(super) fn g(a: crate::Event) {}";
    files.insert("queue/new".to_owned(), code.to_owned());
    let found = used("queue/new", &files);
    let found: Vec<_> = found.iter().map(String::as_str).collect();
    assert_eq!(
        found,
        ["lib", "queue", "queue/builder", "time/system"],
        "not `pub(super)`"
    );
}
