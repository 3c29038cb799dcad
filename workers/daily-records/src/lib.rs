//! The worker `daily-records`: clicks and signups become one record per referral code and day
//! (contract 2, promises of contract 1).
//!
//! A batch's events are folded into a [`tally::Tally`] (pure); [`mod@write`] inserts the raw rows,
//! whose unique keys are the inbox, and adds to the records what the *new* rows amount to, in the
//! same transaction. Counts add and addresses join a set, so order and batching do not matter.
//!
//! Owns the tables `click`, `daily_signup` and `daily_record`.
pub mod tally;
mod write;

use referral::{
    broker::topology::{KEY_BATCH, KEY_PAYMENT, KEY_SIGNUP},
    clock::Clock,
    domain::{EventKey, EventType, bot::BotList},
    store::{Store, StoreError},
    worker::{Applied, Placed, Worker},
};
use tally::Tally;

/// The worker; see the crate.
pub struct DailyRecords {
    store: Store,
    clock: Clock,
    bots: BotList,
}

impl DailyRecords {
    /// A worker that writes into `store`.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, bots: BotList::default() }
    }
}

impl Worker for DailyRecords {
    const NAME: &'static str = "daily-records";

    fn takes(event_type: EventType) -> bool {
        matches!(event_type, EventType::Click | EventType::Signup)
    }

    fn answers_for(routing_key: &str) -> bool {
        !matches!(routing_key, KEY_SIGNUP | KEY_PAYMENT | KEY_BATCH)
    }

    async fn apply(&self, events: &[Placed], wanted: &[EventKey]) -> Result<Applied, StoreError> {
        let tally = Tally::of(events, &self.bots);
        let now = self.clock.now();
        let new = self.store.again(|| write::write(&self.store, &tally, now)).await?;
        let accepted = serde_json::Map::from_iter([("outcome".into(), "accepted".into())]);
        let outcomes = wanted.iter().map(|key| (*key, accepted.clone())).collect();
        Ok(Applied { new, outcomes, after_commit: Vec::new() })
    }
}
