//! The state of one domain, in the shape in which the model makes it and the database is read.
use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    fact::{Paid, Payment},
    world::World,
};

/// All that the facts of one domain come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// By day and code.
    pub records: BTreeMap<(String, String), Record>,
    /// Clicks kept.
    pub clicks: i64,
    /// Of these, robots'.
    pub bots: i64,
    /// By user.
    pub accounts: BTreeMap<String, Account>,
    /// By user; those who paid nothing that counts are left out.
    pub payers: BTreeMap<String, Total>,
    /// Every payment kept, with how many there are of the kind.
    pub payments: BTreeMap<Kept, i64>,
    /// How many of each there are.
    pub entries: BTreeMap<Entry, i64>,
    /// How many of each there are.
    pub deliveries: BTreeMap<Delivery, i64>,
}

/// A daily record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Link follows.
    pub clicks: i64,
    /// Who registered.
    pub emails: Vec<String>,
}

/// A user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Their own referral code.
    pub code: String,
    /// Their address, by its key.
    pub email_key: Option<String>,
    /// Nothing is waited for any more.
    pub settled: bool,
    /// Of a settled one: who referred them.
    pub referrer: Option<String>,
    /// Of a settled one: their terms.
    pub programme: Option<i64>,
}

/// What counts of a payer's payments, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    /// Of `amount`.
    pub sum: i64,
    /// Largest `total_amount_paid`.
    pub max: i64,
}

impl Total {
    /// The payer's total.
    pub fn value(self) -> i64 {
        self.sum.max(self.max)
    }
}

/// A payment as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    /// The payer.
    pub user: String,
    /// In what.
    pub currency: String,
    /// Minor units.
    pub amount: Option<i64>,
    /// Minor units.
    pub total: Option<i64>,
    /// Towards totals.
    pub counted: bool,
    /// Accrued to the referrer; nothing: it accrues nothing.
    pub reward: Option<i64>,
}

impl Kept {
    /// How this payment is kept while nobody is known to have referred the payer.
    pub fn of(world: &World, payment: &Payment) -> Self {
        let currency = payment.currency.as_ref().unwrap_or(&world.currency).clone();
        let (amount, total) = match payment.paid {
            Paid::Amount(minor) => (Some(minor), None),
            Paid::Total(minor) => (None, Some(minor)),
        };
        let counted = currency == world.currency && payment.success != Some(false);
        Self { user: payment.user.clone(), currency, amount, total, counted, reward: None }
    }
}

/// A credit entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Whose credit.
    pub user: String,
    /// `signup_credit`, `potential_credit` or `acquired_credit`.
    pub kind: String,
    /// Minor units.
    pub amount: i64,
    /// Of the programme.
    pub currency: String,
    /// Its id.
    pub programme: i64,
    /// Whose registration or payments brought it.
    pub referred: String,
}

/// What billing is owed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delivery {
    /// The entry that it pays out.
    pub entry: Entry,
    /// The programme's name.
    pub programme_name: String,
    /// The referrer.
    pub indicator: String,
}

impl State {
    /// Minor units that billing is owed in all.
    pub fn owed(&self) -> i64 {
        self.deliveries.iter().map(|(delivery, times)| delivery.entry.amount * times).sum()
    }

    /// Minor units that have accrued to this referrer in all (contract 4, Reward).
    pub fn rewards(&self, referrer: &str) -> i64 {
        let theirs = |user: &str| self.accounts[user].referrer.as_deref() == Some(referrer);
        let accrued = self.payments.iter().filter_map(|(kept, times)| {
            let reward = kept.reward?;
            theirs(&kept.user).then_some(reward * times)
        });
        accrued.sum()
    }

    /// One line for each thing.
    fn lines(&self) -> BTreeMap<String, String> {
        let mut lines = BTreeMap::new();
        lines.insert(
            "clicks".to_owned(),
            format!("{} of them by robots {}", self.clicks, self.bots),
        );
        for ((day, code), record) in &self.records {
            lines.insert(format!("record of {code} on {day}"), format!("{record:?}"));
        }
        for (user, account) in &self.accounts {
            lines.insert(format!("account of {user}"), format!("{account:?}"));
        }
        for (user, total) in &self.payers {
            lines.insert(format!("payer {user}"), format!("{total:?}"));
        }
        for (payment, times) in &self.payments {
            lines.insert(format!("{payment:?}"), format!("{times} times"));
        }
        for (entry, times) in &self.entries {
            lines.insert(format!("{entry:?}"), format!("{times} times"));
        }
        for (delivery, times) in &self.deliveries {
            lines.insert(format!("{delivery:?}"), format!("{times} times"));
        }
        lines
    }

    /// `Ok` when they are the same; else what is different, line by line, at most 15 things.
    pub fn same_as(&self, expected: &Self) -> Result<(), String> {
        const SHOWN_MAX: usize = 15;
        if self == expected {
            return Ok(());
        }
        let (found, expected) = (self.lines(), expected.lines());
        let mut names: Vec<&String> = found.keys().chain(expected.keys()).collect();
        names.sort();
        names.dedup();
        names.retain(|name| found.get(*name) != expected.get(*name));
        let mut told = format!("{} things differ\n", names.len());
        for name in names.into_iter().take(SHOWN_MAX) {
            let show = |line: Option<&String>| line.map_or("nothing".to_owned(), Clone::clone);
            let (found, expected) = (show(found.get(name)), show(expected.get(name)));
            let _ = writeln!(told, "  {name}\n    expected {expected}\n    found    {found}");
        }
        Err(told)
    }
}
