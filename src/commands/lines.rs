//! A file whose lines become events, published in batches of one type, each confirmed: what
//! `referral publish --file` and `referral import users` share.
//!
//! Owns reading, batching, the progress bar and the report of bad lines, which do not stop the good
//! ones. Refuses to know what a line says: the command turns it into an event.
use std::{collections::BTreeMap, path::Path, pin::Pin, process::ExitCode};

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use indicatif::ProgressBar;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use super::{Tools, progress_bar, publish::Link};
use crate::{
    broker::{compose, envelope::BATCH_EVENTS_MAX},
    domain::EventType,
};

/// Most bytes of one batch, far below `MAX_MESSAGE`.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Batches in flight.
const IN_FLIGHT_MAX: usize = 8;
/// What some editors put before the first line.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The event that a line stands for, checked.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) event_type: EventType,
    pub(super) id: String,
    pub(super) json: String,
}

/// Where the lines are, and what they are called in messages.
pub(super) struct Source<'a> {
    /// How the command names the file, such as `--file`.
    pub(super) argument: &'a str,
    /// `-`: standard input.
    pub(super) path: &'a Path,
    /// What a good line is, in the plural.
    pub(super) noun: &'a str,
}

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

/// Publishes what `read` makes of each line that is not blank; a line that it refuses is reported
/// with its number, and makes the exit code 1.
pub(super) async fn publish(
    source: &Source<'_>,
    tools: &Tools,
    read: impl FnMut(&str) -> Result<Ready, String>,
) -> anyhow::Result<ExitCode> {
    let named = || format!("{} {}", source.argument, source.path.display());
    let (input, bytes): (Pin<Box<dyn AsyncRead>>, u64) = if source.path == Path::new("-") {
        (Box::pin(tokio::io::stdin()), 0)
    } else {
        let file = tokio::fs::File::open(source.path).await.with_context(named)?;
        let bytes = file.metadata().await.with_context(named)?.len();
        (Box::pin(file), bytes)
    };
    let link = Link::open(tools).await?;
    let bar = progress_bar(bytes, "{wide_bar} {bytes}/{total_bytes}  {msg}  {eta}");
    let mut tally = Tally::default();
    let done = publish_lines(input, &link, tools, &bar, &mut tally, read).await;
    bar.finish_and_clear();
    let Tally { published, bad } = tally;
    eprintln!("{published} {} published and confirmed, {bad} bad lines", source.noun);
    done.with_context(|| format!("{}; safe to run again", named()))?;
    link.close().await;
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn publish_lines(
    input: Pin<Box<dyn AsyncRead>>,
    link: &Link,
    tools: &Tools,
    bar: &ProgressBar,
    tally: &mut Tally,
    mut read: impl FnMut(&str) -> Result<Ready, String>,
) -> anyhow::Result<()> {
    let batch_bytes_max = BATCH_BYTES_MAX.min(tools.settings.broker("")?.max_message);
    let mut lines = BufReader::new(input).split(b'\n');
    let mut batches: BTreeMap<EventType, Batch> = BTreeMap::new();
    let mut in_flight = FuturesUnordered::new();
    let mut number = 0_u64;
    while let Some(line) = next_line(&mut lines, tools).await? {
        number += 1;
        bar.inc(line.len() as u64 + 1);
        let Ready { event_type, id, json } = match ready(&line, number, &mut read) {
            None => continue,
            Some(Ok(ready)) => ready,
            Some(Err(problem)) => {
                tally.bad += 1;
                bar.suspend(|| eprintln!("line {number}: {problem}"));
                continue;
            }
        };
        let batch = batches.entry(event_type).or_default();
        let is_full =
            batch.events.len() >= BATCH_EVENTS_MAX || batch.bytes + json.len() > batch_bytes_max;
        if is_full && !batch.events.is_empty() {
            in_flight.push(send(link, event_type, std::mem::take(batch)));
        }
        if batch.events.is_empty() {
            batch.first_id = id;
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

type Lines = tokio::io::Split<BufReader<Pin<Box<dyn AsyncRead>>>>;

/// The next line; an error when the command is stopped first, also while standard input is silent.
async fn next_line(lines: &mut Lines, tools: &Tools) -> anyhow::Result<Option<Vec<u8>>> {
    tokio::select! {
        biased;
        () = tools.shutdown.cancelled() => bail!("stopped"),
        line = lines.next_segment() => Ok(line?),
    }
}

/// The event that this line stands for, or what is wrong with it; `None` for a blank one.
fn ready(
    line: &[u8],
    number: u64,
    read: &mut impl FnMut(&str) -> Result<Ready, String>,
) -> Option<Result<Ready, String>> {
    let Ok(text) = std::str::from_utf8(line) else {
        return Some(Err("must be UTF-8".to_owned()));
    };
    let text = if number == 1 { text.trim_start_matches(BYTE_ORDER_MARK) } else { text };
    (!text.trim().is_empty()).then(|| read(text))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_refused_or_blank() {
        let mut read = |text: &str| match text {
            "good" => {
                Ok(Ready { event_type: EventType::Signup, id: "1".to_owned(), json: String::new() })
            }
            other => Err(other.to_owned()),
        };
        let cases: [(&str, &[u8], u64, &str); 7] = [
            ("good", b"good", 2, "ready 1"),
            ("after a byte order mark", b"\xef\xbb\xbfgood", 1, "ready 1"),
            ("a mark elsewhere", b"\xef\xbb\xbfgood", 2, "\u{feff}good"),
            ("refused", b"bad", 2, "bad"),
            ("no text", b"\xff", 2, "must be UTF-8"),
            ("empty", b"", 2, "blank"),
            ("blank, from Windows", b" \t\r", 2, "blank"),
        ];
        for (name, line, number, expected) in cases {
            let found = match ready(line, number, &mut read) {
                Some(Ok(ready)) => format!("ready {}", ready.id),
                Some(Err(problem)) => problem,
                None => "blank".to_owned(),
            };
            assert_eq!(found, expected, "{name}");
        }
    }
}
