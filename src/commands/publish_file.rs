//! `referral publish --file events.ndjson`: each line one event in CloudEvents JSON.
//!
//! Good lines are published in batches (see `lines`); bad ones are reported with their line and
//! field, and make the exit code 1. Ids are the file's, so that running it again changes nothing.
use std::{path::Path, process::ExitCode};

use super::{
    Tools,
    lines::{self, Ready, Source},
    publish::{check, trimmed},
};

pub(super) async fn run(path: &Path, tools: &Tools) -> anyhow::Result<ExitCode> {
    let message_bytes_max = tools.settings.broker("")?.max_message;
    let source = Source { argument: "--file", path, noun: "events" };
    lines::publish(&source, tools, |text| {
        let event = check(text, tools.clock.now(), message_bytes_max)
            .map_err(|bad| format!("{}: {}", bad.reason, bad.detail))?;
        let json = trimmed(text).map_or_else(|| text.to_owned(), |raw| raw.get().to_owned());
        Ok(Ready { event_type: event.data.event_type(), id: event.id, json })
    })
    .await
}
