//! The referrer's share of each payment (contract 4): a function of the payment's amount and the
//! payer's terms, stored with the payment once both are known.
use std::collections::HashMap;

use referral::{
    domain::Money,
    store::{
        Rows, StoreError, Tx,
        rows::Kind::{Int, Text},
    },
};

use crate::{
    decide::Decision,
    known::User,
    load,
    payments::{Incoming, Standing},
};

/// Accrues the rewards of new payments of settled payers, unless they were written with their rows, and
/// of all earlier payments of payers who were settled just now.
pub async fn accrue(
    tx: &Tx,
    decision: &Decision<'_>,
    payments: &[&Incoming<'_>],
    standings: &HashMap<User, Standing>,
) -> Result<(), StoreError> {
    let percent_of = |user: &User| {
        let account = decision.known.accounts.get(user)?;
        account.referrer.as_ref()?;
        account.terms.as_ref().map(|terms| terms.reward_percent_e4).filter(|percent| *percent > 0)
    };
    let mut rewards = Rows::new(&[("event_key", Text), ("reward_minor", Int)]);
    for incoming in payments {
        let payer = &incoming.payer;
        if let (Some(amount), Some(percent)) = (incoming.rewarded(), percent_of(payer))
            && !standings.contains_key(payer)
            && !decision.changed.contains(payer)
        {
            let reward = amount.share(percent);
            rewards.push([incoming.key().as_str().into(), reward.minor().into()]);
        }
    }
    const EARLIER: &str = "SELECT p.event_key AS event_key, p.amount_minor AS amount_minor, \
        p.domain_id AS domain_id, p.user_hash AS user_hash FROM {rows} JOIN payment p \
        ON p.domain_id = r.domain_id AND p.user_hash = r.user_hash \
        WHERE p.counted = 1 AND p.amount_minor IS NOT NULL AND p.reward_minor IS NULL";
    let settled: Vec<&User> =
        decision.changed.iter().filter(|user| percent_of(user).is_some()).collect();
    for row in tx.all(EARLIER, Some(&load::users(settled)), Vec::new()).await? {
        let user = load::user(&row)?;
        if let Some(percent) = percent_of(&user) {
            let reward = Money::from_minor(row.int("amount_minor")?).share(percent);
            rewards.push([row.text("event_key")?.into(), reward.minor().into()]);
        }
    }
    tx.update("payment", 1, &rewards).await
}
