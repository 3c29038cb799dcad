//! `referral rebuild [--check]` (contract 7): the daily records and the books held against the stored
//! events.
//!
//! Everything is gone through once, in pages, next to running workers; what is found wrong is looked at again
//! alone and, without `--check`, repaired in a transaction of its own. Stopped or killed it is run again.
use std::{collections::BTreeSet, io::IsTerminal as _, process::ExitCode};

use anyhow::bail;
use indicatif::ProgressBar;
use serde::Serialize;

use super::{Tools, progress_bar};
use crate::{
    domain::Micros,
    store::{
        Store,
        rebuild::{
            self, Difference, Tenant, orphans,
            records::{self, Clicks, Misplaced, Record, Tenants},
            users,
        },
        tenants,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only report differences; exit 1 when there are any
    #[arg(long)]
    check: bool,
    /// Only this domain [default: all]
    #[arg(long)]
    domain: Option<String>,
    /// Report as one JSON array
    #[arg(long)]
    json: bool,
}

/// A difference as it is told.
#[derive(Debug, Serialize)]
struct Told<'a> {
    domain: &'a str,
    what: &'a str,
    name: &'a str,
    found: &'a str,
    expected: &'a str,
    repaired: bool,
    note: Option<&'a str>,
}

/// Tells differences as they are found, however many there are.
struct Report {
    json: bool,
    repair: bool,
    found: u64,
    repaired: u64,
    bar: ProgressBar,
}

impl Report {
    fn tell(&mut self, tenant: &Tenant, difference: &Difference) {
        let Difference { what, name, found, expected, note, is_repairable } = difference;
        let (repaired, domain) = (self.repair && *is_repairable, tenant.domain.name.as_str());
        let line = if self.json {
            let told = Told { domain, what, name, found, expected, repaired, note: *note };
            let before = if self.found == 0 { '[' } else { ',' };
            format!("{before}{}", serde_json::to_string(&told).unwrap_or_default())
        } else {
            let done = if repaired { " - repaired" } else { "" };
            let note = note.map(|note| format!(" - {note}")).unwrap_or_default();
            format!(
                "{domain}: {what} {}: found {}, expected {}{done}{note}",
                name.escape_debug(),
                found.escape_debug(),
                expected.escape_debug()
            )
        };
        self.bar.suspend(|| println!("{line}"));
        self.found += 1;
        self.repaired += u64::from(repaired);
    }

