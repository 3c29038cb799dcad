//! The billing worker (contract 6): every delivery that the credits worker left in the database
//! leaves by POST, is tried again on a durable schedule, and ends `delivered` or `dead`.
//!
//! The map, in the order in which a delivery passes:
//!
//! | module | what it owns |
//! | --- | --- |
//! | [`referral::outbox`] | hints, claims, schedule, outcomes: what this worker shares with `mail` |
//! | [`claim`] | the delivery as a row |
//! | [`breaker`] with [`circuit`] | which deliveries may leave now: the circuit per destination |
//! | [`referral::webhook`] | one POST |
//! | [`outcome`] | what came back (pure) |
//!
//! A repeated attempt has the same id and the same bytes.
pub mod breaker;
pub mod circuit;
pub mod claim;
pub mod outcome;

use std::{borrow::Cow, sync::Arc};

use referral::{
    broker::BrokerSettings,
    clock::Clock,
    domain::{Micros, Trace},
    failpoint,
    lifecycle::Context,
    metrics::Metrics,
    outbox::{self, Attempt, Courier, Due, Jitter, Plan, Policy, Which},
    settings::{BillingSettings, SettingError, Settings},
    store::{Store, StoreError, StoreSettings},
    traces,
    webhook::{Credit, Exchange, Sender, Signer},
};
use tokio::time::Instant;

use breaker::Breaker;
use claim::Delivery;

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

    fn sender(&self) -> anyhow::Result<Option<Sender>> {
        let sender = Sender::of(&self.billing, self.signer.clone())?;
        if sender.is_none() {
            tracing::warn!(
                "ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP is not set: deliveries wait in the database"
            );
        }
        Ok(sender)
    }

    fn poster(&self, sender: Sender, store: Store, metrics: Arc<Metrics>) -> Poster {
        let &BillingSettings { circuit_after, probe_pause, concurrency_max, .. } = &self.billing;
        let target = sender.target().clone();
        let breaker =
            Breaker::new(target, store, metrics, circuit_after, probe_pause, concurrency_max);
        Poster { sender, breaker }
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
    breaker: Breaker,
}

impl Courier for Poster {
    type Item = Delivery;

    async fn attempt(&self, delivery: &Delivery, began: Micros) -> Attempt {
        failpoint::pass("billing::before-post");
        let watch = Instant::now();
        let exchange = self.post(delivery, began).await;
        failpoint::pass("billing::after-post");
        let now = outbox::outcome::ended(began, watch.elapsed());
        self.breaker.note(delivery, outcome::destination_fails(&exchange), now).await;
        outcome::judge(exchange, now)
    }

    async fn pick(&self, due: &Due<'_>, which: Which<'_>) -> Result<Vec<Delivery>, StoreError> {
        self.breaker.pick(due, which).await
    }

    fn wakes_at(&self) -> Option<Micros> {
        self.breaker.wakes_at()
    }
}

impl Poster {
    /// The POST, and the span that it is.
    async fn post(&self, delivery: &Delivery, began: Micros) -> Exchange {
        let (credit, mut span) = traced(delivery);
        let exchange = self.sender.post(&credit, began).await;
        match (exchange.status, &exchange.error) {
            (Some(status), _) => span.answered(status),
            (None, error) => span.failed(&error.as_deref().unwrap_or("no answer")),
        }
        exchange
    }
}

/// The credit with the context of the span that this attempt is, where there is one.
fn traced(delivery: &Delivery) -> (Cow<'_, Credit>, traces::Span) {
    let credit = &delivery.credit;
    let span = traces::attempt(delivery.attempts + 1, &credit.id, || Trace {
        parent: credit.traceparent.clone(),
        state: credit.tracestate.clone(),
    });
    let credit = match span.trace().cloned() {
        Some(Trace { parent, .. }) => Cow::Owned(Credit { traceparent: parent, ..credit.clone() }),
        None => Cow::Borrowed(credit),
    };
    (credit, span)
}

/// Delivers until it is told to stop, then finishes the requests in flight and records them.
pub async fn run(config: Config, context: Context) -> anyhow::Result<()> {
    let sender = config.sender()?;
    let Some(store) = outbox::open(&config.store, &context).await? else { return Ok(()) };
    let poster = sender
        .map(|sender| Arc::new(config.poster(sender, store.clone(), context.metrics.clone())));
    outbox::run(poster, store, config.plan(), context).await
}
