//! The layers of `src`: a file uses only lower layers. Files are named by their paths.

mod files;

use std::collections::{BTreeMap, BTreeSet};

use self::files::{Files, is_or_is_in, of_this_crate, used, wing, words_of};

/// From the bottom up, each name with the files below it; the longest name decides. So a new file
/// in a folder has its folder's layer, and one that is pure is listed here.
///
/// ```text
/// 5  lib                            names
/// 4  stream  header                 the only poll that faces the user; the only user of `http`
/// 3  queue  topic  topics  relay    a lock around pure parts
/// 2  the pure parts of these, and real and fake time
/// 1  event  message  source  time  ordered  seq_map  wake  watchers  closed  sync
/// ```
const LAYERS: [(u8, &[&str]); 5] = [
    (
        1,
        &[
            "event", "message", "source", "time", "ordered", "seq_map", "wake", "watchers",
            "closed", "sync", "budget",
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
            "queue/gate",
            "queue/item",
            "queue/lease",
            "queue/peeked",
            "queue/push_error",
            "queue/rate",
            "queue/state",
            "queue/stats",
            "queue/step",
            "queue/wait_queue",
            "topic/log",
            "topic/cursor",
            "topic/drivers",
            "topic/effects",
            "topic/filters",
            "topic/filters",
            "topic/gap_event",
            "topic/listeners",
            "topic/presence",
            "topic/publish_error",
            "topic/resume",
            "topic/state",
            "topic/status",
            "topic/store",
            "topic/timekeepers",
            "topic/wait_set",
            "topics/code",
            "topics/error",
            "topics/stats",
            "topics/table",
            "stream/idle",
            "stream/moment",
            "stream/pace",
            "stream/recheck",
            "time/system",
            "time/thread",
            "time/fake",
        ],
    ),
    (3, &["queue", "topic", "topics", "relay"]),
    (4, &["stream", "header"]),
    (5, &["lib", "_guide"]),
];

/// What has no lock and no clock: time is an argument.
const PURE: [&str; 46] = [
    "event",
    "ordered",
    "queue/ack_history",
    "queue/backlog",
    "queue/bounds",
    "queue/consumers",
    "queue/dead_letter",
    "queue/delivery",
    "queue/gate",
    "queue/item",
    "queue/lease",
    "queue/peeked",
    "queue/push_error",
    "queue/rate",
    "queue/state",
    "queue/stats",
    "queue/step",
    "queue/wait_queue",
    "seq_map",
    "source/chunk",
    "source/pull",
    "stream/idle",
    "stream/moment",
    "stream/pace",
    "stream/recheck",
    "time/timers",
    "topic/cursor",
    "topic/drivers",
    "topic/effects",
    "topic/filters",
    "topic/gap_event",
    "topic/listeners",
    "topic/log",
    "topic/presence",
    "topic/publish_error",
    "topic/resume",
    "topic/state",
    "topic/status",
    "topic/store",
    "topic/timekeepers",
    "topic/wait_set",
    "topics/code",
    "topics/error",
    "topics/stats",
    "topics/table",
    "watchers",
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

fn layer(file: &str) -> Result<u8, String> {
    let names = LAYERS.iter();
    let names =
        names.flat_map(|(layer, names)| names.iter().map(|name| (name.len(), *layer, name)));
    let found = names.filter(|(.., name)| is_or_is_in(file, name)).max();
    found.map_or(Err(format!("{file} is in no layer")), |found| Ok(found.1))
}

fn is_pure(file: &str) -> bool {
    PURE.iter().any(|name| is_or_is_in(file, name))
}

fn check_use(file: &str, used: &str) -> Result<(), String> {
    let (above, below) = (layer(file)?, layer(used)?);
    let same_wing = wing(file) == wing(used);
    let is_inner = used.contains('/') && layer(wing(used))? > 1;
    let allowed = match above.cmp(&below) {
        _ if is_inner && !same_wing => false,
        _ if is_pure(file) && (used == "sync" || below > 1 && !is_pure(used)) => false,
        std::cmp::Ordering::Greater => true,
        // The lowest may use each other, as long as there is no circle. A registry of topics is
        // made of topics.
        std::cmp::Ordering::Equal => {
            same_wing || below == 1 || (wing(file) == "topics" && used == "topic")
        }
        std::cmp::Ordering::Less => false,
    };
    let fault = || format!("{file} uses {used}");
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
    assert!(
        used("stream/connect", &files).contains("stream/event_stream"),
        "`super`"
    );
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
        ("event", "use crate::encode::A;", "encode is in no layer"),
        ("news", "", "news is in no layer"),
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
        ("topic", "use crate::topics::T;", "topic uses topics"),
        ("topics", "use crate::queue::Q;", "topics uses queue"),
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
        ("stream/new", "use super::pace::A; use crate::topic::Topic;"),
    ] {
        let mut files = of_this_crate();
        files.insert(file.to_owned(), code.to_owned());
        assert_eq!(faults(&files), [""; 0], "{file}");
    }
}
