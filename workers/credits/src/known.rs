//! What a transaction knows before it decides: accounts, codes, addresses, programmes, totals.
//!
//! Plain data. Loaded by [`crate::load`], read and changed by [`crate::decide`].
use std::collections::{BTreeMap, BTreeSet, HashMap};

use referral::{
    domain::{Code, Currency, Email, Micros, Money, Trace, UserHash},
    store::reference::Programme,
};

/// A user of a domain; ordered as locks are taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct User {
    /// The tenant.
    pub domain_id: i64,
    /// The user.
    pub hash: UserHash,
}

impl User {
    /// The user with this hash in the same domain.
    pub fn neighbour(&self, hash: &UserHash) -> Self {
        Self { domain_id: self.domain_id, hash: hash.clone() }
    }
}

/// `source` and `id` of the event that caused something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// CloudEvents `source`.
    pub source: String,
    /// CloudEvents `id`.
    pub id: String,
}

/// How a signup names its referrer and terms, as it said it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claim {
    /// The referrer's hash; wins over `code`.
    pub indicator: Option<UserHash>,
    /// A referral code.
    pub code: Option<Code>,
    /// The programme.
    pub program_id: Option<i64>,
}

/// What an account waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// This user: to be known, or to have a programme.
    For(UserHash),
    /// This code: to be registered, and its owner to be known.
    Code(Code),
}

/// Terms as they were when the signup was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The programme.
    pub program_id: i64,
    /// Its name then.
    pub program_name: String,
    /// What the referred user gets at signup.
    pub credit: Money,
    /// What the referrer gets when the payments reach it.
    pub target: Money,
    /// The referrer's share of each payment.
    pub reward_percent_e4: i64,
    /// The domain's currency then.
    pub currency: Currency,
}

impl Terms {
    /// The programme's terms of now.
    pub fn of(programme: &Programme, currency: Currency) -> Self {
        Self {
            program_id: programme.id,
            program_name: programme.name.clone(),
            credit: programme.credit,
            target: programme.target,
            reward_percent_e4: programme.reward_percent_e4,
            currency,
        }
    }
}

/// A registered user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Who.
    pub user: User,
    /// Their own referral code.
    pub code: Code,
    /// Their address.
    pub email: Option<Email>,
    /// What the signup said.
    pub claim: Claim,
    /// Set until the account is settled.
    pub wait: Option<Wait>,
    /// Set when settled, unless nobody referred them.
    pub referrer: Option<UserHash>,
    /// Set when settled, unless the domain had no programmes.
    pub terms: Option<Terms>,
    /// When the referrer and the terms were fixed.
    pub settled: Option<Micros>,
    /// When their payments earned the referrer the credit.
    pub acquired: Option<Micros>,
    /// The signup.
    pub cause: Cause,
    /// Carried to the webhook.
    pub trace: Trace,
    /// When the account was made.
    pub created: Micros,
}

impl Account {
    fn email_key(&self) -> Option<&str> {
        self.email.as_ref().map(Email::key)
    }

    /// Whether the two are one person, as far as an address can tell.
    pub fn shares_email(&self, other: &Self) -> bool {
        self.email_key().is_some() && self.email_key() == other.email_key()
    }

    /// What follows from it for the user's payments.
    pub fn standing(&self) -> Standing {
        let terms = self.terms.as_ref();
        Standing {
            referred: self.referrer.is_some() && terms.is_some(),
            acquired: self.acquired.is_some(),
            target: terms.map(|terms| terms.target).unwrap_or_default(),
            reward_percent_e4: terms.map(|terms| terms.reward_percent_e4).unwrap_or_default(),
        }
    }

    /// Whether this is the account's own address.
    pub fn has_email(&self, key: &str) -> bool {
        self.email_key() == Some(key)
    }
}

/// What a user's payments mean for whoever referred them. Of a settled user it is fixed, but for `acquired`,
/// which is set once.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Whether somebody referred them, on terms.
    pub referred: bool,
    /// Whether their payments have earned the referrer the credit.
    pub acquired: bool,
    /// How much earns it, and what it is.
    pub target: Money,
    /// The referrer's share of each payment.
    pub reward_percent_e4: i64,
}

impl Standing {
    /// Whether the referrer gets a share of each payment.
    pub const fn shares(&self) -> bool {
        self.referred && self.reward_percent_e4 > 0
    }

    /// The referrer's share of a payment.
    pub fn reward(&self, amount: Money) -> Option<Money> {
        self.shares().then(|| amount.share(self.reward_percent_e4))
    }

    /// What the answer to every further payment says.
    pub fn acquired(&self) -> Option<Money> {
        (self.referred && self.acquired && !self.target.is_zero()).then_some(self.target)
    }

    /// How much has to be paid for anything about a settled user's account to change.
    pub fn changes_from(&self) -> Option<Money> {
        (self.referred && !self.acquired).then_some(self.target)
    }
}

/// A registered code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredCode {
    /// Whose it is.
    pub email_key: String,
    /// The programme it names.
    pub program_id: Option<i64>,
}

/// What a payer has paid, in the domain's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Total {
    /// Σ `amount`.
    pub sum: Money,
    /// The largest `total_amount_paid`.
    pub largest: Money,
}

impl Total {
    /// The larger of the two ways of counting (contract 1).
    pub fn paid(self) -> Money {
        self.sum.max(self.largest)
    }
}

/// See the module. Everything here is of one database state, behind the users' locks.
#[derive(Debug, Default)]
pub struct Known {
    /// Users and those they wait for, as far up as it goes. Boxed, as a tree moves what it holds.
    pub accounts: BTreeMap<User, Box<Account>>,
    /// Registered codes, by domain.
    pub codes: HashMap<(i64, Code), RegisteredCode>,
    /// Whose own code it is.
    pub own_codes: HashMap<(i64, Code), UserHash>,
    /// Who came with an address first.
    pub email_owners: HashMap<(i64, String), UserHash>,
    /// Who indicated an address first.
    pub indications: HashMap<(i64, String), UserHash>,
    /// By domain, ascending by id.
    pub programmes: HashMap<i64, Vec<Programme>>,
    /// Whose state may be changed: nobody else changes it, and their totals are known. Others are
    /// here to be looked at only.
    pub locked: BTreeSet<User>,
    /// What they have paid, this batch included.
    pub totals: HashMap<User, Total>,
}

impl Known {
    /// The programme with this id; where it is gone, or none is named, the domain's first.
    pub fn programme(&self, domain_id: i64, id: Option<i64>) -> Option<&Programme> {
        let all = self.programmes.get(&domain_id)?;
        let named = id.and_then(|id| all.iter().find(|programme| programme.id == id));
        named.or_else(|| all.first())
    }
}
