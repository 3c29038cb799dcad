//! How much waits, and for how long, for `/metrics`: asked of the database now and then, of an index.
use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Outbox, held::Held};
use crate::{
    clock::Clock,
    domain::Micros,
    metrics::{Metrics, OutboxState},
    store::{Store, StoreError},
};

/// Pause between two looks; longer where one takes long.
const EVERY: Duration = Duration::from_secs(5);
/// A look takes at most this share of the time.
const SHARE: u32 = 20;

const COUNT: &str = "SELECT {as int COUNT(*)} AS items FROM {table} WHERE state = {?}";
const DUE: &str = "SELECT MIN(next_attempt_us) AS at FROM {table} WHERE state = 'pending'";
const OLDEST: &str = "SELECT MIN(created_us) AS at FROM {table} WHERE state = 'pending'";

/// See the module.
pub struct Census {
    /// What is counted.
    pub outbox: &'static Outbox,
    /// Where it is.
    pub store: Store,
    /// What is in hand here.
    pub held: Arc<Held>,
}

impl Census {
    /// Counts until `stop`.
    pub async fn run(self, clock: Clock, metrics: Arc<Metrics>, stop: CancellationToken) {
        loop {
            let begun = tokio::time::Instant::now();
            if let Err(error) = self.look(&clock, &metrics).await {
                tracing::debug!(%error, "what waits is not counted");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY.max(begun.elapsed() * SHARE)) => {}
            }
        }
    }

    async fn look(&self, clock: &Clock, metrics: &Metrics) -> Result<(), StoreError> {
        metrics.outbox_in_hand.set(self.held.count() as i64);
        for state in ["pending", "dead"] {
            let row = self.store.one(&self.outbox.sql(COUNT), vec![state.into()]).await?;
            let items = row.map_or(Ok(0), |row| row.int("items"))?;
            metrics.outbox_items.get_or_create(&OutboxState { state }).set(items);
        }
        let (due, oldest) = (self.first(DUE).await?, self.first(OLDEST).await?);
        let now = clock.now();
        let since = |at: Option<Micros>| at.map_or(0, |at| now.0.saturating_sub(at.0).max(0));
        metrics.outbox_due_seconds.set(since(due) as f64 / 1e6);
        metrics.outbox_oldest_seconds.set(since(oldest) as f64 / 1e6);
        Ok(())
    }

    async fn first(&self, template: &str) -> Result<Option<Micros>, StoreError> {
        let row = self.store.one(&self.outbox.sql(template), Vec::new()).await?;
        Ok(row.map(|row| row.int_or_null("at")).transpose()?.flatten().map(Micros))
    }
}
