//! The credit rules of contract 5, as pure functions over what is known.
//!
//! [`Decision::admit`] takes signups in; [`Decision::settle`] fixes referrer and terms of whoever
//! can be settled, and of those who waited for them; [`Decision::reach`] grants what payments
//! have earned. Entries are only ever added, at most one per referred user and kind.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use referral::domain::{Code, Currency, Email, EventKey, Micros, Money, Trace, UserHash};

use crate::{
    known::{Account, Cause, Claim, Known, Terms, User, Wait},
    ledger::{Entry, Kind},
    signup::{NewSignup, Outcome},
};

/// Whom a claim names.
enum Named {
    Nobody,
    Themselves,
    /// The referrer, and the programme of the code that named them.
    User(UserHash, Option<i64>),
    Unknown(Wait),
}

/// Decisions, as they accumulate over what is known.
pub struct Decision<'a> {
    /// What is known, changed by what is decided.
    pub known: &'a mut Known,
    /// Accounts to be inserted.
    pub created: BTreeSet<User>,
    /// Accounts to be updated or inserted: everybody whose state was fixed here.
    pub changed: BTreeSet<User>,
    /// Entries to be added.
    pub entries: Vec<Entry>,
    /// What became of signups.
    pub outcomes: BTreeMap<EventKey, Outcome>,
    currencies: &'a dyn Fn(i64) -> Option<Currency>,
    now: Micros,
}

impl<'a> Decision<'a> {
    /// Nothing is decided yet. `currencies` gives a domain's.
    pub fn new(
        known: &'a mut Known,
        currencies: &'a dyn Fn(i64) -> Option<Currency>,
        now: Micros,
    ) -> Self {
        Self {
            known,
            created: BTreeSet::new(),
            changed: BTreeSet::new(),
            entries: Vec::new(),
            outcomes: BTreeMap::new(),
            currencies,
            now,
        }
    }

    /// Takes new signups in, in order: the first of a user makes the account, any other is a
    /// duplicate or a conflict.
    pub fn admit(&mut self, signups: &[NewSignup]) {
        let mut admitted = Vec::new();
        for signup in signups {
            if let Some(account) = self.known.accounts.get(&signup.user) {
                let outcome = self.compare(account, signup);
                self.outcomes.insert(signup.key, outcome);
                continue;
            }
            let account = self.account(signup);
            if let Some(email) = &account.email {
                let owned = (signup.user.domain_id, email.key().to_owned());
                self.known.email_owners.entry(owned).or_insert_with(|| signup.user.hash.clone());
            }
            let own_code = (signup.user.domain_id, account.code.clone());
            self.known.own_codes.insert(own_code, signup.user.hash.clone());
            self.known.accounts.insert(signup.user.clone(), Box::new(account));
            self.created.insert(signup.user.clone());
            admitted.push(signup);
        }
        // Everybody of this batch is known now, whatever the order they came in.
        let themselves: Vec<EventKey> = admitted
            .iter()
            .filter(|signup| self.names_themselves(&signup.user))
            .map(|signup| signup.key)
            .collect();
        let users: Vec<User> = admitted.iter().map(|signup| signup.user.clone()).collect();
        self.settle(&users);
        for signup in admitted {
            let waits = self.known.accounts.get(&signup.user).is_some_and(|a| a.wait.is_some());
            let outcome = match (themselves.contains(&signup.key), waits) {
                (true, _) => Outcome::SelfReferral,
                (false, true) => Outcome::Pending,
                (false, false) => Outcome::Created,
            };
            self.outcomes.insert(signup.key, outcome);
        }
    }

    fn account(&self, signup: &NewSignup) -> Account {
        let user = &signup.user;
        let indicated = || {
            let email = signup.email.as_ref()?;
            let owned = (user.domain_id, email.key().to_owned());
            self.known.indications.get(&owned).cloned()
        };
        let wait = match (&signup.claim.indicator, &signup.claim.code) {
            (Some(indicator), _) => Some(Wait::For(indicator.clone())),
            (None, Some(code)) => Some(Wait::Code(code.clone())),
            (None, None) => indicated().map(Wait::For),
        };
        Account {
            user: user.clone(),
            code: Code::of_user(user.domain_id, &user.hash),
            email: signup.email.clone(),
            claim: signup.claim.clone(),
            wait,
            referrer: None,
            terms: None,
            settled: None,
            acquired: None,
            cause: signup.cause.clone(),
            trace: signup.trace.clone(),
            created: self.now,
        }
    }

