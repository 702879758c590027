//! One table of rows, each a figure and the bar that it is held to.

use std::env;
use std::process::ExitCode;

use crate::Size;

/// A figure and its bar.
#[derive(Clone, Debug)]
pub struct Row {
    what: String,
    figure: f64,
    unit: &'static str,
    bar: Bar,
    detail: String,
}

#[derive(Clone, Copy, Debug)]
enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

impl Row {
    /// A figure that must not exceed its bar.
    #[must_use]
    pub fn at_most(what: impl Into<String>, figure: f64, unit: &'static str, bar: f64) -> Self {
        Self::new(what.into(), figure, unit, Bar::AtMost(bar))
    }

    /// A figure that must reach its bar.
    #[must_use]
    pub fn at_least(what: impl Into<String>, figure: f64, unit: &'static str, bar: f64) -> Self {
        Self::new(what.into(), figure, unit, Bar::AtLeast(bar))
    }

    fn new(what: String, figure: f64, unit: &'static str, bar: Bar) -> Self {
        Self {
            what,
            figure,
            unit,
            bar,
            detail: String::new(),
        }
    }

    /// The same row with the figures that its own was computed from.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { detail, ..self }
    }

    fn holds(&self) -> bool {
        match self.bar {
            Bar::AtMost(bar) => self.figure <= bar,
            Bar::AtLeast(bar) => self.figure >= bar,
        }
    }

    fn print(&self) {
        let Self { what, unit, .. } = self;
        let bar = match self.bar {
            Bar::AtMost(bar) => format!("<= {bar}{unit}"),
            Bar::AtLeast(bar) => format!(">= {bar}{unit}"),
        };
        let verdict = if self.holds() { "ok" } else { "MISSED" };
        let (figure, detail) = (self.figure, &self.detail);
        println!("| {what} | {figure:.2}{unit} | {bar} | {verdict} | {detail} |");
    }
}

/// A suite's name, and what measures its rows.
pub type Suite = (&'static str, fn(Size) -> Vec<Row>);

/// Runs the suites that the command line names, prints one table, and fails if a bar is missed.
///
/// An argument selects the suites whose name contains it; `--list` names them all. With `--smoke`
/// everything is small, and a missed bar is no failure.
#[must_use]
pub fn run(suites: &[Suite]) -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if has("--list") {
        for (name, _) in suites {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    }
    let size = if has("--smoke") {
        Size::Smoke
    } else {
        Size::Full
    };
    // cargo itself passes `--bench`.
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let is_wanted = |name: &str| {
        filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
    };
    let mut rows = Vec::new();
    for (name, suite) in suites.iter().filter(|(name, _)| is_wanted(name)) {
        eprintln!("{name}");
        rows.extend(suite(size));
    }
    println!("| what | figure | bar | | |\n|---|---|---|---|---|");
    rows.iter().for_each(Row::print);
    if size == Size::Full && !rows.iter().all(Row::holds) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
