//! How rates go as work grows: with what is stored, with distinct codes, with instances, with slow
//! receivers, and with the worker's own limits. CSV on the standard output, pictures beside it.
use std::time::Instant;

use clap::ValueEnum;

use super::{
    Bench,
    daily::{self, Run},
    latency, webhook,
};
use crate::{
    Growth,
    curve::{Curve, Figure, Series},
    load::percentile,
};

/// Events a second while it is looked how long they take.
const MODEST_RATE: usize = 2_000;

/// What grows.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum What {
    /// Clicks that are stored already, in millions.
    Stored,
    /// Distinct codes in the backlog.
    Codes,
    /// Workers at once, with batch messages.
    Instances,
    /// What receivers of billing's calls take to answer, in milliseconds.
    Receivers,
    /// `BATCH_MAX`.
    BatchMax,
    /// `PREFETCH`.
    Prefetch,
    /// `BATCH_LINGER_MS`: the rate, and at a modest rate how long events take to be visible.
    Linger,
}

impl What {
    const fn points(self) -> &'static [usize] {
        match self {
            Self::Stored => &[0, 1, 3, 10],
            Self::Codes => &[1, 10, 100, 1_000, 10_000, 100_000],
            Self::Instances => &[1, 2, 4],
            Self::Receivers => &[0, 1, 5, 20, 100],
            Self::BatchMax => &[100, 500, 1_000, 2_000, 5_000, 10_000, 20_000],
            Self::Prefetch => &[200, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000],
            Self::Linger => &[0, 1, 2, 5, 10, 20, 50, 100],
        }
    }

    /// The first column of its CSV.
    const fn label(self) -> &'static str {
        match self {
            Self::Stored => "stored_millions",
            Self::Codes => "codes",
            Self::Instances => "instances",
            Self::Receivers => "answer_ms",
            Self::BatchMax => "batch_max",
            Self::Prefetch => "prefetch",
            Self::Linger => "linger_ms",
        }
    }

    /// The other columns: what is measured at each point.
    const fn figures(self) -> &'static [&'static str] {
        match self {
            Self::Linger => &["events_per_second", "p50_ms", "p99_ms"],
            Self::Receivers => &["calls_per_second"],
            _ => &["events_per_second"],
        }
    }

    /// Over the picture.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Stored => "Clicks counted, by what is stored already",
            Self::Codes => "Clicks counted, by distinct codes",
            Self::Instances => "Clicks counted, 100 in a message, by workers at once",
            Self::Receivers => "Billing's calls, by how long receivers take",
            Self::BatchMax => "Clicks counted, by BATCH_MAX",
            Self::Prefetch => "Clicks counted, by PREFETCH",
            Self::Linger => "Clicks counted, and published to visible, by BATCH_LINGER_MS",
        }
    }

    /// Under its axis.
    pub const fn axis(self) -> &'static str {
        match self {
            Self::Stored => "stored clicks, millions",
            Self::Codes => "distinct codes",
            Self::Instances => "workers",
            Self::Receivers => "the receiver's pause, milliseconds",
            Self::BatchMax => "events in a batch at most",
            Self::Prefetch => "messages fetched ahead at most",
            Self::Linger => "linger, milliseconds",
        }
    }
}

/// Measures one curve after the other.
pub async fn run(growth: &Growth) -> anyhow::Result<()> {
    let mut bench = Bench::new(&growth.place, growth.sizes).await?;
    for what in &growth.what {
        let began = Instant::now();
        let curve = measure(&mut bench, *what, growth.runs).await?;
        print!("{}", curve.csv());
        let name = what.to_possible_value().map(|value| value.get_name().to_owned());
        let name = name.unwrap_or_default();
        curve.write(&name, &growth.into)?;
        eprintln!("# {name}: {} s", began.elapsed().as_secs());
    }
    Ok(())
}

/// Measures every point, all of them once before any of them again.
async fn measure(bench: &mut Bench, what: What, runs: usize) -> anyhow::Result<Curve> {
    let (points, names) = (what.points(), what.figures());
    let mut seen = vec![vec![Vec::new(); points.len()]; names.len()];
    for _ in 0..runs {
        for (n, point) in points.iter().enumerate() {
            let figures = at(bench, what, *point).await?;
            eprintln!("# {} {point}: {figures:.1?}", what.label());
            for (seen, figure) in seen.iter_mut().zip(figures) {
                seen[n].push(figure);
            }
        }
    }
    let series = names.iter().zip(seen).map(|(name, seen)| Series {
        name: (*name).to_owned(),
        figures: seen.iter().map(|seen| Figure::of(seen)).collect(),
    });
    let series = series.collect();
    Ok(Curve { label: what.label().to_owned(), points: points.to_vec(), series })
}

/// The figures at one point.
async fn at(bench: &mut Bench, what: What, point: usize) -> anyhow::Result<Vec<f64>> {
    let mut run = Run::singles(bench.sizes.events);
    match what {
        What::Stored => {
            let name = format!("bench_stored_{point}");
            let database = bench.ground.database(&name).await?;
            daily::store(&database, point * 1_000_000).await?;
            let rate = daily::into(bench, &run, &database).await?;
            bench.ground.drop_database(&name).await?;
            return Ok(vec![rate]);
        }
        What::Receivers => {
            // As long a run, however slow they are.
            let count = bench.sizes.events / 10 / (1 + point / 5);
            return Ok(vec![webhook::send(bench, count, point).await?]);
        }
        What::Codes => run.backlog.names = point,
        What::Instances => run = Run { instances: point, ..Run::grouped(bench.sizes.events) },
        What::BatchMax => run.settings = vec![("BATCH_MAX", point.to_string())],
        What::Prefetch => run.settings = vec![("PREFETCH", point.to_string())],
        What::Linger => {
            run.settings = vec![("BATCH_LINGER_MS", point.to_string())];
            let rate = daily::ours(bench, &run).await?;
            let mut took = latency::ours(bench, MODEST_RATE, &run.settings).await?;
            return Ok(vec![rate, percentile(&mut took, 0.5), percentile(&mut took, 0.99)]);
        }
    }
    Ok(vec![daily::ours(bench, &run).await?])
}
