//! `referral token create`: prints a new key, alone, once.
use std::{process::ExitCode, time::Duration};

use anyhow::bail;
use clap::Subcommand;

use super::Tools;
use crate::{
    credentials, settings,
    store::access::{self, NewToken},
};

/// The longest time that a token is good: a year (contract 2).
const TTL_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes a token and prints its key
    Create(Create),
}

#[derive(Debug, clap::Args)]
struct Create {
    /// The administrator that it belongs to
    #[arg(long)]
    login: String,
    /// The administrator's domain
    #[arg(long)]
    domain: String,
    /// How long it is good: a number with a unit (s, m, h, d), at most 365d
    #[arg(long, default_value = "1314000s", value_parser = parse_ttl)]
    ttl: Duration,
}

fn parse_ttl(text: &str) -> Result<Duration, String> {
    let ttl = settings::parse_duration(text);
    ttl.filter(|ttl| (Duration::from_secs(1)..=TTL_MAX).contains(ttl))
        .ok_or_else(|| "must be a number with a unit (s, m, h, d), at most 365d".to_owned())
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    let Action::Create(wanted) = args.action;
    let store = tools.store().await?;
    tools.domain(&store, &wanted.domain).await?;
    let Some(login) = access::login(&store, &wanted.domain, &wanted.login).await? else {
        bail!("--login: the domain has no administrator {:?}", wanted.login);
    };
    let key = credentials::new_key()?;
    let now = tools.clock.now();
    let token = NewToken {
        id: &uuid::Uuid::new_v4().to_string(),
        administrator_id: login.administrator_id,
        key_hash: &credentials::key_hash(&key),
        device_info: "referral token create",
        ip_address: "",
        now,
        expires: now.plus_ms(wanted.ttl.as_millis() as i64),
    };
    access::create_token(&store, &token).await?;
    println!("{key}");
    Ok(ExitCode::SUCCESS)
}
