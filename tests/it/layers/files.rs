//! The files of `src`, and which of them a file names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Each file by its path, without `.rs`, with its code: no comments, no tests.
pub type Files = BTreeMap<String, String>;

pub fn is_or_is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The file or folder directly below `src` that a file belongs to.
pub fn wing(file: &str) -> &str {
    file.split('/').next().unwrap()
}

pub fn of_this_crate() -> Files {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut folders) = (Files::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
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
pub fn code_of(text: &str) -> String {
    let is_test = |line: &str| line == "#[cfg(test)]" || line == "#[cfg(all(test, loom))]";
    let lines = text.lines().take_while(|line| !is_test(line));
    let code = lines.filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| [line, "\n"]).collect()
}

/// The files that a file's code names by `crate::` or `super::`.
pub fn used(file: &str, files: &Files) -> BTreeSet<String> {
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
pub fn words_of(code: &str) -> Vec<&str> {
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

/// Calls `found` with each path that starts with `path` and continues with `words`: `::a::b`,
/// `::{a, b::C}`. Returns the number of words read.
pub fn paths(words: &[&str], mut path: Vec<String>, found: &mut impl FnMut(&[String])) -> usize {
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
pub fn file_of(path: &[String], files: &Files) -> Option<String> {
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
