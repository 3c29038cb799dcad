//! `referral deliveries test` (contract 6): one POST of a credit that nobody was granted, sent as the
//! billing worker sends them, and what came back.
//!
//! Asks and writes no database.
use std::{process::ExitCode, time::Duration};

use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    commands::{Tools, publish::parse},
    domain::UserHash,
    settings::SettingError,
    webhook::{Credit, Exchange, Sender, Signer},
};

const ENDPOINT: &str = "ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The user who is said to be credited
    #[arg(long, default_value = "test", value_parser = parse(UserHash::parse))]
    user_hash: UserHash,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Members as in the attempts of a delivery.
#[derive(Serialize)]
struct Told {
    webhook_id: String,
    duration_ms: u128,
    status: Option<u16>,
    error: Option<String>,
    answer: Option<String>,
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    let settings = tools.settings.billing()?;
    let signer = Signer::new(&settings.secrets)?;
    let Some(sender) = Sender::of(&settings, signer)? else {
        return Err(SettingError::new(ENDPOINT, "is required").into());
    };
    let id = Uuid::now_v7();
    let now = tools.clock.now();
    let mut credit = Credit::made_up(&id.to_string(), &args.user_hash, now);
    let trace = id.simple().to_string();
    credit.traceparent = Some(format!("00-{trace}-{}-01", &trace[16..]));
    let watch = Instant::now();
    let Exchange { status, error, answer, .. } = sender.post(&credit, now).await;
    let told = Told {
        webhook_id: credit.id,
        duration_ms: watch.elapsed().as_millis(),
        status,
        error,
        answer,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&told)?);
    } else {
        show(&told);
    }
    let taken = matches!(told.status, Some(200..=299));
    Ok(if taken { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(told: &Told) {
    let Told { webhook_id, duration_ms, status, error, answer } = told;
    let took = Duration::from_millis(u64::try_from(*duration_ms).unwrap_or(u64::MAX));
    match status {
        Some(status) => println!("{status} after {took:?}, webhook-id {webhook_id}"),
        None => println!("no answer after {took:?}, webhook-id {webhook_id}"),
    }
    // What others wrote does not move the terminal.
    for text in [error, answer].into_iter().flatten() {
        println!("{}", text.escape_debug());
    }
}
