//! `referral payout method add|list` and `payout list|done|cancel` (contract 4): how partners are paid,
//! and what became of what they asked for.
use std::process::ExitCode;

use anyhow::bail;
use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Tools, print_json};
use crate::{
    domain::{Micros, money},
    store::{
        Store,
        payouts::{self, Closed, Filter, Payout, Status},
        reference::Domain,
    },
};

/// Longest title of a method, in characters.
const TITLE_MAX_CHARS: usize = 253;
/// Payouts read at a time.
const PAGE_ITEMS: i64 = 1000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Ways of being paid
    #[command(subcommand)]
    Method(MethodAction),
    /// Lists a domain's payouts, oldest first
    List {
        /// The domain
        #[arg(long)]
        domain: String,
        /// Only those of which this became
        #[arg(long)]
        status: Option<Word>,
        /// As one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Says that a pending payout was paid out; final
    Done {
        /// Its id
        id: i64,
    },
    /// Says that a pending payout will not be paid out, so that its money is due again; final
    Cancel {
        /// Its id
        id: i64,
    },
}

#[derive(Debug, Subcommand)]
enum MethodAction {
    /// Adds a way of being paid to a domain and prints its id
    Add {
        /// What partners are shown, 1 to 253 characters
        #[arg(value_parser = parse_title)]
        title: String,
        /// The domain
        #[arg(long)]
        domain: String,
        /// What the way costs, in percent with at most 4 decimals; shown to partners, not deducted
        #[arg(long, default_value = "0", value_parser = parse_percent)]
        commission: i64,
    },
    /// Lists a domain's ways of being paid
    List {
        /// The domain
        #[arg(long)]
        domain: String,
        /// As one JSON array
        #[arg(long)]
        json: bool,
    },
}

/// A payout's status in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Word {
    /// Asked for
    Pending,
    /// Paid out
    Done,
    /// Not paid out
    Cancelled,
}

impl Word {
    const fn status(self) -> Status {
        match self {
            Self::Pending => Status::Pending,
            Self::Done => Status::Done,
            Self::Cancelled => Status::Cancelled,
        }
    }
}

fn parse_title(text: &str) -> Result<String, String> {
    let title = text.trim();
    if (1..=TITLE_MAX_CHARS).contains(&title.chars().count())
        && !title.chars().any(char::is_control)
    {
        Ok(title.to_owned())
    } else {
        Err(format!("must be 1 to {TITLE_MAX_CHARS} characters"))
    }
}

fn parse_percent(text: &str) -> Result<i64, String> {
    money::parse_percent(text).map_err(|error| error.to_string())
}

pub(super) async fn run(args: Args, tools: &Tools) -> anyhow::Result<ExitCode> {
    let store = tools.store().await?;
    match args.action {
        Action::Method(MethodAction::Add { title, domain, commission }) => {
            let domain_id = tools.domain(&store, &domain).await?.id;
            let now = tools.clock.now();
            println!("{}", payouts::add_method(&store, domain_id, &title, commission, now).await?);
        }
        Action::Method(MethodAction::List { domain, json }) => {
            list_methods(&store, &tools.domain(&store, &domain).await?, json).await?;
        }
        Action::List { domain, status, json } => {
            let domain = tools.domain(&store, &domain).await?;
            list(&store, &domain, status.map(Word::status), json).await?;
        }
        Action::Done { id } => close(&store, id, Status::Done, tools.clock.now()).await?,
        Action::Cancel { id } => close(&store, id, Status::Cancelled, tools.clock.now()).await?,
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct ShownMethod {
    id: i64,
    title: String,
    commission: Box<RawValue>,
}

async fn list_methods(store: &Store, domain: &Domain, json: bool) -> anyhow::Result<()> {
    let methods = payouts::methods(store, domain.id).await?.into_iter().map(|method| ShownMethod {
        id: method.id,
        title: method.title,
        commission: money::percent_number(method.commission_e4),
    });
    let methods: Vec<ShownMethod> = methods.collect();
    if json {
        return print_json(&methods);
    }
    for ShownMethod { id, title, commission } in methods {
        println!("{id}\t{title}\t{commission}");
    }
    Ok(())
}

/// The members of the HTTP answer, then ours.
#[derive(Serialize)]
struct Shown {
    id: i64,
    time: i64,
    date: String,
    amount: Box<RawValue>,
    method_id: i64,
    account: String,
    status: i64,
    user_hash: String,
    currency: String,
}

async fn list(
    store: &Store,
    domain: &Domain,
    status: Option<Status>,
    json: bool,
) -> anyhow::Result<()> {
    let mut filter = Filter::all(status);
    let mut all: Vec<Payout> = Vec::new();
    loop {
        let page = payouts::page(store, domain.id, &filter, PAGE_ITEMS).await?;
        let Some(last) = page.last() else { break };
        filter.after = last.id;
        all.extend(page);
    }
    if !json {
        for payout in all {
            let Payout { id, user_hash, method_id, account, amount, currency, status, time } =
                payout;
            let (date, status) = (time.date_time(domain.zone), status.as_str());
            println!(
                "{id}\t{date}\t{status}\t{amount} {currency}\t{user_hash}\t{method_id}\t{account}"
            );
        }
        return Ok(());
    }
    let shown = all.into_iter().map(|payout| Shown {
        id: payout.id,
        time: payout.time.seconds(),
        date: payout.time.date_time(domain.zone),
        amount: payout.amount.json_number(),
        method_id: payout.method_id,
        account: payout.account,
        status: payout.status as i64,
        user_hash: payout.user_hash,
        currency: payout.currency,
    });
    print_json(&shown.collect::<Vec<_>>())
}

async fn close(store: &Store, id: i64, status: Status, now: Micros) -> anyhow::Result<()> {
    match payouts::close(store, None, id, status, now).await? {
        Closed::Now => Ok(()),
        Closed::Before(before) => {
            bail!("the payout {id} is {} already, which is final", before.as_str())
        }
        Closed::Missing => bail!("there is no payout {id}"),
    }
}
