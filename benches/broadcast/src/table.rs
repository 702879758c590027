/// The ratio of two times.
#[derive(Clone, Copy, Debug)]
pub struct Bar<'a> {
    /// What is measured.
    pub what: &'a str,
    /// The names of the first and the second time.
    pub of: [&'a str; 2],
    /// The maximum ratio; `None` if the row is for information.
    pub at_most: Option<f64>,
}

impl Bar<'_> {
    /// The head of the table.
    pub fn head() {
        println!("| | time | of the other | ratio | at most | |");
        println!("|---|---|---|---|---|---|");
    }

    /// Prints a row of times in nanoseconds, one pair for each round; returns whether the bar
    /// holds.
    #[must_use]
    pub fn holds(&self, ones: &[f64], others: &[f64]) -> bool {
        let ratio = median_ratio(ones, others);
        let Self { what, of, at_most } = self;
        let (at_most, verdict, holds) = match at_most {
            Some(bar) if ratio <= *bar => (format!("{bar:.4}"), "passed", true),
            Some(bar) => (format!("{bar:.4}"), "FAILED", false),
            None => (String::new(), "", true),
        };
        let (one, other) = (median(ones.to_vec()), median(others.to_vec()));
        let times = format!("{}: {one:.1} ns | {}: {other:.1} ns", of[0], of[1]);
        println!("| {what} | {times} | {ratio:.4} | {at_most} | {verdict} |");
        holds
    }
}

/// The median of the rounds' ratios: a machine that slows down slows both sides of a round.
///
/// # Panics
///
/// If there are none.
#[must_use]
pub fn median_ratio(ones: &[f64], others: &[f64]) -> f64 {
    let ratios = ones.iter().zip(others).map(|(one, other)| one / other);
    median(ratios.collect())
}

/// The median.
///
/// # Panics
///
/// If there are none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
