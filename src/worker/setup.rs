//! What a worker's main needs: its settings read, its database and broker opened.
use super::Tools;
use crate::{
    broker::{Broker, BrokerSettings},
    clock::Clock,
    lifecycle::Context,
    settings::{SettingError, Settings, WorkerSettings},
    store::{Store, StoreSettings},
};

/// Names of the settings of every worker of this kind.
pub const SETTINGS: &[&str] = &["BATCH_MAX", "BATCH_MAX_BYTES", "BATCH_LINGER_MS", "PREFETCH"];

/// A worker's settings.
pub struct Setup {
    broker: BrokerSettings,
    store: StoreSettings,
    worker: WorkerSettings,
}

impl Setup {
    /// Reads them, for the program of this name.
    pub fn read(program: &'static str) -> impl FnOnce(&Settings) -> Result<Self, SettingError> {
        move |settings| {
            Ok(Self {
                broker: settings.broker(program)?,
                store: settings.store()?,
                worker: settings.worker()?,
            })
        }
    }

    /// Waits for the database; `None` when it was told to stop before that.
    pub async fn tools(self, context: Context) -> anyhow::Result<Option<Tools>> {
        context.ready.set("database", false);
        context.ready.set("broker", false);
        let Some(store) = Store::open(&self.store, &context.shutdown).await? else {
            return Ok(None);
        };
        let store = store.counting(&context.metrics.database_errors);
        context.ready.set("database", true);
        let broker = Broker::counted(self.broker, context.metrics.broker.clone());
        // Outlives the shutdown signal: what is held is still parked, replied and sent on.
        let publisher = broker.publisher(tokio_util::sync::CancellationToken::new());
        let clock = Clock::system();
        Ok(Some(Tools { broker, publisher, store, clock, settings: self.worker, context }))
    }
}
