//! `referral deliveries list|show|retry|test` (contract 6): what billing was told, or is to be told, of credits.
//!
//! Shapes are the HTTP answers'. A retry makes rows due; billing does the rest. `test` is a file of its own.
mod test;

use std::{process::ExitCode, time::Duration};

use anyhow::bail;
use clap::Subcommand;

use super::{Tools, print_json, progress_bar, publish::parse};
use crate::{
    domain::Micros,
    ingress::deliveries::{details, shown},
    store::{
        Store,
        deliveries::{self, Delivery, Filter, State},
    },
};

/// Deliveries of one page of a listing where nothing else is said.
const LIMIT_DEFAULT: i64 = 100;
/// Deliveries that a bulk retry makes due each second where nothing else is said.
const RATE_DEFAULT: u32 = 50;
/// Deliveries that a bulk retry writes at once, between two steps of its progress bar.
const STEP_ROWS: usize = 500;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists deliveries, newest first
    List(List),
    /// Shows a delivery and each of its attempts
    Show {
        /// Its id, the `webhook-id`
        id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Makes deliveries due again; each keeps its `webhook-id`
    Retry(Retry),
    /// Sends a signed POST of 0.00 that is no credit, and shows what came back; exit 0 on a 2xx status
    Test(test::Args),
}

/// Which deliveries; they combine.
#[derive(Debug, clap::Args)]
struct Which {
    /// Of this domain only
    #[arg(long)]
    domain: Option<String>,
    /// Of this credited user only
    #[arg(long)]
    user_hash: Option<String>,
    /// Granted at this RFC 3339 time or later
    #[arg(long, value_parser = parse(Micros::parse))]
    since: Option<Micros>,
    /// Granted before this RFC 3339 time
    #[arg(long, value_parser = parse(Micros::parse))]
    until: Option<Micros>,
}

impl Which {
    async fn filter(
        self,
        state: Option<State>,
        store: &Store,
        tools: &Tools,
    ) -> anyhow::Result<Filter> {
        let Self { domain, user_hash, since, until } = self;
        let domain_id = match domain {
            Some(name) => Some(tools.domain(store, &name).await?.id),
            None => None,
        };
        Ok(Filter { domain_id, state, user_hash, since, until })
    }
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    which: Which,
    /// pending, delivered or dead
    #[arg(long, value_parser = parse(State::parse))]
    state: Option<State>,
    /// Most deliveries, 1 to 100000
    #[arg(long, default_value_t = LIMIT_DEFAULT, value_parser = clap::value_parser!(i64).range(1..=100_000))]
    limit: i64,
    /// Which page of so many, from 1
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    page: i64,
    /// As one JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["id", "dead"]))]
struct Retry {
    /// One delivery, dead or pending
    id: Option<String>,
    /// All dead ones, of those that the other options name
    #[arg(long)]
    dead: bool,
    #[command(flatten)]
    which: Which,
    /// Only say how many there are
    #[arg(long, requires = "dead")]
    dry_run: bool,
    /// How many become due each second, so that a billing system that recovers is not flooded
    #[arg(long, requires = "dead", default_value_t = RATE_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::List(wanted) => list(wanted, tools).await?,
        Action::Show { id, json } => show(&id, json, tools).await?,
        Action::Retry(Retry { id: Some(id), .. }) => retry_one(&id, tools).await?,
        Action::Retry(wanted) => return retry_dead(wanted, tools).await,
        Action::Test(wanted) => return test::run(wanted, tools).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(wanted: List, tools: &Tools) -> anyhow::Result<()> {
    let store = tools.store().await?;
    let filter = wanted.which.filter(wanted.state, &store, tools).await?;
    let offset = (wanted.page - 1) * wanted.limit;
    let (found, total) = deliveries::page(&store, &filter, wanted.limit, offset).await?;
    if wanted.json {
        return print_json(&found.iter().map(shown).collect::<Vec<_>>());
    }
    for one in &found {
        println!("{}", line(one));
    }
    if (found.len() as i64) < total {
        eprintln!("{} of {total}; --page and --limit show the others", found.len());
    }
    Ok(())
}

fn line(delivery: &Delivery) -> String {
    let Delivery { id, state, attempts, kind, amount, currency, user_hash, .. } = delivery;
    let created = delivery.created.rfc3339(delivery.zone);
    let state = state.as_str();
    let next = delivery.next_attempt.map(|at| at.rfc3339(delivery.zone)).unwrap_or_default();
    format!(
        "{id}\t{created}\t{state}\t{attempts} attempts\t{amount} {currency}\t{kind}\t{user_hash}\t{next}"
    )
}

async fn find(store: &Store, id: &str) -> anyhow::Result<Delivery> {
    match deliveries::one(store, None, id).await? {
        Some(found) => Ok(found),
        None => bail!("there is no delivery {id:?}"),
    }
}

async fn show(id: &str, json: bool, tools: &Tools) -> anyhow::Result<()> {
    let store = tools.store().await?;
    let found = find(&store, id).await?;
    let attempts = deliveries::attempts(&store, &found.id).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&details(&found, attempts))?);
        return Ok(());
    }
    println!("{}", line(&found));
    println!("programme {:?}, referred {}", found.program_name, found.referred_user_hash);
    for attempt in attempts {
        let time = attempt.time.rfc3339(found.zone);
        let took = Duration::from_micros(attempt.duration_us.unsigned_abs());
        let status = attempt.status.map(|status| status.to_string()).unwrap_or_default();
        let told = attempt.error.or(attempt.answer).unwrap_or_default();
        println!("{}\t{time}\t{took:.0?}\t{status}\t{}", attempt.number, told.escape_debug());
    }
    Ok(())
}

async fn retry_one(id: &str, tools: &Tools) -> anyhow::Result<()> {
    let store = tools.store().await?;
    let found = find(&store, id).await?;
    if found.state == State::Delivered {
        bail!("the delivery {id} is delivered");
    }
    let now = tools.clock.now();
    if deliveries::retry(&store, &[found.id], now, now, 0).await? == 0 {
        eprintln!("it is being attempted at this moment");
    }
    Ok(())
}

async fn retry_dead(wanted: Retry, tools: &Tools) -> anyhow::Result<ExitCode> {
    let store = tools.store().await?;
    let filter = wanted.which.filter(Some(State::Dead), &store, tools).await?;
    let ids = deliveries::ids(&store, &filter).await?;
    if wanted.dry_run {
        println!("{} dead deliveries would be tried again", ids.len());
        return Ok(ExitCode::SUCCESS);
    }
    let spacing = Duration::from_secs(1) / wanted.rate;
    let bar = progress_bar(ids.len() as u64, "{wide_bar} {pos}/{len}  {eta}");
    let (begun, mut retried) = (tools.clock.now(), 0);
    for (step, chunk) in ids.chunks(STEP_ROWS).enumerate() {
        if tools.shutdown.is_cancelled() {
            bar.finish_and_clear();
            bail!("stopped after {retried}; run it again for the others");
        }
        let before = spacing * u32::try_from(step * STEP_ROWS).unwrap_or(u32::MAX);
        let due = begun.plus_ms(before.as_millis() as i64);
        retried +=
            deliveries::retry(&store, chunk, tools.clock.now(), due, spacing.as_micros() as i64)
                .await?;
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    println!("{retried} deliveries will be tried again, {} each second", wanted.rate);
    Ok(ExitCode::SUCCESS)
}
