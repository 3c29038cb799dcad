//! Outcomes: stored with their events, so that a repeated one gets the answer first given
//! (contract 1, Replies).
use std::collections::HashMap;

use referral::{
    domain::{Code, EventKey, EventType, Money},
    store::{
        Param, Rows, StoreError, Tx,
        rows::Kind::{Int, Text},
    },
};
use serde_json::{Map, Value};

use crate::{decide::Decision, load, payments::Incoming};

/// Stores the outcomes of new events; those of payments of users whose account was not read were
/// written with their rows. A payment that acquired nothing keeps its null.
pub async fn store(
    tx: &Tx,
    decision: &Decision<'_>,
    payments: &[&Incoming<'_>],
) -> Result<(), StoreError> {
    let mut signups = Rows::new(&[("event_key", Text), ("outcome", Text)]);
    for (key, outcome) in &decision.outcomes {
        signups.push([key.as_str().into(), outcome.as_str().into()]);
    }
    tx.update("signup", 1, &signups).await?;
    let mut acquired = Rows::new(&[("event_key", Text), ("acquired_minor", Int)]);
    for incoming in payments {
        let credit = decision.acquired_credit(&incoming.payer);
        if !credit.is_zero() {
            acquired.push([incoming.key().as_str().into(), credit.minor().into()]);
        }
    }
    tx.update("payment", 1, &acquired).await
}

/// Reads the outcomes of events that are asked for, new or not.
pub async fn read(
    tx: &Tx,
    wanted: &[EventKey],
) -> Result<HashMap<EventKey, Map<String, Value>>, StoreError> {
    const SIGNUPS: &str = "SELECT s.event_key AS event_key, s.outcome AS outcome, \
        s.domain_id AS domain_id, s.user_hash AS user_hash FROM {rows} \
        JOIN signup s ON s.event_key = r.event_key";
    const PAYMENTS: &str = "SELECT p.event_key AS event_key, p.acquired_minor AS acquired_minor, \
        p.domain_id AS domain_id, p.user_hash AS user_hash FROM {rows} \
        JOIN payment p ON p.event_key = r.event_key";
    let mut rows = Rows::new(&[("event_key", Text)]);
    for key in wanted {
        rows.push([Param::from(key.as_str())]);
    }
    let mut outcomes = HashMap::new();
    for row in tx.all(SIGNUPS, Some(&rows), Vec::new()).await? {
        let user = load::user(&row)?;
        let code = Code::of_user(user.domain_id, &user.hash);
        let members = [
            ("outcome", row.text_or_null("outcome")?.unwrap_or_default()),
            ("user_hash", user.hash.to_string()),
            ("code", code.to_string()),
        ];
        keep(&mut outcomes, &row.text("event_key")?, EventType::Signup, members);
    }
    for row in tx.all(PAYMENTS, Some(&rows), Vec::new()).await? {
        let acquired = Money::from_minor(row.int_or_null("acquired_minor")?.unwrap_or_default());
        let members = [
            ("outcome", "accepted".to_owned()),
            ("user_hash", load::user(&row)?.hash.to_string()),
            ("acquired_credit", acquired.to_string()),
        ];
        keep(&mut outcomes, &row.text("event_key")?, EventType::Payment, members);
    }
    Ok(outcomes)
}

/// Where one pair of names was used for events of two types, each has its own outcome; the later
/// type's is not lost, only not told.
fn keep<const N: usize>(
    outcomes: &mut HashMap<EventKey, Map<String, Value>>,
    key: &str,
    event_type: EventType,
    members: [(&str, String); N],
) {
    if let Some(key) = EventKey::from_stored(key) {
        let members = members.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        outcomes.entry(key).or_insert_with(|| {
            let mut all: Map<String, Value> = members.collect();
            all.insert("type".to_owned(), event_type.as_str().into());
            all
        });
    }
}
