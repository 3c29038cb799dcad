//! The task that makes outcomes durable: gathers those that finish while the last transaction
//! commits, and writes them together.
//!
//! Refuses to drop an outcome because the database is away: it is kept and tried again for as
//! long as the process lives, and holds capacity meanwhile, so that nothing piles up.
use std::{sync::Arc, time::Duration};

use referral::{
    lifecycle::Context,
    metrics::ResultLabel,
    store::{Store, StoreError},
};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    held::Held,
    outcome::{Outcome, Verdict},
    record::{Entry, record},
};

/// Most outcomes of one transaction.
const BATCH_MAX: usize = 1000;
/// Pause between tries to reach the database.
const RETRY_PAUSE: Duration = Duration::from_millis(300);

/// Records outcomes until every sender of them is gone, and the last one is written.
pub async fn run(
    store: Store,
    held: Arc<Held>,
    context: Context,
    mut outcomes: UnboundedReceiver<Outcome>,
) {
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
        batch.sort_unstable_by(|a: &Outcome, b| a.delivery_id.cmp(&b.delivery_id));
        batch = write(&store, &held, &context, batch).await;
    }
}

/// One try; what is left to be written.
async fn write(
    store: &Store,
    held: &Held,
    context: &Context,
    mut batch: Vec<Outcome>,
) -> Vec<Outcome> {
    let tokens: Vec<_> = batch.iter().map(|outcome| held.token(&outcome.delivery_id)).collect();
    let entries: Vec<_> = batch
        .iter()
        .zip(&tokens)
        .filter_map(|(outcome, token)| Some(Entry { outcome, token: token.as_deref()? }))
        .collect();
    let lost = match record(store, &entries).await {
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
        let id = &outcome.delivery_id;
        if !lost.contains(id) {
            settle(held, context, &outcome);
        } else if held.token(id) != token {
            // Claimed again by this very process in between: it counts under the new token.
            left.push(outcome);
        } else {
            tracing::warn!(
                delivery = id,
                attempt = outcome.number,
                verdict = ?outcome.verdict,
                "the lease is another's by now: this outcome is not recorded"
            );
            held.release(id);
        }
    }
    left
}

fn settle(held: &Held, context: &Context, outcome: &Outcome) {
    let result = match outcome.verdict {
        Verdict::Delivered(_) => "delivered",
        Verdict::Again(at) => {
            held.due_at(at);
            "failed"
        }
        Verdict::Dead(_) => {
            tracing::warn!(
                delivery = outcome.delivery_id,
                attempts = outcome.number,
                status = outcome.status,
                "a delivery is dead"
            );
            "dead"
        }
    };
    context.metrics.attempts.get_or_create(&ResultLabel { result }).inc();
    context.metrics.attempt_seconds.observe(outcome.duration_us as f64 / 1e6);
    held.release(&outcome.delivery_id);
}
