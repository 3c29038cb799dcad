//! `referral domain create|set|list`.
use std::process::ExitCode;

use anyhow::bail;
use chrono_tz::Tz;
use clap::Subcommand;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Tools, print_json, wrong_use};
use crate::{
    domain::{Currency, Money},
    store::{StoreError, payouts, tenants},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes a domain
    Create {
        /// Its name, 1 to 253 characters; events and logins use it
        #[arg(value_parser = parse_name)]
        name: String,
        /// IANA time zone that decides the day of a click or signup, such as Europe/Berlin
        #[arg(long, default_value = "UTC", value_parser = parse_zone)]
        timezone: Tz,
        /// ISO 4217 code of its programmes and of the payments that count
        #[arg(long, value_parser = parse_currency)]
        currency: Currency,
    },
    /// Changes a domain
    Set {
        /// Its name
        name: String,
        /// IANA time zone; days that are already recorded stay where they are
        #[arg(long, value_parser = parse_zone)]
        timezone: Option<Tz>,
        /// ISO 4217 code; only while the domain has no payments and no programmes
        #[arg(long, value_parser = parse_currency)]
        currency: Option<Currency>,
        /// The least that is paid out to a partner at once, 0.01 or more
        #[arg(long, value_parser = parse_min_payout)]
        min_payout: Option<Money>,
    },
    /// Lists the domains
    List {
        /// As one JSON array
        #[arg(long)]
        json: bool,
    },
}

fn parse_name(text: &str) -> Result<String, String> {
    let fits = (1..=253).contains(&text.chars().count());
    if fits && !text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 253 characters without blanks".to_owned())
    }
}

pub(super) fn parse_zone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| "must be an IANA time zone such as Europe/Berlin".to_owned())
}

fn parse_min_payout(text: &str) -> Result<Money, String> {
    let min = Money::parse(text).map_err(|error| error.to_string())?;
    if min.is_zero() { Err("must be 0.01 or more".to_owned()) } else { Ok(min) }
}

fn parse_currency(text: &str) -> Result<Currency, String> {
    Currency::parse(text).map_err(|error| error.to_string())
}

#[derive(Serialize)]
struct Shown {
    name: String,
    timezone: &'static str,
    currency: String,
    min_payout: Box<RawValue>,
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Create { name, timezone, currency } => {
            let store = tools.store().await?;
            let now = tools.clock.now();
            match tenants::create_domain(&store, &name, timezone, currency, now).await {
                Ok(()) => {}
                Err(StoreError::Taken(_)) => bail!("there is a domain {name:?} already"),
                Err(error) => return Err(error.into()),
            }
        }
        Action::Set { timezone: None, currency: None, min_payout: None, .. } => {
            return Ok(wrong_use("give --timezone, --currency or --min-payout"));
        }
        Action::Set { name, timezone, currency, min_payout } => {
            set(tools, &name, timezone, currency, min_payout).await?;
        }
        Action::List { json } => list(tools, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn set(
    tools: &Tools,
    name: &str,
    timezone: Option<Tz>,
    currency: Option<Currency>,
    min_payout: Option<Money>,
) -> anyhow::Result<()> {
    let store = tools.store().await?;
    let Some(domain) = tenants::domain(&store, name).await? else {
        bail!("there is no domain {name:?}");
    };
    if let Some(currency) = currency
        && !tenants::set_currency(&store, domain.id, currency).await?
    {
        bail!("--currency: the domain {name:?} has payments or programmes already");
    }
    if let Some(zone) = timezone {
        tenants::set_zone(&store, domain.id, zone, tools.clock.now()).await?;
    }
    if let Some(min) = min_payout {
        payouts::set_min_payout(&store, domain.id, min).await?;
    }
    Ok(())
}

async fn list(tools: &Tools, json: bool) -> anyhow::Result<()> {
    let store = tools.store().await?;
    let mut domains = Vec::new();
    for domain in tenants::domains(&store).await? {
        domains.push(Shown {
            min_payout: payouts::min_payout(&store, domain.id).await?.json_number(),
            name: domain.name,
            timezone: domain.zone.name(),
            currency: domain.currency.as_str().to_owned(),
        });
    }
    if json {
        return print_json(&domains);
    }
    for Shown { name, timezone, currency, min_payout } in domains {
        println!("{name}\t{timezone}\t{currency}\t{min_payout}");
    }
    Ok(())
}
