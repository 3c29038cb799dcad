//! `referral dead list|show|replay|drop` (contract 7): the messages that the workers parked.
//!
//! Looking takes nothing out; how messages are sent back and dropped is [`Sweep`]'s.
use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use clap::Subcommand;
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::Value;

use super::{
    Tools, print_json, progress_bar,
    publish::{Link, opened},
};
use crate::broker::{
    Broker, HeaderValue, Message, Walk,
    replay::{self, Glance, printable},
    sweep::{Sweep, Which},
    topology::Parked,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists parked messages, the longest parked first; they stay where they are
    List {
        #[command(flatten)]
        which: Chosen,
        /// As one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Shows parked messages whole, with their headers; they stay where they are
    Show {
        /// The `message-id`, as `list` shows it
        id: String,
        /// Only what this worker parked [default: all]
        #[arg(long, value_parser = worker)]
        worker: Option<Parked>,
        /// As one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Sends parked messages back to where they belong; what is still bad is parked again, once
    Replay {
        #[command(flatten)]
        which: Chosen,
        /// Only say how many there are
        #[arg(long)]
        dry_run: bool,
    },
    /// Removes parked messages for ever
    #[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["reason", "id", "all"]))]
    Drop {
        #[command(flatten)]
        which: Chosen,
        /// Whatever the reason
        #[arg(long, conflicts_with_all = ["reason", "id"])]
        all: bool,
        /// Only say how many there are
        #[arg(long)]
        dry_run: bool,
    },
}

/// Which messages; the options combine.
#[derive(Debug, clap::Args)]
struct Chosen {
    /// Only what this worker parked: daily-records, credits, billing or mail [default: all]
    #[arg(long, value_parser = worker)]
    worker: Option<Parked>,
    /// Only what was parked for this `x-reason`, such as schema; may be given more than once
    #[arg(long)]
    reason: Vec<String>,
    /// Only what has this `message-id`
    #[arg(long)]
    id: Option<String>,
}

fn worker(name: &str) -> Result<Parked, String> {
    Parked::of(name).ok_or_else(|| "must be daily-records, credits, billing or mail".to_owned())
}

impl From<Chosen> for Which {
    fn from(Chosen { worker, reason, id }: Chosen) -> Self {
        Self { worker, reasons: reason, id }
    }
}

/// A parked message at a glance.
#[derive(Debug, Serialize)]
struct Listed {
    worker: &'static str,
    message_id: Option<String>,
    reason: String,
    detail: Option<String>,
    first_seen: Option<String>,
    content_type: Option<String>,
    bytes: usize,
    /// Of a single event, as far as it can be read.
    #[serde(rename = "type")]
    kind: Option<String>,
    id: Option<String>,
    source: Option<String>,
    domain: Option<String>,
}

/// A parked message whole.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    listed: Listed,
    headers: BTreeMap<String, Value>,
    /// Null where it is not UTF-8; then it is in `body_base64`.
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::List { which, json } => list(&which.into(), json, tools).await?,
        Action::Show { id, worker, json } => {
            let which = Which { worker, id: Some(id), ..Which::default() };
            return show(&which, json, tools).await;
        }
        Action::Replay { which, dry_run: false } => replay(&which.into(), tools).await?,
        Action::Replay { which, dry_run: true } => {
            println!("{} messages would be replayed", counted(&which.into(), tools).await?);
        }
        Action::Drop { which, dry_run: false, .. } => remove(&which.into(), tools).await?,
        Action::Drop { which, dry_run: true, .. } => {
            println!("{} messages would be dropped", counted(&which.into(), tools).await?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn begin(parked: &Parked, tools: &Tools) -> anyhow::Result<(Walk, ProgressBar)> {
    let broker = Broker::new(tools.settings.broker("referral dead")?);
    let walk = opened(broker.walk(parked.queue, None, &tools.shutdown)).await?;
    let template = "{wide_bar} {pos}/{len}  {msg}  {eta}";
    let bar = match walk.lying() {
        0 => ProgressBar::hidden(),
        lying => progress_bar(lying, template),
    };
    bar.set_message(parked.worker);
    Ok((walk, bar))
}

async fn end(walk: Walk, bar: &ProgressBar, parked: &Parked) -> anyhow::Result<()> {
    bar.finish_and_clear();
    let missing = walk.missing();
    walk.close().await?;
    if missing > 0 {
        bail!("{}: {missing} messages were not seen: somebody else holds them", parked.queue);
    }
    Ok(())
}

/// Goes through the messages that are wanted; they stay where they are.
async fn look(
    which: &Which,
    tools: &Tools,
    mut see: impl FnMut(&Parked, &Message),
) -> anyhow::Result<()> {
    for parked in which.queues() {
        let (mut walk, bar) = begin(&parked, tools).await?;
        let seen = || bar.inc(1);
        let sweep = Sweep { which, seen: &seen, shutdown: &tools.shutdown };
        sweep.look(&mut walk, |message| see(&parked, message)).await?;
        end(walk, &bar, &parked).await?;
    }
    Ok(())
}

async fn counted(which: &Which, tools: &Tools) -> anyhow::Result<u64> {
    let mut number = 0;
    look(which, tools, |_, _| number += 1).await?;
    Ok(number)
}

async fn list(which: &Which, json: bool, tools: &Tools) -> anyhow::Result<()> {
    let mut all = Vec::new();
    look(which, tools, |parked, message| all.push(listed(parked, message))).await?;
    if json {
        return print_json(&all);
    }
    let mut reasons = BTreeMap::<&str, u64>::new();
    for one in &all {
        println!("{}", line(one));
        *reasons.entry(&one.reason).or_default() += 1;
    }
    let reasons: Vec<String> = reasons.iter().map(|(name, n)| format!("{n} {name}")).collect();
    eprintln!("{} parked messages: {}", all.len(), reasons.join(", "));
    Ok(())
}

fn listed(parked: &Parked, message: &Message) -> Listed {
    let Glance { kind, id, source, domain } = replay::glance(message);
    let header = |name| message.headers.get_text(name).map(str::to_owned);
    Listed {
        worker: parked.worker,
        message_id: message.message_id.clone(),
        reason: replay::reason(message).to_owned(),
        detail: header("x-detail"),
        first_seen: header("x-first-seen"),
        content_type: message.content_type.clone(),
        bytes: message.body.len(),
        kind,
        id,
        source,
        domain,
    }
}

/// One line; what stands in a message cannot make it two.
fn line(listed: &Listed) -> String {
    let Listed { worker, message_id, reason, detail, first_seen, kind, id, source, domain, .. } =
        listed;
    let texts = [first_seen, message_id, &Some((*worker).to_owned()), &Some(reason.clone())];
    let event = [kind, domain, source, id, detail];
    let columns = texts.into_iter().chain(event);
    let escaped = columns.map(|text| text.as_deref().unwrap_or("-").escape_debug().to_string());
    escaped.collect::<Vec<_>>().join("\t")
}

async fn show(which: &Which, json: bool, tools: &Tools) -> anyhow::Result<ExitCode> {
    let mut all = Vec::new();
    look(which, tools, |parked, message| all.push(shown(parked, message))).await?;
    if json {
        print_json(&all)?;
    }
    for Shown { listed, headers, body, body_base64 } in all.iter().filter(|_| !json) {
        println!("{}", line(listed));
        println!("content-type: {}", listed.content_type.as_deref().unwrap_or("-").escape_debug());
        for (name, value) in headers {
            println!("{}: {value}", name.escape_debug());
        }
        match (body, body_base64) {
            (Some(text), _) => {
                println!("\n{}\n", text.chars().map(printable).collect::<String>());
            }
            (None, encoded) => println!("\nbase64: {}\n", encoded.as_deref().unwrap_or_default()),
        }
    }
    if all.is_empty() {
        eprintln!("error: nobody parked a message {:?}", which.id.as_deref().unwrap_or_default());
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(parked: &Parked, message: &Message) -> Shown {
    let value = |value: &HeaderValue| match value {
        HeaderValue::Text(text) => text.as_str().into(),
        HeaderValue::Int(number) => (*number).into(),
        HeaderValue::Bool(truth) => (*truth).into(),
        HeaderValue::Other(kind) => format!("({kind})").into(),
    };
    let headers = message.headers.iter().map(|(name, v)| (name.to_owned(), value(v))).collect();
    let body = std::str::from_utf8(&message.body).ok().map(str::to_owned);
    let encoded = || base64::engine::general_purpose::STANDARD.encode(&message.body);
    let body_base64 = body.is_none().then(encoded);
    Shown { listed: listed(parked, message), headers, body, body_base64 }
}

async fn replay(which: &Which, tools: &Tools) -> anyhow::Result<()> {
    let link = Link::open(tools).await?;
    let mut replayed = 0;
    for parked in which.queues() {
        let (mut walk, bar) = begin(&parked, tools).await?;
        let seen = || bar.inc(1);
        let sweep = Sweep { which, seen: &seen, shutdown: &tools.shutdown };
        let send = async |message| link.publish(message).await;
        let done: anyhow::Result<()> = sweep.replay(&mut walk, &parked, send, &mut replayed).await;
        let ended = end(walk, &bar, &parked).await;
        done.and(ended).with_context(|| {
            format!("{replayed} messages were replayed; run it again for the others")
        })?;
    }
    link.close().await;
    println!("{replayed} messages replayed");
    Ok(())
}

async fn remove(which: &Which, tools: &Tools) -> anyhow::Result<()> {
    let mut dropped = 0;
    for parked in which.queues() {
        let (mut walk, bar) = begin(&parked, tools).await?;
        let seen = || bar.inc(1);
        let sweep = Sweep { which, seen: &seen, shutdown: &tools.shutdown };
        let done = sweep.remove(&mut walk, &mut dropped).await.map_err(anyhow::Error::from);
        let ended = end(walk, &bar, &parked).await;
        done.and(ended).with_context(|| format!("{dropped} messages were dropped"))?;
    }
    println!("{dropped} messages dropped");
    Ok(())
}
