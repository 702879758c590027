use std::collections::HashMap;

use broadcast::median;

use crate::run::Figures;
use crate::scenario::{Rate, Scenario, Who};

/// The figures of all runs of a scenario.
#[derive(Debug, Default)]
pub(crate) struct Report {
    runs: HashMap<&'static str, Vec<Figures>>,
}

/// What stands above the rows.
pub(crate) fn head() {
    println!(
        "| | server | CPU of an event | events a second | CPU to the better peer | rate to it | bars | |"
    );
    println!("|---|---|---|---|---|---|---|---|");
}

impl Report {
    pub(crate) fn add(&mut self, who: Who, figures: Figures) {
        self.runs.entry(who.name()).or_default().push(figures);
    }

    /// A row for each server; returns whether all bars hold.
    pub(crate) fn print(&self, scenario: &Scenario) -> bool {
        let peers = scenario.contestants().iter().filter(|who| who.is_peer());
        let better = |one: Figures, other: Figures| Figures {
            cpu: one.cpu.min(other.cpu),
            rate: one.rate.max(other.rate),
        };
        let Some(peer) = peers.map(|who| self.medians(*who)).reduce(better) else {
            return true;
        };
        let mut passed = true;
        for who in scenario.contestants() {
            let own = self.medians(*who);
            let (cpu, rate) = (own.cpu / peer.cpu, own.rate / peer.rate);
            let bars = self.bars(scenario.rate, *who);
            let holds = bars.iter().all(|bar| match bar {
                Bar::Cpu(most) => cpu <= *most,
                Bar::Rate(least) => rate >= *least,
                Bar::Bare(most, cpu) => own.cpu <= most * cpu,
            });
            let verdict = match (bars.is_empty(), holds) {
                (true, _) => "",
                (false, true) => "passed",
                (false, false) => "FAILED",
            };
            let bars: Vec<String> = bars.iter().map(|bar| bar.text(own.cpu)).collect();
            println!(
                "| {} | {} | {:.0} ns | {:.0} | {cpu:.2} | {rate:.2} | {} | {verdict} |",
                scenario.name,
                who.name(),
                own.cpu,
                own.rate,
                bars.join(", "),
            );
            passed &= holds;
        }
        passed
    }

    fn medians(&self, who: Who) -> Figures {
        let runs = self.runs.get(who.name()).map_or(&[][..], Vec::as_slice);
        Figures {
            cpu: median(runs.iter().map(|run| run.cpu).collect()),
            rate: median(runs.iter().map(|run| run.rate).collect()),
        }
    }

    fn bars(&self, rate: Rate, who: Who) -> Vec<Bar> {
        match (rate, who) {
            (Rate::Every(_) | Rate::Window(_), Who::Topic) => vec![Bar::Cpu(1.0)],
            (Rate::Window(_), Who::Spaced) => vec![Bar::Cpu(0.5), Bar::Rate(1.5)],
            (Rate::Burst, Who::Topic) => {
                vec![Bar::Cpu(0.5), Bar::Bare(1.5, self.medians(Who::Bare).cpu)]
            }
            _ => Vec::new(),
        }
    }
}

/// What is promised.
enum Bar {
    /// At most so much of the better peer's processor time.
    Cpu(f64),
    /// At least so much of its events a second.
    Rate(f64),
    /// At most so much of the bare loop's processor time, which is this.
    Bare(f64, f64),
}

impl Bar {
    fn text(&self, cpu: f64) -> String {
        match self {
            Self::Cpu(most) => format!("CPU at most {most:.2}"),
            Self::Rate(least) => format!("rate at least {least:.2}"),
            Self::Bare(most, bare) => {
                format!("{:.2} of bare writes, at most {most:.2}", cpu / bare)
            }
        }
    }
}
