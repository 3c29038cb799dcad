//! The billing worker (contract 6): every delivery that the credits worker left in the database
//! leaves by POST, is tried again on a durable schedule, and ends `delivered` or `dead`.
//!
//! The map, in the order in which a delivery passes:
//!
//! | module | what it owns |
//! | --- | --- |
//! | [`hints`] | messages that say there is something to do |
//! | [`claims`] | the loop: hints and sweeps → claims → attempts |
//! | [`claim`] | SQL: a due row becomes ours for a while |
//! | [`held`] | how much is in hand, and under which token |
//! | [`referral::webhook`] | one POST |
//! | [`outcome`] with [`policy`] | what came back, and what follows (pure) |
//! | [`recorder`], [`record`] | outcomes, many to a transaction |
//! | [`points`] | where a test may kill it |
//!
//! The truth is the row in `delivery`; messages only save time. A crash at any instruction leaves
//! either an unclaimed row, or a leased one that is attempted again, under the same id and with
//! the same bytes, when the lease ends. The circuit per destination (contract 6) is not here yet:
//! its room is between [`claims`] and the POST.
pub mod claim;
pub mod claims;
pub mod held;
pub mod hints;
pub mod outcome;
pub mod points;
pub mod policy;
pub mod record;
pub mod recorder;

use std::sync::Arc;

use referral::{
    broker::{Broker, BrokerSettings},
    clock::Clock,
    lifecycle::Context,
    settings::{BillingSettings, SettingError, Settings},
    store::{Store, StoreSettings},
    webhook::{Sender, Signer},
};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use claims::{Attempts, Claiming};
use held::Held;
use hints::Listener;
use policy::Policy;

/// A random number of 0 to 1, each time another.
pub type Jitter = fn() -> f64;

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
            jitter,
        })
    }

    fn attempts(&self) -> anyhow::Result<Option<Arc<Attempts>>> {
        let Some(sender) = Sender::of(&self.billing, self.signer.clone())? else {
            tracing::warn!(
                "ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP is not set: deliveries wait in the database"
            );
            return Ok(None);
        };
        Ok(Some(Arc::new(Attempts {
            sender,
            policy: Policy {
                initial: self.billing.retry_initial,
                pause_max: self.billing.retry_pause_max,
                retry_for: self.billing.retry_for,
            },
            timeout: self.billing.timeout,
            clock: self.clock.clone(),
            jitter: self.jitter,
        })))
    }
}

fn jitter() -> f64 {
    // Without randomness there is no jitter, which is no reason to stop.
    let random = getrandom::u32().unwrap_or(0);
    f64::from(random) / f64::from(u32::MAX)
}

/// Delivers until it is told to stop, then finishes the requests in flight and records them.
pub async fn run(config: Config, context: Context) -> anyhow::Result<()> {
    let stop = context.shutdown.child_token();
    let attempts = config.attempts()?;
    context.ready.set("database", false);
    let Some(store) = Store::open(&config.store, &stop).await? else { return Ok(()) };
    context.ready.set("database", true);

    let held = Arc::new(Held::new(config.billing.concurrency_max));
    let tasks = TaskTracker::new();
    let (hints_in, hints) = mpsc::channel(usize::from(hints::PREFETCH));
    let (done, done_out) = mpsc::unbounded_channel();
    let (outcomes, outcomes_out) = mpsc::unbounded_channel();

    let mut recording =
        tokio::spawn(recorder::run(store.clone(), held.clone(), context.clone(), outcomes_out));
    let listener = Listener {
        broker: Broker::new(config.broker.clone()),
        clock: config.clock.clone(),
        context: context.clone(),
        message_bytes_max: config.broker.max_message,
        hints: hints_in,
        done: done_out,
    };
    let listening = tokio::spawn({
        let stop = stop.clone();
        async move {
            let listened = listener.run(stop.clone()).await;
            // Refused by the broker: the rest ends too.
            stop.cancel();
            listened
        }
    });
    let clock = config.clock;
    let claiming = Claiming {
        store,
        clock,
        held,
        attempts,
        context,
        hints,
        done,
        outcomes,
        tasks: tasks.clone(),
    };
    tokio::select! {
        () = claiming.run(stop) => {}
        // Only by a panic: without it nothing may be claimed.
        ended = &mut recording => return Ok(ended?),
    }
    tasks.close();
    tasks.wait().await;
    // Every sender of outcomes is gone by now, so the recorder ends with the last one.
    recording.await?;
    Ok(listening.await??)
}