    /// The last word, and the exit code.
    fn end(self) -> ExitCode {
        self.bar.finish_and_clear();
        match (self.json, self.found) {
            (true, 0) => println!("[]"),
            (true, _) => println!("]"),
            (false, 0) => println!("no differences"),
            (false, _) => {}
        }
        if self.found > 0 {
            eprintln!("{} differences, {} repaired", self.found, self.repaired);
        }
        if self.found == self.repaired { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// One run.
struct Run<'a> {
    store: Store,
    tools: &'a Tools,
    tenants: Tenants,
    report: Report,
    /// Records that were told of.
    told: BTreeSet<Record>,
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    let store = tools.store().await?;
    let domains = match &args.domain {
        Some(name) => vec![tools.domain(&store, name).await?],
        None => tenants::domains(&store).await?,
    };
    let mut tenants = Tenants::new();
    for domain in domains {
        tenants.insert(domain.id, rebuild::tenant(&store, domain).await?);
    }
    let bar = if std::io::stderr().is_terminal() {
        let template = "{elapsed_precise} {wide_bar} {pos}/{len} rows looked at, {msg}";
        progress_bar(rebuild::size(&store).await?, template)
    } else {
        ProgressBar::hidden()
    };
    let report = Report { json: args.json, repair: !args.check, found: 0, repaired: 0, bar };
    let mut run = Run { store, tools, tenants, report, told: BTreeSet::new() };
    run.signups().await?;
    run.clicks().await?;
    let mut tenants: Vec<Tenant> = run.tenants.values().cloned().collect();
    tenants.sort_by(|a, b| a.domain.name.cmp(&b.domain.name));
    for tenant in &tenants {
        run.bare_records(tenant).await?;
        run.users(tenant).await?;
    }
    run.orphans().await?;
    Ok(run.report.end())
}

impl Run<'_> {
    /// When repairs are made; none: they are not.
    fn repair(&self) -> Option<Micros> {
        self.report.repair.then(|| self.tools.clock.now())
    }

    /// Before each page.
    fn go_on(&self, looked_at: u64) -> anyhow::Result<()> {
        self.report.bar.inc(looked_at);
        self.report.bar.set_message(format!("{} differences", self.report.found));
        if self.tools.shutdown.is_cancelled() {
            bail!("stopped; run it again");
        }
        Ok(())
    }

    async fn signups(&mut self) -> anyhow::Result<()> {
        let mut after = Some(String::new());
        while let Some(key) = after {
            let page = records::signups(&self.store, &self.tenants, &key).await?;
            for misplaced in &page.misplaced {
                self.misplaced(misplaced).await?;
            }
            self.records(page.suspects).await?;
            self.go_on(page.rows)?;
            after = page.next;
        }
        Ok(())
    }

    async fn misplaced(&mut self, misplaced: &Misplaced) -> anyhow::Result<()> {
        let Some(tenant) = self.tenants.get(&misplaced.domain_id) else { return Ok(()) };
        if self.report.repair {
            records::put_right(&self.store, misplaced).await?;
        }
        let difference = Difference {
            what: "daily_signup",
            name: misplaced.event_key.clone(),
            found: misplaced.lies.clone(),
            expected: misplaced.belongs.to_string(),
            note: None,
            is_repairable: true,
        };
        self.report.tell(tenant, &difference);
        self.records(records::touched(misplaced)).await
    }

    async fn clicks(&mut self) -> anyhow::Result<()> {
        let mut clicks = Clicks::default();
        loop {
            let page = clicks.next(&self.store, &self.tenants).await?;
            self.records(page.suspects).await?;
            self.go_on(page.rows)?;
            if page.is_last {
                return Ok(());
            }
        }
    }

    async fn bare_records(&mut self, tenant: &Tenant) -> anyhow::Result<()> {
        let mut after = None;
        loop {
            let (rows, last, suspects) = records::bare(&self.store, tenant, after.as_ref()).await?;
            self.records(suspects).await?;
            self.go_on(rows)?;
            if last.is_none() {
                return Ok(());
            }
            after = last;
        }
    }

    async fn records(&mut self, suspects: impl IntoIterator<Item = Record>) -> anyhow::Result<()> {
        let repair = self.repair();
        for record in suspects {
            let Some(tenant) = self.tenants.get(&record.domain_id) else { continue };
            if !tenant.looks_at(record.day) || self.told.contains(&record) {
                continue;
            }
            if let Some(found) = records::look(&self.store, tenant, &record, repair).await? {
                self.report.tell(tenant, &found);
                self.told.insert(record);
            }
        }
        Ok(())
    }

    async fn users(&mut self, tenant: &Tenant) -> anyhow::Result<()> {
        let mut after = String::new();
        loop {
            let page = users::next(&self.store, tenant.domain.id, &after).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(last);
            for user in users::suspects(&self.store, tenant, &page).await? {
                self.user(tenant, &user).await?;
            }
            self.go_on(page.len() as u64)?;
        }
    }

    async fn user(&mut self, tenant: &Tenant, user: &str) -> anyhow::Result<()> {
        loop {
            let before = self.report.repaired;
            let (found, more) = users::look(&self.store, tenant, user, self.repair()).await?;
            for difference in &found {
                self.report.tell(tenant, difference);
            }
            // Wrong rewards come in portions; a portion that cannot be repaired would come for ever.
            if !more || self.report.repaired == before {
                return Ok(());
            }
        }
    }

    async fn orphans(&mut self) -> anyhow::Result<()> {
        let mut after = Some(String::new());
        while let Some(id) = after {
            let page = orphans::page(&self.store, &id).await?;
            for orphan in &page.orphans {
                let Some(tenant) = self.tenants.get(&orphan.domain_id) else { continue };
                let found = orphans::look(&self.store, tenant, orphan, self.repair()).await?;
                if let Some(found) = found {
                    self.report.tell(tenant, &found);
                }
            }
            self.go_on(page.rows)?;
            after = page.next;
        }
        Ok(())
    }
}
