//! One run: the codes that the remote does not have yet go there, its records of yesterday and today
//! come here.
//!
//! Owns the order of things and what is counted. Each answer is a row before the next is asked for
//! on its behalf, so that a run that was cut off is gone on with.
use std::{cell::Cell, collections::HashSet, fmt};

use anyhow::{anyhow, bail};
use chrono_tz::Tz;
use futures_util::{StreamExt as _, future, stream};
use indicatif::ProgressBar;
use reqwest::Method;
use serde_json::json;

use super::{
    answer::{self, Page, Reading},
    client::Remote,
};
use crate::{
    clock::Clock,
    commands::progress_bar,
    domain::Day,
    store::{
        Store,
        remote::{self, Missing, Pair, Said},
    },
};

/// Codes under way to the remote at once.
pub(super) const PUTS_IN_FLIGHT_MAX: usize = 8;
/// Codes that are read from the database at once.
const CODES_PER_READ_MAX: i64 = 500;
/// Records asked for at once: the most that contract 2 gives.
const RECORDS_PER_PAGE: usize = 1000;
/// Pages of one day; a remote that has more has lost count.
const PAGES_MAX: usize = 10_000;
/// How often a day is read from its first page while records are missing: those that are made
/// meanwhile push others from one page to the next.
const DAY_READS_MAX: usize = 3;

/// What a run came to.
#[derive(Debug, Default)]
pub(super) struct Report {
    put: u64,
    refused: u64,
    read: u64,
    changed: u64,
    bad: u64,
}

impl Report {
    /// Nothing was refused, nothing was wrong.
    pub(super) fn is_clean(&self) -> bool {
        self.refused == 0 && self.bad == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { put, refused, read, changed, bad } = self;
        write!(f, "{put} codes put, {refused} refused; {read} records read, {changed} changed, ")?;
        write!(f, "{bad} bad")
    }
}

/// What a run works with.
pub(super) struct Sync<'a> {
    pub(super) store: &'a Store,
    pub(super) clock: &'a Clock,
    pub(super) remote: Remote,
    pub(super) pair: Pair,
    /// Decides which days yesterday and today are, and reads times without an offset.
    pub(super) zone: Tz,
}

