//! Contract 5's credit rules, naively: who referred whom, under which terms, and what that earns.
use std::collections::BTreeMap;

use super::{
    fact::{Paid, Payment, Signup},
    state::{Account, Delivery, Entry, Kept, State, Total},
    world::World,
};

/// Payers' totals by user.
pub type Payers = BTreeMap<String, Total>;

/// Counts a payment: only the domain's currency counts, and only what succeeded.
pub fn pay(payers: &mut Payers, world: &World, payment: &Payment) {
    if Kept::of(world, payment).counted {
        let total = payers.entry(payment.user.clone()).or_default();
        match payment.paid {
            Paid::Amount(minor) => total.sum += minor,
            Paid::Total(minor) => total.max = total.max.max(minor),
        }
    }
}

/// Users by their hash, as they first signed up, and who owns which e-mail.
#[derive(Debug, Default)]
pub struct Users {
    signups: BTreeMap<String, Signup>,
    owners: BTreeMap<String, String>,
}

/// Whom a signup's claim leads to.
#[derive(Debug, PartialEq, Eq)]
enum Referral {
    /// Nobody: none was named, or they named themselves.
    Nobody,
    /// Somebody who is not known yet.
    Waiting,
    /// This user, named by a code with this programme.
    By(String, Option<i64>),
}

/// What a signup's terms are.
#[derive(Debug, PartialEq, Eq)]
enum Terms {
    /// They depend on somebody not known yet.
    Waiting,
    /// This programme; none in a domain without any.
    Settled(Option<i64>),
}

impl Users {
    /// The first signup of a user counts, and an e-mail belongs to the first who came with it.
    pub fn sign_up(&mut self, signup: &Signup) {
        if self.signups.contains_key(&signup.user) {
            return;
        }
        if let Some(email) = key(signup) {
            self.owners.entry(email).or_insert_with(|| signup.user.clone());
        }
        self.signups.insert(signup.user.clone(), signup.clone());
    }

    /// Accounts, entries and deliveries once everything that can be settled is.
    pub fn settle(&self, world: &World, payers: &Payers) -> State {
        let mut state = State::default();
        for (user, signup) in &self.signups {
            let mut account = Account {
                code: world.own_code(user),
                email_key: key(signup),
                ..Account::default()
            };
            if let Terms::Settled(programme) = self.terms(world, user, &mut Vec::new()) {
                account.settled = true;
                account.programme = programme;
                if let Referral::By(referrer, _) = self.referral(world, signup) {
                    let total = payers.get(user).copied().unwrap_or_default().value();
                    if let Some(id) = programme {
                        earn(&mut state, world, id, user, &referrer, total);
                    }
                    account.referrer = Some(referrer);
                }
            }
            state.accounts.insert(user.clone(), account);
        }
        state
    }

    /// What a payment accrues to who referred the payer (contract 4, Reward): its share by the terms
    /// that the payer was settled under. A total is no payment.
    pub fn reward(world: &World, settled: &State, kept: &Kept) -> Option<i64> {
        let account = settled.accounts.get(&kept.user)?;
        account.referrer.as_ref()?;
        let percent_e4 = world.programme(account.programme?).percent_e4;
        let amount = kept.amount.filter(|_| kept.counted && percent_e4 > 0)?;
        Some(share(amount, percent_e4))
    }

    /// `user_indicator` wins over `code`; without either, an earlier indication of the e-mail.
    fn referral(&self, world: &World, signup: &Signup) -> Referral {
        let indicated = || key(signup).and_then(|email| world.indications.get(&email));
        if let Some(indicator) = &signup.user_indicator {
            self.by_user(signup, indicator, None)
        } else if let Some(code) = &signup.code {
            self.by_code(world, signup, code)
        } else if let Some(indicator) = indicated() {
            self.by_user(signup, indicator, None)
        } else {
            Referral::Nobody
        }
    }

