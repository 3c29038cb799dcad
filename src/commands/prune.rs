//! `referral prune --older-than 400d` (contract 7): what was raw of old clicks goes, their keys stay.
//!
//! Whole days of the domain's zone are pruned. Bounded batches, each a transaction of its own, so that
//! the workers go on meanwhile; stopped or killed it is run again and goes on.
use std::{process::ExitCode, time::Duration};

use anyhow::bail;
use chrono_tz::Tz;

use super::{Tools, progress_bar};
use crate::{
    domain::Micros,
    settings,
    store::{
        Store,
        prune::{self, Old},
        tenants,
    },
};

/// Clicks looked at in one transaction.
const STRETCH_IDS: i64 = 5000;
/// What is younger cannot be pruned: days that are still being counted, and slips of the pen.
const AGE_MIN: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How old a click has to be: a number with a unit (s, m, h, d), at least 1d; whole days count
    #[arg(long, value_parser = parse_age)]
    older_than: Duration,
    /// Only this domain [default: all]
    #[arg(long)]
    domain: Option<String>,
    /// Only say how many clicks there are to prune
    #[arg(long)]
    dry_run: bool,
}

fn parse_age(text: &str) -> Result<Duration, String> {
    let age = settings::parse_duration(text).filter(|age| *age >= AGE_MIN);
    age.ok_or_else(|| "must be a number with a unit (s, m, h, d), at least 1d".to_owned())
}

/// The first instant that stays: that of the day on which the clicks are exactly of that age.
fn stays_from(now: Micros, older_than: Duration, zone: Tz) -> Micros {
    let age = i64::try_from(older_than.as_micros()).unwrap_or(i64::MAX);
    // Before the clock's own beginning nothing happened.
    Micros(now.0.saturating_sub(age).max(0)).day(zone).begins(zone)
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    let store = tools.store().await?;
    let domains = match &args.domain {
        Some(name) => vec![tools.domain(&store, name).await?],
        None => tenants::domains(&store).await?,
    };
    let now = tools.clock.now();
    let mut old = Vec::with_capacity(domains.len());
    for domain in &domains {
        let before = stays_from(now, args.older_than, domain.zone);
        if !args.dry_run {
            // First: whoever reads meanwhile shall not take the one half for all.
            prune::mark(&store, domain.id, before).await?;
        }
        old.push((domain.id, before));
    }
    let pruned = prune_all(&store, &Old::of(&old), args.dry_run, tools).await?;
    println!("{pruned} clicks {}", if args.dry_run { "to prune" } else { "pruned" });
    Ok(ExitCode::SUCCESS)
}

/// Goes through all clicks once; how many were, or are to be, emptied.
async fn prune_all(store: &Store, old: &Old, dry_run: bool, tools: &Tools) -> anyhow::Result<u64> {
    let Some((mut first, end)) = prune::extent(store).await? else { return Ok(0) };
    let template = "{elapsed_precise} {wide_bar} {pos}/{len} clicks looked at, {msg}";
    let bar = progress_bar(end.abs_diff(first) + 1, template);
    let mut pruned = 0;
    while first <= end {
        if tools.shutdown.is_cancelled() {
            bail!("stopped after {pruned} clicks; run it again to go on");
        }
        let last = end.min(first.saturating_add(STRETCH_IDS - 1));
        pruned += if dry_run {
            prune::count(store, old, first, last).await?
        } else {
            prune::empty(store, old, first, last).await?
        };
        bar.inc(last.abs_diff(first) + 1);
        bar.set_message(format!("{pruned} to empty"));
        first = last + 1;
    }
    bar.finish_and_clear();
    Ok(pruned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_days_of_the_zone_are_pruned() {
        let now = Micros::parse("2026-11-22T22:30:00Z").unwrap();
        for (age, zone, expected) in [
            ("1d", "UTC", "2026-11-21T00:00:00Z"),
            ("1d", "Europe/Moscow", "2026-11-21T21:00:00Z"),
            ("400d", "Europe/Moscow", "2025-10-18T21:00:00Z"),
            ("30h", "UTC", "2026-11-21T00:00:00Z"),
            ("99999999d", "UTC", "1970-01-01T00:00:00Z"),
        ] {
            let stays = stays_from(now, parse_age(age).unwrap(), zone.parse().unwrap());
            assert_eq!(Ok(stays), Micros::parse(expected), "{age} {zone}");
        }
        for bad in ["0d", "23h", "400", "400ms", "-1d", ""] {
            assert!(parse_age(bad).is_err(), "{bad}");
        }
    }
}
