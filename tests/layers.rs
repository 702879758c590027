//! Which file may know which: a file uses only lower layers.

#![cfg(not(loom))]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::similar_names,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// From the bottom up. `queue/…` and `stream/…` belong to `queue` and `stream`.
const LAYERS: [&[&str]; 5] = [
    &["event", "id", "message", "time", "source", "sync"],
    &[
        "encode",
        "frame",
        "ordered",
        "log",
        "lease",
        "waiters",
        "chunk",
        "pace",
        "timers",
        "system",
        "fake",
        "header",
        "remaining",
        "wakers",
        "ranges",
    ],
    &["queue", "topic", "events"],
    &["stream"],
    &["lib"],
];

/// What may use its own layer, because it makes no circle: values build on values.
fn may_use_its_own_layer(user: &str, used: &str) -> bool {
    layer(user) == Ok(0) || (matches!(user, "system" | "fake") && used == "timers")
}

fn layer(module: &str) -> Result<usize, String> {
    let found = LAYERS.iter().position(|layer| layer.contains(&module));
    found.ok_or_else(|| format!("{module} stands in no layer"))
}

/// Each module with those it uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

fn uses(root: &Path) -> Uses {
    let mut uses = Uses::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inner = path.strip_prefix(root).unwrap().with_extension("");
            let module = inner.iter().next().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let used = crate_paths(&text).filter(|used| **used != *module);
            let used: Vec<_> = used.map(str::to_owned).collect();
            uses.entry(module).or_default().extend(used);
        }
    }
    uses
}

/// The modules in `crate::module`, wherever that stands in code; links in docs are none.
fn crate_paths(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().map(str::trim_start);
    let code = code.filter(|line| !line.starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1).map(first_name))
        .filter(|name| !name.starts_with(char::is_uppercase))
}

fn first_name(path: &str) -> &str {
    let end = path.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    &path[..end.unwrap_or(path.len())]
}

/// What breaks the rule, in words.
fn faults(uses: &Uses) -> Vec<String> {
    let mut faults = Vec::new();
    for (user, all) in uses {
        for used in all {
            match (layer(user), layer(used)) {
                (Err(fault), _) | (_, Err(fault)) => faults.push(fault),
                (Ok(above), Ok(below)) if below < above => {}
                (Ok(above), Ok(below)) if above == below && may_use_its_own_layer(user, used) => {}
                _ => faults.push(format!("{user} uses {used}")),
            }
        }
        if reaches(uses, user, user, &mut BTreeSet::new()) {
            faults.push(format!("{user} uses itself by way of others"));
        }
    }
    faults
}

fn reaches<'a>(uses: &'a Uses, from: &str, to: &str, seen: &mut BTreeSet<&'a str>) -> bool {
    let Some(all) = uses.get(from) else {
        return false;
    };
    all.iter()
        .any(|used| used == to || (seen.insert(used) && reaches(uses, used, to, seen)))
}

fn of_this_crate() -> Uses {
    uses(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn a_file_uses_only_lower_layers() {
    let uses = of_this_crate();
    assert!(uses["stream"].contains("queue"), "it reads what is there");
    assert!(uses["queue"].contains("ordered"));
    assert_eq!(faults(&uses), [""; 0]);
}

#[test]
fn every_file_stands_in_a_layer() {
    for module in of_this_crate().keys() {
        assert!(layer(module).is_ok(), "{module}");
    }
}

#[test]
fn a_planted_import_is_found() {
    for (user, used, fault) in [
        ("queue", "", " stands in no layer"),
        ("event", "encode", "event uses encode"),
        ("ordered", "queue", "ordered uses queue"),
        ("chunk", "pace", "chunk uses pace"),
        ("topic", "queue", "topic uses queue"),
        ("queue", "stream", "queue uses stream"),
        ("time", "message", "time uses itself by way of others"),
        ("queue", "news", "news stands in no layer"),
    ] {
        let mut uses = of_this_crate();
        let planted = uses.entry(user.to_owned()).or_default();
        planted.insert(used.to_owned());
        let faults = faults(&uses);
        assert!(faults.contains(&fault.to_owned()), "{fault}: {faults:?}");
    }
}

#[test]
fn paths_are_found_in_code_alone() {
    let text = "//! crate::no\nuse crate::one::{A, B};\n    /// [x](crate::no)\nf(crate::two::B); crate::Type";
    let found: Vec<_> = crate_paths(text).collect();
    assert_eq!(found, ["one", "two"]);
}