    fn by_code(&self, world: &World, signup: &Signup, code: &str) -> Referral {
        if let Some(registered) = world.codes.iter().find(|registered| registered.code == code) {
            let email = registered.email.to_lowercase();
            return match self.owners.get(&email) {
                _ if key(signup).as_ref() == Some(&email) => Referral::Nobody,
                Some(owner) => self.by_user(signup, owner, registered.program_id),
                None => Referral::Waiting,
            };
        }
        match self.signups.keys().find(|user| world.own_code(user) == code) {
            Some(owner) => self.by_user(signup, owner, None),
            None => Referral::Waiting,
        }
    }

    /// Nobody refers themselves, by hash or by e-mail.
    fn by_user(&self, signup: &Signup, referrer: &str, programme: Option<i64>) -> Referral {
        if referrer == signup.user {
            return Referral::Nobody;
        }
        match self.signups.get(referrer) {
            None => Referral::Waiting,
            Some(other) if key(other).is_some() && key(other) == key(signup) => Referral::Nobody,
            Some(_) => Referral::By(referrer.to_owned(), programme),
        }
    }

    /// The signup's programme, else the code's where it named the referrer, else the referrer's
    /// own, else the domain's first. Those who wait for each other get the domain's first.
    fn terms(&self, world: &World, user: &str, asked: &mut Vec<String>) -> Terms {
        let first = world.programmes.first().map(|programme| programme.id);
        if asked.iter().any(|before| before == user) {
            return Terms::Settled(first);
        }
        asked.push(user.to_owned());
        let signup = &self.signups[user];
        match self.referral(world, signup) {
            Referral::Nobody => Terms::Settled(signup.program_id.or(first)),
            Referral::Waiting => Terms::Waiting,
            Referral::By(referrer, code_programme) => {
                let named = signup.program_id.or(code_programme);
                // A referrer who waits, but named a programme, keeps nobody waiting.
                let named = named.or(self.signups[&referrer].program_id);
                if named.is_some() {
                    Terms::Settled(named)
                } else {
                    self.terms(world, &referrer, asked)
                }
            }
        }
    }
}

/// Zero amounts make no entry; billing is owed the signup and the acquired credits.
fn earn(state: &mut State, world: &World, id: i64, user: &str, referrer: &str, total: i64) {
    let programme = world.programme(id);
    let reached = programme.target > 0 && total >= programme.target;
    let earned = [
        ("signup_credit", user, programme.credit, true),
        ("potential_credit", referrer, programme.target, true),
        ("acquired_credit", referrer, programme.target, reached),
    ];
    for (kind, whose, amount, _) in
        earned.into_iter().filter(|(_, _, amount, due)| *due && *amount > 0)
    {
        let entry = Entry {
            user: whose.to_owned(),
            kind: kind.to_owned(),
            amount,
            currency: world.currency.clone(),
            programme: id,
            referred: user.to_owned(),
        };
        if kind != "potential_credit" {
            let delivery = Delivery {
                entry: entry.clone(),
                programme_name: programme.name.clone(),
                indicator: referrer.to_owned(),
            };
            *state.deliveries.entry(delivery).or_default() += 1;
        }
        *state.entries.entry(entry).or_default() += 1;
    }
}

/// So many ten-thousandths of a percent of an amount, rounded to the nearest minor unit, half to even.
fn share(amount: i64, percent_e4: i64) -> i64 {
    const WHOLE: i128 = 100 * 10_000;
    let exact = i128::from(amount) * i128::from(percent_e4);
    let below = exact / WHOLE;
    let rounded = match 2 * (exact - below * WHOLE) - WHOLE {
        0 => below + below % 2,
        more if more > 0 => below + 1,
        _ => below,
    };
    i64::try_from(rounded).expect("no more than the amount")
}

fn key(signup: &Signup) -> Option<String> {
    signup.email.as_ref().map(|email| email.to_lowercase())
}
