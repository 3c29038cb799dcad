//! Where the time goes: our own side of one goal, run once, sampled by perf.
use std::path::{Path, PathBuf};

use anyhow::bail;

use super::{Bench, clicks, daily, payments, webhook};
use crate::{Flame, program::Program};

/// By the clock: virtual machines seldom have counters. Stacks are unwound by the tables that every release
/// program has for panics, so that nothing is built anew.
const SAMPLE: [&str; 10] =
    ["record", "-a", "-e", "cpu-clock", "-F", "199", "--call-graph", "dwarf,16384", "-m", "4M"];

/// Runs it; `NAME.data` has the samples, `NAME.pids` the programs that were measured.
pub async fn run(flame: &Flame) -> anyhow::Result<()> {
    std::fs::create_dir_all(&flame.into)?;
    let mut bench = Bench::new(&flame.place, flame.sizes).await?;
    bench.samples = Some(std::path::absolute(flame.into.join(&flame.goal).with_extension("data"))?);
    let events = flame.sizes.events;
    let rate = match &*flame.goal {
        "P1" => daily::ours(&mut bench, &daily::Run::singles(events)).await?,
        "P2" => daily::ours(&mut bench, &daily::Run::grouped(events)).await?,
        "P3" => payments::ours(&mut bench).await?,
        "P4" => clicks::ours(&mut bench, clicks::MANY).await?.rate,
        "P6" => webhook::ours(&mut bench).await?,
        other => bail!("{other} is none of P1, P2, P3, P4, P6"),
    };
    eprintln!("# {rate:.0} a second");
    Ok(())
}

/// Samples of the whole machine, while something runs.
pub struct Sampler {
    perf: Program,
    data: PathBuf,
}

impl Sampler {
    /// Begins.
    pub fn start(data: &Path, directory: &Path) -> anyhow::Result<Self> {
        let file = data.to_string_lossy();
        let arguments = [&SAMPLE[..], &["-o", &file]].concat();
        let perf = Program::start(Path::new("/usr/bin/perf"), &arguments, &[], directory)?;
        Ok(Self { perf, data: data.to_owned() })
    }

    /// Ends, and notes whose programs these are.
    pub async fn stop(self, programs: &[Program]) -> anyhow::Result<()> {
        self.perf.stop().await?;
        let pids = programs.iter().map(|program| Ok(program.pid()?.to_string()));
        let pids = pids.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(std::fs::write(self.data.with_extension("pids"), pids.join(","))?)
    }
}