impl Sync<'_> {
    /// Runs. An error is the end of the run; what was done before stays done.
    pub(super) async fn run(&self, report: &mut Report) -> anyhow::Result<()> {
        let codes = remote::count_missing(self.store, &self.pair).await?;
        let bar = progress_bar(codes.unsigned_abs(), "{wide_bar} {pos}/{len} codes  {eta}");
        let done = self.put_codes(&bar, report).await;
        bar.finish_and_clear();
        done?;
        let bar = progress_bar(0, "");
        let today = self.clock.now().day(self.zone);
        let mut done = Ok(());
        for day in [today.before(), today] {
            done = self.read_day(day, &bar, report).await;
            if done.is_err() {
                break;
            }
        }
        bar.finish_and_clear();
        done
    }

    async fn put_codes(&self, bar: &ProgressBar, report: &mut Report) -> anyhow::Result<()> {
        let mut after = String::new();
        loop {
            let codes = remote::missing(self.store, &self.pair, &after, CODES_PER_READ_MAX).await?;
            let Some(last) = codes.last() else { return Ok(()) };
            after.clone_from(&last.code);
            // After a failure those under way come to their end, and no other is begun.
            let (mut failure, is_failing) = (None, Cell::new(false));
            let puts = stream::iter(codes)
                .take_while(|_| future::ready(!is_failing.get()))
                .map(|code| self.put(code));
            let mut puts = std::pin::pin!(puts.buffer_unordered(PUTS_IN_FLIGHT_MAX));
            while let Some(done) = puts.next().await {
                bar.inc(1);
                match done {
                    Ok((_, Said { is_done: true, .. })) => report.put += 1,
                    Ok((code, Said { status, detail, .. })) => {
                        report.refused += 1;
                        let detail = detail.unwrap_or_default();
                        say(bar, &format!("code {code}: refused, status {status}: {detail}"));
                    }
                    Err(error) => {
                        is_failing.set(true);
                        failure.get_or_insert(error);
                    }
                }
            }
            if let Some(error) = failure {
                return Err(error);
            }
        }
    }

    /// Puts one code and remembers what the remote said to it.
    async fn put(&self, missing: Missing) -> anyhow::Result<(String, Said)> {
        let path = format!("/v1/referral/{}", missing.code);
        let body = json!({"email": missing.email});
        let call = self.remote.request(Method::PUT, &path, Some(body))?;
        let answer = self.remote.call(&call).await?;
        let is_done = answer.is_success();
        if !is_done && !matches!(answer.status, 409 | 422) {
            return Err(answer.unexpected(&call));
        }
        let detail = if is_done { None } else { answer::detail(&answer.body) };
        let said = Said { is_done, status: answer.status, detail };
        remote::mark(self.store, &self.pair, &missing, &said, self.clock.now()).await?;
        Ok((missing.code, said))
    }

    /// Reads all records of a day, as many as the remote says there are.
    async fn read_day(
        &self,
        day: Day,
        bar: &ProgressBar,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let mut found = HashSet::new();
        let mut total = 0;
        for _ in 0..DAY_READS_MAX {
            total = self.read_pages(day, &mut found, bar, report).await?;
            if found.len() as u64 >= total {
                return Ok(());
            }
        }
        report.bad += 1;
        let given = found.len();
        say(bar, &format!("{day}: the remote says {total} records, and gives {given}"));
        Ok(())
    }

    /// Reads a day's pages from the first on; how many records the remote says there are. `found`
    /// tells what is counted already.
    async fn read_pages(
        &self,
        day: Day,
        found: &mut HashSet<String>,
        bar: &ProgressBar,
        report: &mut Report,
    ) -> anyhow::Result<u64> {
        let mut seen = HashSet::new();
        for number in 1..=PAGES_MAX {
            let page = self.page(day, number).await?;
            let now = self.clock.now();
            let reading = Reading { day, zone: self.zone, now };
            let mut records = Vec::with_capacity(page.items.len());
            let seen_before = seen.len();
            for (place, item) in page.items.iter().enumerate() {
                let identity = answer::identity(item);
                seen.insert(identity.clone());
                let is_new = found.insert(identity);
                match answer::record(item, reading) {
                    Ok(record) => {
                        report.read += u64::from(is_new);
                        records.push(record);
                    }
                    Err(problem) if is_new => {
                        report.bad += 1;
                        say(bar, &format!("{day} page {number} items[{place}]: {problem}"));
                    }
                    Err(_) => {}
                }
            }
            report.changed += remote::keep(self.store, &self.pair, &records, now).await?;
            bar.set_message(format!("{day}: {} of {} records", seen.len(), page.total));
            // Nothing new: the last page, or a remote that gives the same one over and over.
            if seen.len() as u64 >= page.total || seen.len() == seen_before {
                return Ok(page.total);
            }
        }
        bail!("{day}: the remote has over {PAGES_MAX} pages of records");
    }

    async fn page(&self, day: Day, number: usize) -> anyhow::Result<Page> {
        let path = format!("/v1/referral?date={day}&limit={RECORDS_PER_PAGE}&page={number}");
        let call = self.remote.request(Method::GET, &path, None)?;
        let answer = self.remote.call(&call).await?;
        if !answer.is_success() {
            return Err(answer.unexpected(&call));
        }
        answer::page(&answer.body).map_err(|problem| anyhow!("{call}: {problem}"))
    }
}

/// A line on stderr, above the bar.
fn say(bar: &ProgressBar, line: &str) {
    bar.suspend(|| eprintln!("{line}"));
}
