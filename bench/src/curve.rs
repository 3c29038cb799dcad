//! A curve: what was measured at each point, as CSV and as a picture that is made of the CSV alone.
use std::{fmt::Write as _, path::Path};

use anyhow::{Context as _, ensure};

use crate::{plot, table::median};

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What grows, as the CSV's first column says it.
    pub label: String,
    /// Its values.
    pub points: Vec<usize>,
    /// What was measured.
    pub series: Vec<Series>,
}

/// One figure at every point.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its column; the unit is what follows the last `_`.
    pub name: String,
    /// One for each point.
    pub figures: Vec<Figure>,
}

/// One figure, measured more than once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The middle.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Figure {
    /// Of what was measured.
    pub fn of(seen: &[f64]) -> Self {
        let least = seen.iter().copied().fold(f64::INFINITY, f64::min);
        let most = seen.iter().copied().fold(0.0, f64::max);
        Self { median: median(seen), least, most }
    }
}

impl Series {
    /// Such as `second`, or `ms`.
    pub fn unit(&self) -> &str {
        self.name.rsplit_once('_').map_or(&*self.name, |(_, unit)| unit)
    }
}

impl Curve {
    /// A line for each point: the point, and three columns for each figure.
    pub fn csv(&self) -> String {
        let mut csv = self.label.clone();
        for Series { name, .. } in &self.series {
            let _ = write!(csv, ",{name},{name}_least,{name}_most");
        }
        csv.push('\n');
        for (n, point) in self.points.iter().enumerate() {
            let _ = write!(csv, "{point}");
            for Figure { median, least, most } in self.series.iter().map(|s| s.figures[n]) {
                let _ = write!(csv, ",{},{},{}", digits(median), digits(least), digits(most));
            }
            csv.push('\n');
        }
        csv
    }

    /// Reads what [`csv`](Self::csv) gave.
    pub fn read(csv: &str) -> anyhow::Result<Self> {
        let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let head = lines.next().context("a first line")?;
        let (label, names) = head.split_first().context("a first column")?;
        ensure!(!names.is_empty() && names.len().is_multiple_of(3), "three columns a figure");
        let series = |names: &[&str]| Series { name: names[0].to_owned(), figures: Vec::new() };
        let mut curve = Self {
            label: (*label).to_owned(),
            points: Vec::new(),
            series: names.chunks(3).map(series).collect(),
        };
        for line in lines {
            ensure!(line.len() == head.len(), "{line:?} has not {} columns", head.len());
            curve.points.push(line[0].parse()?);
            for (series, figure) in curve.series.iter_mut().zip(line[1..].chunks(3)) {
                let (median, least, most) =
                    (figure[0].parse()?, figure[1].parse()?, figure[2].parse()?);
                series.figures.push(Figure { median, least, most });
            }
        }
        ensure!(!curve.points.is_empty(), "no points");
        Ok(curve)
    }

    /// Writes `NAME.csv` and the picture beside it.
    pub fn write(&self, name: &str, directory: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(directory)?;
        let file = directory.join(name).with_extension("csv");
        std::fs::write(&file, self.csv()).with_context(|| format!("{}", file.display()))?;
        plot::file(&file)
    }
}

/// Whole where that says enough.
fn digits(value: f64) -> String {
    if value < 1_000.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_read_back_from_its_csv() {
        let figures = vec![Figure::of(&[5_000.0, 4_000.0, 7_000.0]), Figure::of(&[1.5])];
        let series = |name: &str| Series { name: name.to_owned(), figures: figures.clone() };
        let curve = Curve {
            label: "linger_ms".to_owned(),
            points: vec![0, 10],
            series: vec![series("per_second"), series("p99_ms")],
        };
        let csv = "linger_ms,per_second,per_second_least,per_second_most,p99_ms,p99_ms_least,p99_ms_most\n\
            0,5000,4000,7000,5000,4000,7000\n10,1.5,1.5,1.5,1.5,1.5,1.5\n";
        assert_eq!(curve.csv(), csv);
        assert_eq!(Curve::read(csv).unwrap(), curve);
        assert_eq!(curve.series[1].unit(), "ms");
        for bad in ["", "a,b\n", "a,b,c,d\n", "a,b,c,d\n1,2,3\n", "a,b,c,d\nx,1,2,3\n"] {
            assert!(Curve::read(bad).is_err(), "{bad:?}");
        }
    }
}
