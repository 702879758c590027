//! How much is measured, and both sides of a ratio in turn.

/// How much a benchmark does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// The amounts for which the bars are stated.
    Full,
    /// Just enough to show that it runs.
    Smoke,
}

impl Size {
    /// How many times each side is measured.
    #[must_use]
    pub fn rounds(self) -> usize {
        match self {
            Self::Full => 5,
            Self::Smoke => 1,
        }
    }

    /// That many, or a hundredth of them.
    #[must_use]
    pub fn of(self, full: usize) -> usize {
        match self {
            Self::Full => full,
            Self::Smoke => (full / 100).max(10).min(full),
        }
    }
}

/// Measures both sides in turn, one figure of each for each round, so that a machine that slows
/// down slows both.
pub fn alternate(
    size: Size,
    mut one: impl FnMut() -> f64,
    mut other: impl FnMut() -> f64,
) -> [Vec<f64>; 2] {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for _ in 0..size.rounds() {
        ones.push(one());
        others.push(other());
    }
    [ones, others]
}
