//! From pairs of figures, measured in turn, to a line of the table.
use std::fmt;

/// What was measured, what it is compared with, and the goal.
pub struct Line {
    /// Such as `P1`.
    pub name: &'static str,
    /// In words.
    pub what: String,
    /// One figure.
    pub unit: &'static str,
    /// (ours, the limit's) of each pair.
    pub pairs: Vec<(f64, f64)>,
    /// What the median ratio has to be.
    pub goal: Goal,
}

/// What a ratio has to be.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// Or more.
    AtLeast(f64),
    /// Or less.
    AtMost(f64),
}

impl Goal {
    fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(goal) => ratio >= goal,
            Self::AtMost(goal) => ratio <= goal,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(goal) => write!(f, "≥ {goal}"),
            Self::AtMost(goal) => write!(f, "≤ {goal}"),
        }
    }
}

impl Line {
    /// Whether the median ratio is what it has to be.
    pub fn is_met(&self) -> bool {
        self.goal.is_met(median(&self.ratios()))
    }

    fn ratios(&self) -> Vec<f64> {
        self.pairs.iter().map(|(ours, limit)| ours / limit).collect()
    }
}

/// The table's head, as Markdown.
pub const HEAD: &str = "\
| # | figure | ours | limit or peer | ratio: median (least to most) | goal | met |
| --- | --- | --- | --- | --- | --- | --- |";

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side =
            |of: fn(&(f64, f64)) -> f64| median(&self.pairs.iter().map(of).collect::<Vec<_>>());
        let ratios = self.ratios();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratios.iter().copied().fold(0.0, f64::max);
        write!(
            f,
            "| {} | {} | {} {} | {} | {:.2} ({least:.2} to {most:.2}) | {} | {} |",
            self.name,
            self.what,
            short(side(|pair| pair.0)),
            self.unit,
            short(side(|pair| pair.1)),
            median(&ratios),
            self.goal,
            if self.is_met() { "yes" } else { "**no**" },
        )
    }
}

/// The middle of the sorted values; the mean of the middle two.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Three digits or so.
pub fn short(value: f64) -> String {
    match value {
        100_000.0.. => format!("{:.0}k", value / 1e3),
        1_000.0.. => format!("{:.1}k", value / 1e3),
        10.0.. => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_the_median_ratio_and_whether_it_is_enough() {
        let line = Line {
            name: "P0",
            what: "a thing".to_owned(),
            unit: "events/s",
            pairs: vec![(90.0, 100.0), (150.0, 100.0), (2000.0, 2000.0)],
            goal: Goal::AtLeast(1.0),
        };
        let shown = "| P0 | a thing | 150 events/s | 100 | 1.00 (0.90 to 1.50) | ≥ 1 | yes |";
        assert_eq!(line.to_string(), shown);
        assert!(!Line { goal: Goal::AtMost(0.5), ..line }.is_met());
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
    }
}
