//! The task that makes outcomes durable: gathers those that finish while the last transaction
//! commits, and writes them together.
//!
//! Refuses to drop an outcome because the database is away: it is kept and tried again for as
//! long as the process lives, and holds capacity meanwhile, so that nothing piles up.
use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    Outbox, Outcome, Verdict,
    held::Held,
    record::{Entry, record},
};
use crate::{
    lifecycle::Context,
    series::ResultLabel,
    store::{Store, StoreError},
};

/// Most outcomes of one transaction.
const BATCH_MAX: usize = 1000;
/// Pause between tries to reach the database.
const RETRY_PAUSE: Duration = Duration::from_millis(300);

/// See the module.
pub struct Recorder {
    /// Whose outcomes they are.
    pub outbox: &'static Outbox,
    /// The database.
    pub store: Store,
    /// What is in hand.
    pub held: Arc<Held>,
    /// Readiness and counts.
    pub context: Context,
}

impl Recorder {
    /// Records outcomes until every sender of them is gone, and the last one is written.
    pub async fn run(self, mut outcomes: UnboundedReceiver<Outcome>) {
        let mut batch = Vec::new();
        loop {
            if batch.is_empty() && outcomes.recv_many(&mut batch, BATCH_MAX).await == 0 {
                return;
            }
            while batch.len() < BATCH_MAX
                && let Ok(outcome) = outcomes.try_recv()
            {
                batch.push(outcome);
            }
            // One order of rows for every process.
            batch.sort_unstable_by(|a: &Outcome, b| a.item_id.cmp(&b.item_id));
            batch = self.write(batch).await;
        }
    }

    /// One try; what is left to be written.
    async fn write(&self, mut batch: Vec<Outcome>) -> Vec<Outcome> {
        let Self { outbox, store, held, context } = self;
        let tokens: Vec<_> = batch.iter().map(|outcome| held.token(&outcome.item_id)).collect();
        let entries: Vec<_> = batch
            .iter()
            .zip(&tokens)
            .filter_map(|(outcome, token)| Some(Entry { outcome, token: token.as_deref()? }))
            .collect();
        let lost = match record(outbox, store, &entries).await {
            Ok(lost) => lost,
            Err(error) => {
                context.ready.set("database", !matches!(error, StoreError::Unavailable(_)));
                tracing::warn!(%error, outcomes = batch.len(), "outcomes wait for the database");
                if error.blames_data() {
                    // Whatever text it is that the database does not take: the outcome counts.
                    for outcome in &mut batch {
                        (outcome.error, outcome.answer) = (None, None);
                    }
                }
                tokio::time::sleep(RETRY_PAUSE).await;
                return batch;
            }
        };
        context.ready.set("database", true);
        let mut left = Vec::new();
        for (outcome, token) in batch.into_iter().zip(tokens) {
            let id = &outcome.item_id;
            if !lost.contains(id) {
                self.settle(&outcome);
            } else if held.token(id) != token {
                // Claimed again by this very process in between: it counts under the new token.
                left.push(outcome);
            } else {
                tracing::warn!(
                    id,
                    attempt = outcome.number,
                    verdict = ?outcome.verdict,
                    "the lease is another's by now: this outcome is not recorded"
                );
                held.release(id);
            }
        }
        left
    }

    fn settle(&self, outcome: &Outcome) {
        let result = match outcome.verdict {
            Verdict::Delivered(_) => "delivered",
            Verdict::Again(at) => {
                self.held.due_at(at);
                "failed"
            }
            Verdict::Dead(_) => {
                tracing::warn!(
                    id = outcome.item_id,
                    attempts = outcome.number,
                    status = outcome.status,
                    "a {} is dead",
                    self.outbox.table
                );
                "dead"
            }
        };
        let metrics = &self.context.metrics;
        metrics.attempts.get_or_create(&ResultLabel { result }).inc();
        metrics.attempt_seconds.observe(outcome.duration_us as f64 / 1e6);
        self.held.release(&outcome.item_id);
    }
}
