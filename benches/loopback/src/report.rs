//! The table of all runs, and the bars.

use std::collections::HashMap;

use broadcast::{median, median_ratio};

use crate::run::Figures;
use crate::scenario::{Publisher, Rate, Scenario, Who};

/// The figures of all runs of a scenario.
#[derive(Debug, Default)]
pub(crate) struct Report {
    runs: HashMap<&'static str, Vec<Figures>>,
}

/// The head of the table.
pub(crate) fn head() {
    println!(
        "| | server | CPU of an event | events a second | published to read, p50, p99 | CPU to the better peer | rate to it | bars | |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
}

impl Report {
    pub(crate) fn add(&mut self, who: Who, figures: Figures) {
        self.runs.entry(who.name()).or_default().push(figures);
    }

    /// A row for each server; returns whether all bars hold.
    pub(crate) fn print(&self, scenario: &Scenario) -> bool {
        let mut passed = true;
        for who in scenario.contestants() {
            let bars = self.bars(scenario, *who);
            let holds = bars.iter().all(Bar::holds);
            let verdict = match (bars.is_empty(), holds) {
                (true, _) => "",
                (false, true) => "passed",
                (false, false) => "FAILED",
            };
            let bars: Vec<String> = bars.iter().map(Bar::text).collect();
            println!(
                "| {} | {} | {:.0} ns | {:.0} | {} | {:.2} | {:.2} | {} | {verdict} |",
                scenario.name,
                who.name(),
                median(self.all(*who, CPU)),
                median(self.all(*who, RATE)),
                self.latency(*who),
                self.cpu_to_better_peer(scenario, *who),
                self.rate_to_better_peer(scenario, *who),
                bars.join(", "),
            );
            passed &= holds;
        }
        passed
    }

    fn latency(&self, who: Who) -> String {
        let millis = |figure| median(self.all(who, figure));
        format!("{:.2}, {:.2} ms", millis(P50), millis(P99))
    }

    fn all(&self, who: Who, figure: fn(&Figures) -> f64) -> Vec<f64> {
        let runs = self.runs.get(who.name()).map_or(&[][..], Vec::as_slice);
        runs.iter().map(figure).collect()
    }

    /// The ratio of this server's runs to those of the other in the same turn.
    fn ratio(&self, who: Who, other: Who, figure: fn(&Figures) -> f64) -> f64 {
        median_ratio(&self.all(who, figure), &self.all(other, figure))
    }

    fn cpu_to_better_peer(&self, scenario: &Scenario, who: Who) -> f64 {
        let ratios = scenario.peers().map(|peer| self.ratio(who, peer, CPU));
        ratios.fold(0.0, f64::max)
    }

    fn rate_to_better_peer(&self, scenario: &Scenario, who: Who) -> f64 {
        let ratios = scenario.peers().map(|peer| self.ratio(who, peer, RATE));
        ratios.fold(f64::INFINITY, f64::min)
    }

    fn bars(&self, scenario: &Scenario, who: Who) -> Vec<Bar> {
        let cpu = |most| Bar::Cpu(self.cpu_to_better_peer(scenario, who), most);
        if scenario.publisher != Publisher::Server {
            let to = |what, other, figure, most| {
                let ratio = self.ratio(who, other, figure);
                vec![Bar::To(what, other.name(), ratio, most)]
            };
            return match (scenario.rate, who) {
                (Rate::Every(_), Who::Spaced) => to("CPU", Who::Topic, CPU, 1.05),
                (Rate::Burst, Who::Spaced) => to("p99", Who::Topic, P99, 1.3),
                (Rate::Window(_), Who::Example) => to("CPU", Who::Shared, CPU, 1.05),
                _ => Vec::new(),
            };
        }
        match (scenario.rate, who) {
            (Rate::Every(_) | Rate::Window(_), Who::Topic) => vec![cpu(1.0)],
            (Rate::Window(_), Who::Spaced) => {
                let rate = self.rate_to_better_peer(scenario, who);
                vec![cpu(0.5), Bar::Rate(rate, 1.5)]
            }
            (Rate::Burst, Who::Spaced) => {
                let ratio = self.ratio(who, Who::Topic, P99);
                vec![Bar::To("p99", Who::Topic.name(), ratio, 1.3)]
            }
            (Rate::Burst, Who::Topic) => {
                let bare = self.ratio(who, Who::Bare, CPU);
                vec![cpu(0.5), Bar::Bare(bare, 1.5)]
            }
            _ => Vec::new(),
        }
    }
}

const CPU: fn(&Figures) -> f64 = |figures| figures.cpu;
const RATE: fn(&Figures) -> f64 = |figures| figures.rate;
const P50: fn(&Figures) -> f64 = |figures| figures.p50;
const P99: fn(&Figures) -> f64 = |figures| figures.p99;

/// A ratio and its bar.
enum Bar {
    /// To the better peer's processor time: the maximum.
    Cpu(f64, f64),
    /// To its events a second: the minimum.
    Rate(f64, f64),
    /// To the bare loop's processor time: the maximum.
    Bare(f64, f64),
    /// A figure compared to another server's: the maximum.
    To(&'static str, &'static str, f64, f64),
}

impl Bar {
    fn holds(&self) -> bool {
        match self {
            Self::Cpu(ratio, most) | Self::Bare(ratio, most) | Self::To(.., ratio, most) => {
                ratio <= most
            }
            Self::Rate(ratio, least) => ratio >= least,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Cpu(_, most) => format!("CPU at most {most:.2}"),
            Self::Rate(_, least) => format!("rate at least {least:.2}"),
            Self::To(what, other, ratio, most) => {
                format!("{what} {ratio:.2} of {other}'s, at most {most:.2}")
            }
            Self::Bare(ratio, most) => format!("{ratio:.2} of bare writes, at most {most:.2}"),
        }
    }
}
