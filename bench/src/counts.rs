//! `make counts`: instructions an event of the [hot functions](crate::hot), counted by callgrind.
//!
//! Each is run so many times and twice as many: the difference has no first times in it. Callgrind's
//! machine has no SHA instructions, so SHA-256 is counted in its soft form.
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use crate::{
    hot::{self, Hot},
    program::{output, own_file},
};

/// Events of the shorter run.
const EVENTS: usize = 10_000;
/// Counting is on within these functions only.
const COUNTED: &str = "--toggle-collect=*hot::run*";
/// Functions that are shown of each.
const TOP: usize = 20;

/// See the module.
#[derive(Args)]
pub struct Counts {
    /// Only these, and the functions that their instructions are in.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// A directory for what callgrind writes.
    #[arg(long)]
    directory: PathBuf,
}

/// Runs one hot function some times, for callgrind to count.
#[derive(Args)]
pub struct Hots {
    /// Its name.
    name: String,
    /// How often.
    #[arg(long)]
    runs: usize,
}

impl Hots {
    /// See the type.
    pub fn run(&self) -> anyhow::Result<()> {
        let all = hot::all()?;
        let hot = all.iter().find(|hot| hot.name == self.name).context("no such function")?;
        for _ in 0..self.runs {
            let right = hot::run(hot.prepare()).right;
            ensure!(right == hot.events, "{right} of {} events came out right", hot.events);
        }
        Ok(())
    }
}

impl Counts {
    /// Prints the table.
    pub async fn run(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.directory)?;
        let all = hot::all()?;
        if let Some(unknown) = self.only.iter().find(|only| !all.iter().any(|h| h.name == **only)) {
            let names: Vec<_> = all.iter().map(|hot| hot.name).collect();
            bail!("{unknown} is none of {}", names.join(", "));
        }
        println!("| name | what | instructions an event |\n| --- | --- | --- |");
        let asked = |hot: &&Hot| self.only.is_empty() || self.only.iter().any(|o| o == hot.name);
        let mut profiles = Vec::new();
        for hot in all.iter().filter(asked) {
            let runs = EVENTS / hot.events;
            let (once, _) = self.count(hot, runs).await?;
            let (twice, profile) = self.count(hot, 2 * runs).await?;
            let each = (twice - once) as f64 / (runs * hot.events) as f64;
            println!("| `{}` | {} | {each:.0} |", hot.name, hot.what);
            profiles.push((hot.name, profile));
        }
        if !self.only.is_empty() {
            for (name, profile) in profiles {
                println!("\n`{name}`, instructions in a function and in what it calls:");
                let said = annotate(&profile).await?;
                said.lines().filter_map(function).take(TOP).for_each(|line| println!("{line}"));
            }
        }
        Ok(())
    }

    /// The instructions of so many runs, and callgrind's file of them.
    async fn count(&self, hot: &Hot, runs: usize) -> anyhow::Result<(u64, PathBuf)> {
        let profile = self.directory.join(format!("{}.{runs}.callgrind", hot.name));
        let own = own_file()?;
        let out = format!("--callgrind-out-file={}", text(&profile)?);
        let runs = runs.to_string();
        let arguments = ["--quiet", "--tool=callgrind", COUNTED, &out, text(&own)?];
        let arguments = [&arguments[..], &["hot", hot.name, "--runs", &runs]].concat();
        output(Path::new("valgrind"), &arguments).await?;
        let written = std::fs::read_to_string(&profile)?;
        let total = written.lines().rev().find_map(|line| line.strip_prefix("totals: "));
        let total = total.context("callgrind's totals")?.trim().parse()?;
        ensure!(total > 0, "nothing was counted: is {COUNTED} a function?");
        Ok((total, profile))
    }
}

async fn annotate(profile: &Path) -> anyhow::Result<String> {
    output(Path::new("callgrind_annotate"), &["--inclusive=yes", text(profile)?]).await
}

/// A line `SHARE FUNCTION` of one `COUNT (SHARE%)  FILE:FUNCTION [OBJECT]`; nothing of what calls the rest.
fn function(line: &str) -> Option<String> {
    let (_, rest) = line.split_once('(')?;
    let (share, rest) = rest.split_once("%)")?;
    let share = share.trim().parse::<f64>().ok().filter(|share| *share < 100.0)?;
    let (_, function) = rest.trim().split_once(':')?;
    let function = function.rsplit_once(" [").map_or(function, |(function, _)| function);
    Some(format!("{share:5.1} % {function}"))
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path in UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callgrind_annotate_says_is_read() {
        let line =
            "12,345 (45.67%)  ???:referral::broker::envelope::decode [/target/release/bench]";
        assert_eq!(function(line).as_deref(), Some(" 45.7 % referral::broker::envelope::decode"));
        assert_eq!(function("99,000 (100.0%)  ???:bench::main [/target/release/bench]"), None);
        assert_eq!(function("Ir"), None);
    }
}