    /// A second signup of a user: the same again, or a conflict.
    fn compare(&self, account: &Account, signup: &NewSignup) -> Outcome {
        let (first, second) = (&account.claim, &signup.claim);
        let key = |email: &Option<Email>| email.as_ref().map(|email| email.key().to_owned());
        let same_email = key(&account.email) == key(&signup.email);
        let said_the_same = first.indicator == second.indicator
            && (first.indicator.is_some() || first.code == second.code);
        let same_referrer = said_the_same
            || account.referrer.is_some()
                && self.referrer_named_by(account, second) == account.referrer;
        let settled_under = account.terms.as_ref().map(|terms| terms.program_id);
        let same_terms = first.program_id == second.program_id
            || second.program_id.is_some() && second.program_id == settled_under;
        if same_email && same_referrer && same_terms {
            Outcome::Duplicate
        } else {
            Outcome::Conflict
        }
    }

    fn referrer_named_by(&self, account: &Account, claim: &Claim) -> Option<UserHash> {
        let wait = match (&claim.indicator, &claim.code) {
            (Some(indicator), _) => Wait::For(indicator.clone()),
            (None, Some(code)) => Wait::Code(code.clone()),
            (None, None) => return None,
        };
        match self.named(account, Some(&wait)) {
            Named::User(hash, _) => Some(hash),
            _ => None,
        }
    }

    fn names_themselves(&self, user: &User) -> bool {
        let account = self.known.accounts.get(user);
        account.is_some_and(|a| matches!(self.named(a, a.wait.as_ref()), Named::Themselves))
    }

    /// Whom `wait` names for this account, as far as it is known. Nobody refers themselves, by
    /// hash or by address.
    fn named(&self, account: &Account, wait: Option<&Wait>) -> Named {
        let user = &account.user;
        let by_hash = |hash: &UserHash, program_id| {
            if *hash == user.hash {
                return Named::Themselves;
            }
            match self.known.accounts.get(&user.neighbour(hash)) {
                Some(referrer) if referrer.shares_email(account) => Named::Themselves,
                Some(_) => Named::User(hash.clone(), program_id),
                None => Named::Unknown(Wait::For(hash.clone())),
            }
        };
        match wait {
            None => Named::Nobody,
            Some(Wait::For(hash)) => by_hash(hash, None),
            Some(Wait::Code(code)) => {
                let key = (user.domain_id, code.clone());
                let unknown = || Named::Unknown(Wait::Code(code.clone()));
                if *code == account.code {
                    return Named::Themselves;
                }
                match (self.known.codes.get(&key), self.known.own_codes.get(&key)) {
                    (Some(registered), _) if account.has_email(&registered.email_key) => {
                        Named::Themselves
                    }
                    (Some(registered), _) => {
                        let owner = (user.domain_id, registered.email_key.clone());
                        match self.known.email_owners.get(&owner) {
                            Some(hash) => by_hash(hash, registered.program_id),
                            None => unknown(),
                        }
                    }
                    (None, Some(hash)) => by_hash(hash, None),
                    (None, None) => unknown(),
                }
            }
        }
    }

    /// Settles whoever of `candidates` can be settled, then those who waited for them, and so on.
    pub fn settle(&mut self, candidates: &[User]) {
        let dependents = self.dependents();
        let waiting_for = |user: &User| dependents.get(user).cloned().unwrap_or_default();
        let mut queue: VecDeque<User> = candidates.iter().cloned().collect();
        queue.extend(candidates.iter().flat_map(waiting_for));
        loop {
            while let Some(user) = queue.pop_front() {
                if self.try_settle(&user, false) {
                    queue.extend(waiting_for(&user));
                }
            }
            // Users who wait for each other's programme in a ring: nobody outside will name one.
            let in_ring = candidates.iter().find(|user| self.is_in_ring(user)).cloned();
            match in_ring {
                Some(user) if self.try_settle(&user, true) => {
                    queue.extend(waiting_for(&user));
                }
                _ => break,
            }
        }
    }

    /// Who waits for whom, among the accounts that are known.
    fn dependents(&self) -> BTreeMap<User, Vec<User>> {
        let mut dependents: BTreeMap<User, Vec<User>> = BTreeMap::new();
        for account in self.known.accounts.values() {
            if let Named::User(hash, _) | Named::Unknown(Wait::For(hash)) =
                self.named(account, account.wait.as_ref())
            {
                let referrer = account.user.neighbour(&hash);
                dependents.entry(referrer).or_default().push(account.user.clone());
            }
        }
        dependents
    }

    /// Whether following those whom `user` waits for leads back to `user`.
    fn is_in_ring(&self, user: &User) -> bool {
        let mut seen = BTreeSet::new();
        let mut at = user.clone();
        loop {
            let Some(account) = self.known.accounts.get(&at).filter(|a| a.wait.is_some()) else {
                return false;
            };
            match self.named(account, account.wait.as_ref()) {
                Named::User(hash, _) => at = user.neighbour(&hash),
                _ => return false,
            }
            if at == *user {
                return true;
            }
            if !seen.insert(at.clone()) {
                return false;
            }
        }
    }

