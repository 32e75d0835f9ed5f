//! Figures, each by a stable name with the peers beside it, and what they are held to.

use serde::Serialize;
use std::collections::BTreeMap;

/// Every figure of a run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    figures: Vec<Figure>,
    /// Points of the plots, by plot and series.
    #[serde(skip)]
    pub(crate) series: BTreeMap<&'static str, Vec<Series>>,
}

/// One line of a plot.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    pub(crate) peers: BTreeMap<String, f64>,
    pub(crate) better: Better,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<Target>,
    pub(crate) verdict: Verdict,
    /// The peers that do better than ours here.
    pub(crate) beaten_by: Vec<String>,
}

/// Which way is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// What ours is held to.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Shown for comparison; nothing is asked of it.
    Shown,
    Met,
    /// With the distance to the target, in the figure's unit.
    MissedBy(f64),
}

impl Figures {
    pub(crate) fn add(&mut self, figure: Figure) {
        self.figures.push(figure.judged());
    }

    pub(crate) fn plot(&mut self, plot: &'static str, name: &str, points: Vec<(f64, f64)>) {
        self.series.entry(plot).or_default().push(Series {
            name: name.to_owned(),
            points,
        });
    }

    /// Takes over the figures of a row.
    pub(crate) fn absorb(&mut self, row: Figures) {
        self.figures.extend(row.figures);
        self.series.extend(row.series);
    }

    pub(crate) fn all(&self) -> &[Figure] {
        &self.figures
    }

    /// The figures that something is asked of, as a table.
    pub(crate) fn print(&self) {
        println!();
        for figure in &self.figures {
            let (mark, target) = match (figure.verdict, figure.target) {
                (Verdict::Shown, _) | (_, None) => continue,
                (Verdict::Met, Some(target)) => ("met   ", target),
                (Verdict::MissedBy(_), Some(target)) => ("MISSED", target),
            };
            println!(
                "{mark} {:<48} {:>12} {:<12} target {}",
                figure.name,
                number(figure.ours),
                figure.unit,
                target.text(),
            );
        }
    }
}

impl Figure {
    /// A figure of which less is better.
    pub(crate) fn less(
        name: impl Into<String>,
        what: impl Into<String>,
        unit: &'static str,
        ours: f64,
    ) -> Self {
        Figure {
            name: name.into(),
            what: what.into(),
            unit,
            ours,
            peers: BTreeMap::new(),
            better: Better::Lower,
            target: None,
            verdict: Verdict::Shown,
            beaten_by: Vec::new(),
        }
    }

    /// A figure of which more is better.
    pub(crate) fn more(
        name: impl Into<String>,
        what: impl Into<String>,
        unit: &'static str,
        ours: f64,
    ) -> Self {
        Figure {
            better: Better::Higher,
            ..Figure::less(name, what, unit, ours)
        }
    }

    pub(crate) fn beside(mut self, peer: impl Into<String>, value: f64) -> Self {
        self.peers.insert(peer.into(), value);
        self
    }

    pub(crate) fn at_least(mut self, value: f64) -> Self {
        self.target = Some(Target::AtLeast(value));
        self
    }

    pub(crate) fn at_most(mut self, value: f64) -> Self {
        self.target = Some(Target::AtMost(value));
        self
    }

    fn judged(mut self) -> Self {
        self.verdict = match self.target {
            None => Verdict::Shown,
            Some(Target::AtLeast(least)) if self.ours >= least => Verdict::Met,
            Some(Target::AtLeast(least)) => Verdict::MissedBy(least - self.ours),
            Some(Target::AtMost(most)) if self.ours <= most => Verdict::Met,
            Some(Target::AtMost(most)) => Verdict::MissedBy(self.ours - most),
        };
        let ours = self.ours;
        let wins = |peer: f64| match self.better {
            Better::Higher => peer > ours,
            Better::Lower => peer < ours,
        };
        self.beaten_by = self
            .peers
            .iter()
            .filter(|(_, value)| wins(**value))
            .map(|(name, _)| name.clone())
            .collect();
        self
    }
}

impl Target {
    pub(crate) fn text(self) -> String {
        match self {
            Target::AtLeast(value) => format!("≥ {}", number(value)),
            Target::AtMost(value) => format!("≤ {}", number(value)),
        }
    }
}

/// Three significant digits or so; a value that never came is a dash.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "never".to_owned();
    }
    match value.abs() {
        magnitude if magnitude >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        magnitude if magnitude >= 1.0 => format!("{value:.2}"),
        magnitude if magnitude >= 0.001 => format!("{value:.4}"),
        _ => format!("{value:.6}"),
    }
}
