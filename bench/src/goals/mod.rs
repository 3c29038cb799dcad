//! The goals, each as pairs measured in turn: ours, the limit, the limit, ours, and so on, so that
//! what the machine does meanwhile falls on both.
mod clicks;
mod daily;
pub mod flame;
pub mod growth;
mod latency;
mod payments;
mod peers;
mod webhook;

use std::{path::PathBuf, time::Instant};

use anyhow::ensure;
use flame::Sampler;

use crate::{
    Goals, Place, Sizes,
    ground::{Database, Ground},
    program::Program,
    table::{Goal, HEAD, Line},
};

/// Goals by name, in the order of the table.
const NAMES: [&str; 10] = ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10"];
/// Most memory that a worker, and the ingress, may have resident, in MiB.
const WORKER_MIB: f64 = 64.0;
const INGRESS_MIB: f64 = 96.0;

/// What a measurement works with.
pub struct Bench {
    ground: Ground,
    sizes: Sizes,
    /// The most memory seen of each program.
    memory: Vec<(String, f64)>,
    /// Where to put samples of what is measured.
    samples: Option<PathBuf>,
}

impl Bench {
    async fn new(place: &Place, sizes: Sizes) -> anyhow::Result<Self> {
        Ok(Self { ground: Ground::new(place).await?, sizes, memory: Vec::new(), samples: None })
    }

    /// Notes how much memory a program took while it was measured.
    fn note_memory(&mut self, name: &str, program: &Program) -> anyhow::Result<()> {
        let mib = program.memory_mib()?;
        match self.memory.iter_mut().find(|(known, _)| known == name) {
            Some((_, most)) => *most = most.max(mib),
            None => self.memory.push((name.to_owned(), mib)),
        }
        Ok(())
    }

    /// Starts so many of a program, waits for the state `(query, value)` and stops them; how many seconds
    /// there were from the start to the state.
    async fn time(
        &mut self,
        program: &str,
        instances: usize,
        settings: &[(&str, String)],
        database: &Database,
        (query, wanted): (&str, i64),
    ) -> anyhow::Result<f64> {
        database.store.run("CHECKPOINT", None, Vec::new()).await?;
        let sampler = self.sampler()?;
        let began = Instant::now();
        let start = |_| self.ground.start(program, database, settings);
        let mut programs = (0..instances).map(start).collect::<anyhow::Result<Vec<_>>>()?;
        database.reaches(query, wanted, &mut programs).await?;
        let seconds = began.elapsed().as_secs_f64();
        if let Some(sampler) = sampler {
            sampler.stop(&programs).await?;
        }
        for running in programs {
            self.note_memory(program, &running)?;
            running.stop().await?;
        }
        Ok(seconds)
    }

    /// Begins to sample, where that was asked for.
    fn sampler(&self) -> anyhow::Result<Option<Sampler>> {
        let start = |data| Sampler::start(data, &self.ground.place.directory);
        self.samples.as_deref().map(start).transpose()
    }

    fn memory_lines(&self) -> Vec<Line> {
        let line = |(name, mib): &(String, f64)| {
            let most = if name == "ingress" { INGRESS_MIB } else { WORKER_MIB };
            Line {
                name: "P9",
                what: format!("{name}: resident memory under full load ÷ what it may take"),
                unit: "MiB",
                pairs: vec![(*mib, most)],
                goal: Goal::AtMost(1.0),
            }
        };
        self.memory.iter().map(line).collect()
    }
}

/// Measures what is asked for, prints each line as it comes, and fails where a goal is missed.
pub async fn run(given: &Goals) -> anyhow::Result<()> {
    let asked = |name: &str| given.only.is_empty() || given.only.iter().any(|only| only == name);
    if let Some(unknown) = given.only.iter().find(|only| !NAMES.contains(&only.as_str())) {
        anyhow::bail!("{unknown} is none of {}", NAMES.join(", "));
    }
    let mut bench = Bench::new(&given.place, given.sizes).await?;
    let pairs = given.pairs;
    let (mut measured, mut missed) = (0, Vec::new());
    println!("{HEAD}");
    for name in NAMES {
        if !asked(name) {
            continue;
        }
        let lines = match name {
            "P1" => daily::backlog(&mut bench, pairs).await?,
            "P2" => daily::grouped(&mut bench, pairs).await?,
            "P3" => payments::backlog(&mut bench, pairs).await?,
            "P4" => clicks::many(&mut bench, pairs).await?,
            "P5" => clicks::few(&mut bench, pairs).await?,
            "P6" => webhook::deliveries(&mut bench, pairs).await?,
            "P7" => daily::stored(&mut bench, pairs, given.stored).await?,
            "P8" => latency::visible(&mut bench, pairs).await?,
            "P9" => memory(&mut bench).await?,
            _ => peers::all(&mut bench, pairs).await?,
        };
        for line in lines {
            println!("{line}");
            measured += 1;
            if !line.is_met() {
                missed.push(line.name);
            }
        }
    }
    missed.dedup();
    println!("\n{measured} lines measured; missed: {}", missed.join(", "));
    ensure!(measured > 0, "nothing was measured");
    Ok(())
}

/// The memory that was seen so far, or in one run of each where nothing was measured before.
async fn memory(bench: &mut Bench) -> anyhow::Result<Vec<Line>> {
    let known = |bench: &Bench, name| bench.memory.iter().any(|(known, _)| known == name);
    if !known(bench, "daily-records") {
        daily::ours(bench, &daily::Run::singles(bench.sizes.events)).await?;
    }
    if !known(bench, "credits") {
        payments::ours(bench).await?;
    }
    if !known(bench, "billing") {
        webhook::ours(bench).await?;
    }
    if !known(bench, "ingress") {
        clicks::ours(bench, clicks::MANY).await?;
    }
    Ok(bench.memory_lines())
}

/// `ours` and `limit` in turn, each pair the other way round.
macro_rules! pairs {
    ($count:expr, $ours:expr, $limit:expr) => {{
        let mut pairs = Vec::new();
        for n in 0..$count {
            let pair = if n % 2 == 0 {
                let ours = $ours;
                (ours, $limit)
            } else {
                let limit = $limit;
                ($ours, limit)
            };
            eprintln!("# pair {}: {:.2?}", n + 1, pair);
            pairs.push(pair);
        }
        pairs
    }};
}
use pairs;
