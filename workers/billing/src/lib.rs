//! The billing worker (contract 6): every delivery that the credits worker left in the database
//! leaves by POST, is tried again on a durable schedule, and ends `delivered` or `dead`.
//!
//! The map, in the order in which a delivery passes:
//!
//! | module | what it owns |
//! | --- | --- |
//! | [`referral::outbox`] | hints, claims, schedule, outcomes: what this worker shares with `mail` |
//! | [`claim`] | the delivery as a row |
//! | [`send`] with [`target`], [`body`], [`sign`] | one POST |
//! | [`outcome`] | what came back (pure) |
//! | [`points`] | where a test may kill it |
//!
//! A repeated attempt has the same id and the same bytes. The circuit per destination (contract 6)
//! is not here yet: its room is between the outbox's claims and [`send`].
pub mod body;
pub mod claim;
pub mod outcome;
pub mod points;
pub mod send;
pub mod sign;
pub mod target;

use std::sync::Arc;

use referral::{
    broker::BrokerSettings,
    clock::Clock,
    domain::Micros,
    lifecycle::Context,
    outbox::{self, Attempt, Courier, Jitter, Plan, Policy},
    settings::{BillingSettings, SettingError, Settings},
    store::StoreSettings,
};
use tokio::time::Instant;

use body::Format;
use claim::Delivery;
use send::Sender;
use sign::Signer;
use target::Target;

/// All that the program is told.
#[derive(Clone)]
pub struct Config {
    /// The broker.
    pub broker: BrokerSettings,
    /// The database.
    pub store: StoreSettings,
    /// Contract 6.
    pub billing: BillingSettings,
    /// Made of `WEBHOOK_SECRETS`.
    pub signer: Signer,
    /// Tells the time.
    pub clock: Clock,
    /// Spreads retries.
    pub jitter: Jitter,
}

impl Config {
    /// From the settings, with the system's clock and randomness.
    pub fn read(settings: &Settings) -> Result<Self, SettingError> {
        let billing = settings.billing()?;
        Ok(Self {
            broker: settings.broker("billing")?,
            store: settings.store()?,
            signer: Signer::new(&billing.secrets)?,
            billing,
            clock: Clock::system(),
            jitter: outbox::jitter,
        })
    }

    fn poster(&self) -> anyhow::Result<Option<Arc<Poster>>> {
        let Some(endpoint) = &self.billing.endpoint else {
            tracing::warn!(
                "ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP is not set: deliveries wait in the database"
            );
            return Ok(None);
        };
        if self.signer.is_empty() {
            tracing::warn!("WEBHOOK_SECRETS is not set: billing calls are not signed");
        }
        let BillingSettings { json, timeout, concurrency_max, .. } = self.billing;
        let format = if json { Format::Json } else { Format::Form };
        let target = Target::new(endpoint);
        let sender = Sender::new(target, format, self.signer.clone(), timeout, concurrency_max)?;
        Ok(Some(Arc::new(Poster { sender })))
    }

    fn plan(self) -> Plan {
        let BillingSettings { timeout, concurrency_max, .. } = self.billing;
        Plan {
            broker: self.broker,
            policy: Policy {
                initial: self.billing.retry_initial,
                pause_max: self.billing.retry_pause_max,
                retry_for: self.billing.retry_for,
            },
            timeout,
            concurrency_max,
            clock: self.clock,
            jitter: self.jitter,
        }
    }
}

/// Makes the attempts: one POST each.
struct Poster {
    sender: Sender,
}

impl Courier for Poster {
    type Item = Delivery;

    async fn attempt(&self, delivery: &Delivery, began: Micros) -> Attempt {
        points::before_post();
        let watch = Instant::now();
        let exchange = self.sender.post(delivery, began).await;
        points::after_post();
        outcome::judge(exchange, outbox::outcome::ended(began, watch.elapsed()))
    }
}

/// Delivers until it is told to stop, then finishes the requests in flight and records them.
pub async fn run(config: Config, context: Context) -> anyhow::Result<()> {
    let poster = config.poster()?;
    let Some(store) = outbox::open(&config.store, &context).await? else { return Ok(()) };
    outbox::run(poster, store, config.plan(), context).await
}
