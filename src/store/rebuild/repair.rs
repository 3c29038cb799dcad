//! Writing what a user's books should say, behind the user's lock.
//!
//! Nothing that billing may have been told is changed, and nothing is told again: a delivery that has to be
//! made anew is a dead one, which only a person sends. No reward is lowered that has been paid out.
use uuid::{NoContext, Uuid};

use super::{
    Tenant,
    books::{Kind, Line, Referred, Step},
    stored::{Account, Books, Reward, UNTOLD},
    users::Findings,
};
use crate::{
    domain::Micros,
    store::{
        Param, Rows, StoreError, Tx, payouts,
        rows::Kind::{Int, Text},
    },
};

/// Does all that may be done; false: rewards that are too high stay, as they have been paid out.
pub(super) async fn write(
    tx: &Tx,
    tenant: &Tenant,
    user: &str,
    books: &Books,
    findings: &Findings,
    now: Micros,
) -> Result<bool, StoreError> {
    const PAYER: &str = "UPDATE payer SET sum_minor = {?}, max_minor = {?} \
        WHERE domain_id = {?} AND user_hash = {?}";
    const ACQUIRED: &str =
        "UPDATE account SET acquired_us = {?} WHERE domain_id = {?} AND user_hash = {?}";
    let domain_id = tenant.domain.id;
    if findings.payer {
        let (sum, max) = (books.counted.sum, books.counted.max);
        let params = vec![sum.into(), max.into(), domain_id.into(), user.into()];
        tx.run(PAYER, None, params).await?;
    }
    if let Some(expected) = findings.acquired {
        let acquired = expected.then_some(now.0);
        tx.run(ACQUIRED, None, vec![acquired.into(), domain_id.into(), user.into()]).await?;
    }
    if let Some((account, referred)) = books.account.as_ref().zip(books.referred()) {
        let maker = Maker { tx, domain_id, user, books, account, referred, now };
        for (kind, verdict) in &findings.verdicts {
            let mut entry_id = books.entries.get(kind).map(|entry| entry.id.clone());
            for step in &verdict.steps {
                maker.make(*kind, step, &mut entry_id).await?;
            }
        }
    }
    for step in findings.verdicts.iter().flat_map(|(_, verdict)| &verdict.steps) {
        change(tx, step).await?;
    }
    rewards(tx, domain_id, books, &findings.rewards).await
}

/// Changes and removes; what is made is the maker's.
async fn change(tx: &Tx, step: &Step) -> Result<(), StoreError> {
    const ENTRY: &str = "UPDATE entry SET user_hash = {?}, amount_minor = {?}, currency = {?}, \
        program_id = {?} WHERE id = {?}";
    let said = |line: &Line, id: &str| -> Vec<Param<'static>> {
        let Line { user, amount, currency, program_id } = line.clone();
        vec![user.into(), amount.into(), currency.into(), program_id.into(), id.to_owned().into()]
    };
    match step {
        Step::MakeEntry(..) | Step::MakeDelivery(_) => {}
        Step::CorrectEntry(id, line) => {
            tx.run(ENTRY, None, said(line, id)).await?;
        }
        Step::RemoveEntry(id) => {
            tx.run("DELETE FROM entry WHERE id = {?}", None, vec![id.as_str().into()]).await?;
        }
        Step::CorrectDelivery(id, line) => {
            let correct = format!(
                "UPDATE delivery SET user_hash = {{?}}, amount_minor = {{?}}, currency = {{?}}, \
                 program_id = {{?}} WHERE id = {{?}} AND {UNTOLD}"
            );
            untold(tx.run(&correct, None, said(line, id)).await?)?;
        }
        Step::RemoveDelivery(id) => remove_delivery(tx, id).await?,
    }
    Ok(())
}

/// Removes a delivery of which nobody was told.
pub(super) async fn remove_delivery(tx: &Tx, id: &str) -> Result<(), StoreError> {
    let remove = format!("DELETE FROM delivery WHERE id = {{?}} AND {UNTOLD}");
    untold(tx.run(&remove, None, vec![id.into()]).await?)
}

/// Billing was quicker: all is looked at once more.
fn untold(changed: u64) -> Result<(), StoreError> {
    if changed == 1 {
        return Ok(());
    }
    Err(StoreError::Again("the delivery is being attempted".to_owned()))
}

/// Makes rows of a user whom somebody referred.
struct Maker<'a> {
    tx: &'a Tx,
    domain_id: i64,
    user: &'a str,
    books: &'a Books,
    account: &'a Account,
    referred: &'a Referred,
    now: Micros,
}

