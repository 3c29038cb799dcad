//! `/metrics` as Prometheus reads it.
use std::collections::{BTreeMap, BTreeSet};

use super::Program;

/// A family: its type, and the names of the labels that its samples have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Family {
    /// `counter`, `gauge`, `histogram` or `info`.
    pub kind: String,
    /// Without `program` and `le`, which are everywhere.
    pub labels: BTreeSet<String>,
}

/// One reading.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// By the name that a query asks for: `…_total` of a counter, `…_info` of an info.
    pub families: BTreeMap<String, Family>,
    /// Sample by its name and labels as they stand, without `program`.
    samples: BTreeMap<String, f64>,
}

impl Reading {
    /// Of a running program.
    pub async fn of(program: &Program) -> Result<Self, String> {
        let (status, text) = program.ops("/metrics").await?;
        if status == 200 { Ok(Self::read(&text)) } else { Err(format!("{status} {text}")) }
    }

    fn read(text: &str) -> Self {
        let mut reading = Self::default();
        for line in text.lines() {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                let (name, kind) = family.split_once(' ').expect("a type");
                let name = match kind {
                    "counter" => format!("{name}_total"),
                    "info" => format!("{name}_info"),
                    _ => name.to_owned(),
                };
                let family = Family { kind: kind.to_owned(), labels: BTreeSet::new() };
                reading.families.insert(name, family);
            } else if !line.starts_with('#') {
                reading.sample(line);
            }
        }
        reading
    }

    fn sample(&mut self, line: &str) {
        let (series, value) = line.rsplit_once(' ').expect("a sample");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        // No label's value has a comma in it.
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        let labels: Vec<&str> = labels.filter(|label| !label.starts_with("program=")).collect();
        let parts = ["_bucket", "_count", "_sum"].iter().find_map(|part| name.strip_suffix(part));
        let family = parts.filter(|family| self.families.contains_key(*family)).unwrap_or(name);
        let family = self.families.get_mut(family).unwrap_or_else(|| panic!("{line}: no type"));
        let names = labels.iter().map(|label| label.split_once('=').expect("a label").0.to_owned());
        family.labels.extend(names.filter(|name| name != "le"));
        self.samples.insert(
            format!("{name}{{{}}}", labels.join(",")),
            value.parse().unwrap_or_else(|_| panic!("{line}: no number")),
        );
    }

    /// The value of a series, such as `referral_events_total{outcome="applied"}`.
    pub fn value(&self, series: &str) -> Option<f64> {
        let series = if series.contains('{') { series.to_owned() } else { format!("{series}{{}}") };
        self.samples.get(&series).copied()
    }
}
