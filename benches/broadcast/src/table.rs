/// What two times are to each other.
#[derive(Clone, Copy, Debug)]
pub struct Bar<'a> {
    /// What is measured.
    pub what: &'a str,
    /// Whose first time it is, and whose second.
    pub of: [&'a str; 2],
    /// The most that the first may be of the second; none where it is for information.
    pub at_most: Option<f64>,
}

impl Bar<'_> {
    /// What stands above the rows.
    pub fn head() {
        println!("| | time | of the other | ratio | at most | |");
        println!("|---|---|---|---|---|---|");
    }

    /// Prints a row of the medians, in nanoseconds; returns whether the bar holds.
    #[must_use]
    pub fn holds(&self, one: f64, other: f64) -> bool {
        let ratio = one / other;
        let Self { what, of, at_most } = self;
        let (at_most, verdict, holds) = match at_most {
            Some(bar) if ratio <= *bar => (format!("{bar:.4}"), "passed", true),
            Some(bar) => (format!("{bar:.4}"), "FAILED", false),
            None => (String::new(), "", true),
        };
        let times = format!("{}: {one:.1} ns | {}: {other:.1} ns", of[0], of[1]);
        println!("| {what} | {times} | {ratio:.4} | {at_most} | {verdict} |");
        holds
    }
}

/// The middle one.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
