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
    known::{Standing, User},
    load,
    payments::Incoming,
};

/// Accrues the rewards of new payments of settled payers, unless they were written with their rows, and
/// of all earlier payments of payers who were settled just now.
pub async fn accrue(
    tx: &Tx,
    decision: &Decision<'_>,
    payments: &[&Incoming<'_>],
    standings: &HashMap<User, Standing>,
) -> Result<(), StoreError> {
    let standing = |user: &User| Some(decision.known.accounts.get(user)?.standing());
    let mut rewards = Rows::new(&[("event_key", Text), ("reward_minor", Int)]);
    for incoming in payments {
        let payer = &incoming.payer;
        if standings.contains_key(payer) || decision.changed.contains(payer) {
            continue;
        }
        if let Some(reward) = standing(payer).and_then(|payer| incoming.reward(&payer)) {
            rewards.push([incoming.key().as_str().into(), reward.minor().into()]);
        }
    }
    const EARLIER: &str = "SELECT p.event_key AS event_key, p.amount_minor AS amount_minor, \
        p.domain_id AS domain_id, p.user_hash AS user_hash FROM {rows} JOIN payment p \
        ON p.domain_id = r.domain_id AND p.user_hash = r.user_hash \
        WHERE p.counted = 1 AND p.amount_minor IS NOT NULL AND p.reward_minor IS NULL";
    let settled: Vec<&User> = decision
        .changed
        .iter()
        .filter(|user| standing(user).is_some_and(|it| it.shares()))
        .collect();
    for row in tx.all(EARLIER, Some(&load::users(settled)), Vec::new()).await? {
        let user = load::user(&row)?;
        let amount = Money::from_minor(row.int("amount_minor")?);
        if let Some(reward) = standing(&user).and_then(|user| user.reward(amount)) {
            rewards.push([row.text("event_key")?.into(), reward.minor().into()]);
        }
    }
    tx.update("payment", 1, &rewards).await
}
