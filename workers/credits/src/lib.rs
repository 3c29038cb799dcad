//! The worker `credits`: signups and payments become credit entries and deliveries (contract 5).
//!
//! A batch is applied in one transaction ([`transaction`]): the raw rows go in first (their unique
//! keys are the inbox), the users concerned are locked, what may change about them is loaded
//! ([`load`]; what is fixed about payers was read before: [`payments`]), the rules decide ([`decide`], pure), and accounts, entries and deliveries are
//! written ([`mod@write`]). Who waits for somebody is settled when that one arrives ([`waiting`]).
//!
//! Owns the tables `signup`, `account`, `account_email`, `payment`, `payer` and `entry`, and makes
//! the rows of `delivery`.
pub mod decide;
pub mod known;
pub mod ledger;
mod load;
mod payments;
mod replies;
mod rewards;
pub mod signup;
pub mod transaction;
pub mod waiting;
mod write;

use std::{collections::BTreeSet, time::Duration};

use known::User;
use referral::{
    broker::{Publisher, hints::DELIVERIES, topology::KEY_CLICK},
    clock::Clock,
    domain::{EventKey, EventType},
    store::{Store, StoreError},
    worker::{Applied, Placed, Worker},
};
use tokio_util::sync::CancellationToken;
use transaction::Done;
use waiting::Cursor;

/// A sweep takes at most this share of the time: the pause after it is as many times as long.
const SWEEP_SHARE: u32 = 10;

/// The worker; see the crate.
pub struct Credits {
    store: Store,
    clock: Clock,
}

impl Credits {
    /// A worker that writes into `store`.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock }
    }

    /// Settles, every `every`, whoever waits although what they wait for is known.
    pub async fn sweep(
        &self,
        publisher: &Publisher,
        every: Duration,
        shutdown: &CancellationToken,
    ) {
        let mut cursor = Cursor::default();
        let mut pause = every;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => return,
            }
            let begun = tokio::time::Instant::now();
            match self.sweep_page(&cursor).await {
                Ok((done, next)) => {
                    publisher.publish_all(DELIVERIES.of(&done.deliveries)).await;
                    pause = if next.is_some() { Duration::ZERO } else { every };
                    cursor = next.unwrap_or_default();
                }
                Err(error) => {
                    tracing::warn!("sweep: {error}");
                    pause = every;
                }
            }
            pause = pause.max(begun.elapsed() * SWEEP_SHARE).min(every);
        }
    }

    async fn sweep_page(&self, cursor: &Cursor) -> Result<(Done, Option<Cursor>), StoreError> {
        let (candidates, next) = waiting::sweep(&self.store, cursor).await?;
        let done = if candidates.is_empty() {
            Done::default()
        } else {
            self.transact(&[], &candidates, &[]).await?
        };
        Ok((done, next))
    }

    /// One transaction, run again when others' locks or rows were in its way.
    async fn transact(
        &self,
        events: &[Placed],
        candidates: &BTreeSet<User>,
        wanted: &[EventKey],
    ) -> Result<Done, StoreError> {
        let now = self.clock.now();
        let work = || async {
            let done = transaction::run(&self.store, events, candidates, wanted, now).await;
            // Another worker made the same row first: it is seen as such the next time.
            done.map_err(|error| match error {
                StoreError::Taken(text) => StoreError::Again(text),
                other => other,
            })
        };
        self.store.again(work).await
    }
}

impl Worker for Credits {
    const NAME: &'static str = "credits";

    fn takes(event_type: EventType) -> bool {
        matches!(event_type, EventType::Signup | EventType::Payment)
    }

    fn answers_for(routing_key: &str) -> bool {
        routing_key != KEY_CLICK
    }

    async fn apply(&self, events: &[Placed], wanted: &[EventKey]) -> Result<Applied, StoreError> {
        let candidates = waiting::dependents(&self.store, events).await?;
        let done = self.transact(events, &candidates, wanted).await?;
        let after_commit = DELIVERIES.of(&done.deliveries);
        Ok(Applied { new: done.new, outcomes: done.outcomes, after_commit })
    }
}
