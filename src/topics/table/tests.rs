//! The table without topics: what it finds, and the order in which entries become outdated.

use super::*;

const KEEP: Duration = Duration::from_secs(10);

fn code(number: u64) -> Code {
    Code::of_hash(number)
}

fn at(secs: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
}

/// A table with an entry for each of these homes.
fn table(homes: &[u64]) -> (Table<usize>, Vec<Code>) {
    let mut table = Table::new(at(0));
    let codes = homes.iter().enumerate().map(|(index, home)| {
        let free = table.free_code(code(*home));
        table.insert(code(*home), free, index);
        free
    });
    let codes = codes.collect();
    (table, codes)
}

fn pop_outdated(table: &mut Table<usize>, now: u64) -> Vec<usize> {
    table.advance_time(Some(at(now)));
    let next = || table.outdated(KEEP).and_then(|code| table.remove(code));
    core::iter::from_fn(next).collect()
}

/// All entries with this home, in the order in which they are found.
fn found(table: &Table<usize>, home: u64) -> Vec<usize> {
    let mut after = 0;
    let next = || {
        let (code, serial) = table.candidate(code(home), after)?;
        after = serial;
        table.content(code).copied()
    };
    core::iter::from_fn(next).collect()
}

#[test]
fn all_entries_of_a_home_are_found_and_no_others() {
    let (mut table, codes) = table(&[7, 7, 8, 7]);
    assert_eq!(codes, [7, 8, 9, 10].map(code));
    assert_eq!(found(&table, 7), [0, 1, 3]);
    assert_eq!(found(&table, 8), [2]);
    table.remove(codes[0]);
    assert_eq!(
        found(&table, 7),
        [1, 3],
        "strays do not depend on the first"
    );
    table.insert(code(7), codes[0], 9);
    assert_eq!(found(&table, 7), [1, 3, 9]);
    assert_eq!(table.candidate(code(9), 0), None);
}

#[test]
fn what_became_idle_first_is_outdated_first() {
    let (mut table, codes) = table(&[1, 2, 3]);
    for (secs, index) in [(1, 2), (2, 0), (3, 1)] {
        table.advance_time(Some(at(secs)));
        table.set_idle(codes[index], false, KEEP);
    }
    assert_eq!(table.next_outdated(KEEP), Some(Duration::from_secs(8)));
    assert_eq!(pop_outdated(&mut table, 10), [0; 0]);
    assert_eq!(pop_outdated(&mut table, 12), [2, 0]);
    assert_eq!(pop_outdated(&mut table, 13), [1]);
    assert_eq!((table.len(), table.idle(), table.oldest()), (0, 0, None));
}

#[test]
fn a_use_starts_the_time_again_except_for_a_topic_that_has_ended() {
    let (mut table, codes) = table(&[1, 2]);
    table.set_idle(codes[0], false, KEEP);
    table.set_idle(codes[1], true, KEEP);
    table.advance_time(Some(at(9)));
    for (code, has_ended) in [(codes[0], false), (codes[1], true)] {
        table.set_used(code);
        assert_eq!(table.candidate(code, 0).map(|found| found.0), Some(code));
        table.set_idle(code, has_ended, KEEP);
    }
    assert_eq!(
        pop_outdated(&mut table, 18),
        [0; 0],
        "it is behind the other"
    );
    table.set_used(codes[1]);
    table.set_idle(codes[1], true, KEEP);
    assert_eq!(pop_outdated(&mut table, 18), [1]);
    assert_eq!(pop_outdated(&mut table, 19), [0]);
}

#[test]
fn an_entry_leaves_the_line_from_anywhere() {
    for taken in 0..3 {
        let (mut table, codes) = table(&[1, 2, 3]);
        for code in &codes {
            table.set_idle(*code, false, KEEP);
            table.set_idle(*code, false, KEEP);
        }
        assert_eq!(table.idle(), 3);
        table.set_used(codes[taken]);
        let left: Vec<_> = (0..3).filter(|index| *index != taken).collect();
        assert_eq!(pop_outdated(&mut table, 10), left);
    }
}

#[test]
fn time_does_not_decrease() {
    let (mut table, codes) = table(&[1]);
    table.advance_time(Some(at(20)));
    assert_eq!(table.advance_time(Some(at(5))), at(20));
    table.set_idle(codes[0], false, KEEP);
    assert_eq!(pop_outdated(&mut table, 29), [0; 0]);
}