    /// Settles `user` if referrer and programme are known (`first`: take the domain's first
    /// programme where the referrer has none yet). True when it was settled by this call.
    fn try_settle(&mut self, user: &User, first: bool) -> bool {
        if !self.known.locked.contains(user) {
            return false;
        }
        let Some(account) = self.known.accounts.get(user).filter(|a| a.settled.is_none()) else {
            return false;
        };
        let claimed = account.claim.program_id;
        let (referrer, program_id) = match self.named(account, account.wait.as_ref()) {
            Named::Nobody | Named::Themselves => (None, claimed),
            Named::User(hash, code_program) => {
                let named = claimed.or(code_program);
                match (named, self.programme_of(&user.neighbour(&hash))) {
                    (Some(id), _) => (Some(hash), Some(id)),
                    (None, Some(own)) => (Some(hash), own),
                    (None, None) if first => (Some(hash), None),
                    (None, None) => {
                        self.wait(user, Wait::For(hash));
                        return false;
                    }
                }
            }
            Named::Unknown(wait) => {
                self.wait(user, wait);
                return false;
            }
        };
        self.fix(user, referrer, program_id);
        true
    }

    /// The programme that those whom `user` refers inherit: `None` while that is open,
    /// `Some(None)` where it is the domain's first.
    fn programme_of(&self, user: &User) -> Option<Option<i64>> {
        let account = self.known.accounts.get(user)?;
        if account.settled.is_some() {
            return Some(account.terms.as_ref().map(|terms| terms.program_id));
        }
        account.claim.program_id.map(Some)
    }

    fn wait(&mut self, user: &User, wait: Wait) {
        if let Some(account) = self.known.accounts.get_mut(user)
            && account.wait.as_ref() != Some(&wait)
        {
            account.wait = Some(wait);
            self.changed.insert(user.clone());
        }
    }

    /// Fixes referrer and terms for ever, and grants what the signup earns.
    fn fix(&mut self, user: &User, referrer: Option<UserHash>, program_id: Option<i64>) {
        let currency = (self.currencies)(user.domain_id);
        let programme = self.known.programme(user.domain_id, program_id);
        let terms =
            programme.zip(currency).map(|(programme, currency)| Terms::of(programme, currency));
        let now = self.now;
        let Some(account) = self.known.accounts.get_mut(user) else { return };
        account.wait = None;
        account.settled = Some(now);
        account.referrer.clone_from(&referrer);
        account.terms.clone_from(&terms);
        self.changed.insert(user.clone());
        let (Some(referrer), Some(terms)) = (referrer, terms) else { return };
        if terms.target.is_zero() {
            account.acquired = Some(now);
        }
        let account = account.clone();
        let (credit, target) = (terms.credit, terms.target);
        self.grant(Kind::Signup, &account, account.user.clone(), credit, None, None);
        let referrer = account.user.neighbour(&referrer);
        self.grant(Kind::Potential, &account, referrer, target, None, None);
        self.reach(user, None, None);
    }

    /// Grants the referrer the credit once `user`'s payments have reached the target.
    pub fn reach(&mut self, user: &User, payment: Option<&Cause>, trace: Option<&Trace>) {
        let paid = self.known.totals.get(user).copied().unwrap_or_default().paid();
        let Some(account) = self.known.accounts.get_mut(user) else { return };
        let (Some(referrer), Some(terms)) = (&account.referrer, &account.terms) else { return };
        if account.acquired.is_some() || paid < terms.target {
            return;
        }
        let (referrer, target) = (account.user.neighbour(referrer), terms.target);
        account.acquired = Some(self.now);
        let account = account.clone();
        self.changed.insert(user.clone());
        self.grant(Kind::Acquired, &account, referrer, target, payment, trace);
    }

    /// Adds an entry; a value of 0 makes none.
    fn grant(
        &mut self,
        kind: Kind,
        referred: &Account,
        user: User,
        amount: Money,
        payment: Option<&Cause>,
        trace: Option<&Trace>,
    ) {
        let (Some(referrer), Some(terms)) = (&referred.referrer, &referred.terms) else { return };
        if amount.is_zero() {
            return;
        }
        self.entries.push(Entry {
            kind,
            user,
            amount,
            terms: terms.clone(),
            referred: referred.user.hash.clone(),
            referrer: referrer.clone(),
            signup: referred.cause.clone(),
            payment: payment.cloned(),
            trace: trace.unwrap_or(&referred.trace).clone(),
        });
    }

    /// What the answer to an invoice says (contract 5): the target once it has been reached, on
    /// every call; else nothing.
    pub fn acquired_credit(&self, user: &User) -> Money {
        let account = self.known.accounts.get(user);
        account.and_then(|account| account.standing().acquired()).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
