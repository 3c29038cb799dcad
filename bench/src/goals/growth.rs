//! How rates go as work grows: with what is stored, with distinct codes, with instances, with slow
//! receivers, and with the worker's own limits. CSV on the standard output.
use clap::ValueEnum;

use super::{
    Bench,
    daily::{self, Run},
    webhook,
};
use crate::{Goals, Growth, ground::Ground, table::median};

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
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Stored => "stored_millions",
            Self::Codes => "codes",
            Self::Instances => "instances",
            Self::Receivers => "answer_ms",
            Self::BatchMax => "batch_max",
            Self::Prefetch => "prefetch",
        }
    }
}

/// Measures every point, all of them once before any of them again.
pub async fn run(growth: &Growth) -> anyhow::Result<()> {
    let given = Goals {
        place: growth.place.clone(),
        only: Vec::new(),
        pairs: 1,
        events: growth.events,
        stored: 0,
        seconds: 1,
    };
    let ground = Ground::new(&growth.place).await?;
    let mut bench = Bench { ground, given: &given, memory: Vec::new() };
    let points = growth.what.points();
    let mut rates = vec![Vec::new(); points.len()];
    for _ in 0..growth.runs {
        for (point, rates) in points.iter().zip(&mut rates) {
            rates.push(measure(&mut bench, growth, *point).await?);
        }
    }
    println!("{},per_second,least,most", growth.what.label());
    for (point, rates) in points.iter().zip(&rates) {
        let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
        let most = rates.iter().copied().fold(0.0, f64::max);
        println!("{point},{:.0},{least:.0},{most:.0}", median(rates));
    }
    Ok(())
}

async fn measure(bench: &mut Bench<'_>, growth: &Growth, point: usize) -> anyhow::Result<f64> {
    let mut run = Run::singles(growth.events);
    match growth.what {
        What::Stored => {
            let name = format!("bench_stored_{point}");
            let database = bench.ground.database(&name).await?;
            daily::store(&database, point * 1_000_000).await?;
            let rate = daily::into(bench, &run, &database).await?;
            bench.ground.drop_database(&name).await?;
            return Ok(rate);
        }
        What::Receivers => {
            // As long a run, however slow they are.
            let count = growth.events / 10 / (1 + point / 5);
            return webhook::send(bench, count, point).await;
        }
        What::Codes => run.backlog.names = point,
        What::Instances => {
            (run.instances, run.backlog.grouped) = (point, 100);
            run.backlog.events *= 3;
        }
        What::BatchMax => run.settings = vec![("BATCH_MAX", point.to_string())],
        What::Prefetch => run.settings = vec![("PREFETCH", point.to_string())],
    }
    daily::ours(bench, &run).await
}