impl Maker<'_> {
    /// `entry_id` is that of the kind's entry, also of one that was just made.
    async fn make(
        &self,
        kind: Kind,
        step: &Step,
        entry_id: &mut Option<String>,
    ) -> Result<(), StoreError> {
        match (step, &*entry_id) {
            (Step::MakeEntry(id, line), _) => {
                let id = id.clone().unwrap_or_else(|| self.id());
                self.entry(kind, &id, line).await?;
                *entry_id = Some(id);
                Ok(())
            }
            (Step::MakeDelivery(line), Some(id)) => self.delivery(kind, id, line).await,
            _ => Ok(()),
        }
    }

    async fn entry(&self, kind: Kind, id: &str, line: &Line) -> Result<(), StoreError> {
        const MAKE: &str = "INSERT INTO entry (id, domain_id, user_hash, kind, amount_minor, \
            currency, program_id, referred_user_hash, signup_source, signup_event_id, \
            payment_source, payment_event_id, time_us) \
            VALUES ({?}, {?}, {?}, {?}, {?}, {?}, {?}, {?}, {?}, {?}, {?}, {?}, {?})";
        let is_acquired = kind == Kind::Acquired;
        let payment = self.books.reached_by.as_ref().filter(|_| is_acquired);
        let since = if is_acquired { self.account.acquired } else { self.account.settled };
        let params = vec![
            id.into(),
            self.domain_id.into(),
            line.user.as_str().into(),
            kind.as_str().into(),
            line.amount.into(),
            line.currency.as_str().into(),
            line.program_id.into(),
            self.user.into(),
            self.account.source.as_str().into(),
            self.account.event_id.as_str().into(),
            payment.map(|(source, _)| source.as_str()).into(),
            payment.map(|(_, id)| id.as_str()).into(),
            since.unwrap_or(self.now.0).into(),
        ];
        self.tx.run(MAKE, None, params).await.map(|_| ())
    }

    async fn delivery(&self, kind: Kind, entry_id: &str, line: &Line) -> Result<(), StoreError> {
        const MAKE: &str = "INSERT INTO delivery (id, entry_id, domain_id, user_hash, kind, \
            amount_minor, currency, program_id, program_name, user_indicator_hash, \
            referred_user_hash, traceparent, tracestate, created_us, state, attempts, \
            next_attempt_us, lease_until_us) VALUES ({?}, {?}, {?}, {?}, {?}, {?}, {?}, {?}, {?}, \
            {?}, {?}, {?}, {?}, {?}, 'dead', 0, {?}, 0)";
        let id = self.id();
        let params = vec![
            id.as_str().into(),
            entry_id.into(),
            self.domain_id.into(),
            line.user.as_str().into(),
            kind.as_str().into(),
            line.amount.into(),
            line.currency.as_str().into(),
            line.program_id.into(),
            self.referred.terms.program_name.as_str().into(),
            self.referred.referrer.as_str().into(),
            self.user.into(),
            self.account.traceparent.as_deref().into(),
            self.account.tracestate.as_deref().into(),
            self.now.0.into(),
            self.now.0.into(),
        ];
        self.tx.run(MAKE, None, params).await.map(|_| ())
    }

    fn id(&self) -> String {
        Uuid::new_v7(self.now.timestamp(NoContext)).to_string()
    }
}

/// Raises what is too low, and lowers what is too high unless that has been paid out; false: it has.
async fn rewards(
    tx: &Tx,
    domain_id: i64,
    books: &Books,
    wrong: &[Reward],
) -> Result<bool, StoreError> {
    let (high, low): (Vec<&Reward>, Vec<&Reward>) =
        wrong.iter().partition(|reward| reward.is_too_high());
    tx.update("payment", 1, &rows_of(&low)).await?;
    if high.is_empty() {
        return Ok(true);
    }
    if let Some(referred) = books.referred() {
        // Locks the referrer's payouts, so that nobody takes meanwhile what is about to go.
        let due = payouts::locked_balance(tx, domain_id, &referred.referrer).await?.due;
        let minor = |reward: Option<i64>| reward.unwrap_or_default();
        let less: i64 = high.iter().map(|r| minor(r.found) - minor(r.expected)).sum();
        if due.minor() < less {
            return Ok(false);
        }
    }
    tx.update("payment", 1, &rows_of(&high)).await?;
    Ok(true)
}

fn rows_of(rewards: &[&Reward]) -> Rows {
    let mut rows = Rows::new(&[("event_key", Text), ("reward_minor", Int)]);
    for reward in rewards {
        rows.push([reward.event_key.as_str().into(), reward.expected.into()]);
    }
    rows
}
