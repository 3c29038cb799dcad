//! `referral publish --file events.ndjson`: each line one event in CloudEvents JSON.
//!
//! Good lines are published in batches of one type, each confirmed; bad ones are reported with
//! their line and field, and make the exit code 1. Ids are the file's, so that running it again
//! changes nothing.
use std::{collections::BTreeMap, io::IsTerminal as _, path::Path, pin::Pin, process::ExitCode};

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use super::{
    Tools,
    publish::{Link, check, trimmed},
};
use crate::{
    broker::{compose, envelope::BATCH_EVENTS_MAX},
    domain::EventType,
};

/// Most bytes of one batch, far below `MAX_MESSAGE`.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Batches in flight.
const IN_FLIGHT_MAX: usize = 8;

/// Events of one type that leave as one message.
#[derive(Default)]
struct Batch {
    events: Vec<String>,
    bytes: usize,
    first_id: String,
}

/// What became of the lines.
#[derive(Default)]
struct Tally {
    published: u64,
    bad: u64,
}

pub(super) async fn run(path: &Path, tools: &Tools) -> anyhow::Result<ExitCode> {
    let named = || format!("--file {}", path.display());
    let (input, bytes): (Pin<Box<dyn AsyncRead>>, u64) = if path == Path::new("-") {
        (Box::pin(tokio::io::stdin()), 0)
    } else {
        let file = tokio::fs::File::open(path).await.with_context(named)?;
        let bytes = file.metadata().await.with_context(named)?.len();
        (Box::pin(file), bytes)
    };
    let link = Link::open(tools).await?;
    let bar = progress_bar(bytes);
    let mut tally = Tally::default();
    let done = publish_lines(input, &link, tools, &bar, &mut tally).await;
    bar.finish_and_clear();
    eprintln!("{} events published and confirmed, {} bad lines", tally.published, tally.bad);
    done.with_context(|| format!("{}; safe to run again", named()))?;
    link.close().await;
    Ok(if tally.bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn progress_bar(bytes: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = if bytes == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(bytes) };
    let template = "{wide_bar} {bytes}/{total_bytes}  {msg}  {eta}";
    match ProgressStyle::with_template(template) {
        Ok(style) if bytes > 0 => bar.with_style(style),
        _ => bar,
    }
}

async fn publish_lines(
    input: Pin<Box<dyn AsyncRead>>,
    link: &Link,
    tools: &Tools,
    bar: &ProgressBar,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let message_bytes_max = tools.settings.broker("")?.max_message;
    let mut lines = BufReader::new(input).split(b'\n');
    let mut batches: BTreeMap<EventType, Batch> = BTreeMap::new();
    let mut in_flight = FuturesUnordered::new();
    let mut number = 0_u64;
    while let Some(line) = lines.next_segment().await? {
        if tools.shutdown.is_cancelled() {
            bail!("stopped");
        }
        number += 1;
        bar.inc(line.len() as u64 + 1);
        let text = String::from_utf8_lossy(&line);
        if text.trim().is_empty() {
            continue;
        }
        let event = match check(&text, tools.clock.now(), message_bytes_max) {
            Ok(event) => event,
            Err(bad) => {
                tally.bad += 1;
                bar.suspend(|| eprintln!("line {number}: {}: {}", bad.reason, bad.detail));
                continue;
            }
        };
        let event_type = event.data.event_type();
        let json = trimmed(&text).map_or_else(|| text.to_string(), |raw| raw.get().to_owned());
        let batch = batches.entry(event_type).or_default();
        let is_full = batch.events.len() >= BATCH_EVENTS_MAX
            || batch.bytes + json.len() > BATCH_BYTES_MAX.min(message_bytes_max);
        if is_full && !batch.events.is_empty() {
            in_flight.push(send(link, event_type, std::mem::take(batch)));
        }
        if batch.events.is_empty() {
            batch.first_id = event.id;
        }
        batch.bytes += json.len() + 2;
        batch.events.push(json);
        while in_flight.len() >= IN_FLIGHT_MAX {
            settle(in_flight.next().await, bar, tally)?;
        }
    }
    for (event_type, batch) in batches {
        in_flight.push(send(link, event_type, batch));
    }
    while let Some(done) = in_flight.next().await {
        settle(Some(done), bar, tally)?;
    }
    Ok(())
}

async fn send(link: &Link, event_type: EventType, batch: Batch) -> anyhow::Result<u64> {
    let texts: Vec<&str> = batch.events.iter().map(String::as_str).collect();
    link.publish(compose::message(event_type, &batch.first_id, &texts)).await?;
    Ok(texts.len() as u64)
}

fn settle(
    done: Option<anyhow::Result<u64>>,
    bar: &ProgressBar,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    if let Some(events) = done.transpose()? {
        tally.published += events;
        bar.set_message(format!("{} confirmed", tally.published));
    }
    Ok(())
}
