//! The outbox: how rows that are to leave this system leave it, each until it has arrived or is
//! given up. The workers `billing` and `mail` share it; each brings its table and its [`Courier`].
//!
//! The map, in the order in which an item passes:
//!
//! | module | what it owns |
//! | --- | --- |
//! | [`item`] | what a worker says of its table, and how it attempts one item |
//! | [`hints`] | messages that say there is something to do |
//! | [`claims`] | the loop: hints and sweeps → claims → attempts |
//! | [`mod@claim`] | SQL: a due row becomes ours for a while |
//! | [`held`] | how much is in hand, and under which token |
//! | [`outcome`] with [`schedule`] | what follows from an attempt (pure) |
//! | `census` | how much waits, for `/metrics` |
//! | [`recorder`], [`record`] | outcomes, many to a transaction |
//!
//! The truth is the row; messages only save time. A crash at any instruction leaves either an
//! unclaimed row, or a leased one that is attempted again, under the same id, when the lease ends.
//! Refuses to know what is sent, where to, and what an answer means.
mod census;
pub mod claim;
pub mod claims;
pub mod held;
pub mod hints;
pub mod item;
pub mod outcome;
pub mod record;
pub mod recorder;
pub mod schedule;

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use claim::{Claim, Due, Which, claim};
pub use item::{Courier, Item, Outbox};
pub use outcome::{Attempt, Outcome, Verdict};
pub use schedule::{Failure, Policy};

use crate::{
    broker::{Broker, BrokerError, BrokerSettings},
    clock::Clock,
    lifecycle::Context,
    store::{Store, StoreError, StoreSettings},
};
use claims::Claiming;
use held::Held;
use hints::{Hint, Listener, Place};

/// A random number of 0 to 1, each time another.
pub type Jitter = fn() -> f64;

/// The system's randomness.
pub fn jitter() -> f64 {
    // Without randomness there is no jitter, which is no reason to stop.
    let random = getrandom::u32().unwrap_or(0);
    f64::from(random) / f64::from(u32::MAX)
}

/// What an outbox is worked with.
#[derive(Clone)]
pub struct Plan {
    /// The broker.
    pub broker: BrokerSettings,
    /// When failed attempts are repeated.
    pub policy: Policy,
    /// For one attempt.
    pub timeout: Duration,
    /// Attempts in flight.
    pub concurrency_max: usize,
    /// Tells the time.
    pub clock: Clock,
    /// Spreads retries.
    pub jitter: Jitter,
}

/// Waits for the database, and says so in `/ready`; `None` when it was stopped first.
pub async fn open(
    settings: &StoreSettings,
    context: &Context,
) -> Result<Option<Store>, StoreError> {
    context.ready.set("database", false);
    let store = Store::open(settings, &context.shutdown).await?;
    let store = store.map(|store| store.counting(&context.metrics.database_errors));
    context.ready.set("database", store.is_some());
    Ok(store)
}

/// Works the courier's outbox until it is told to stop, then finishes the attempts in flight and
/// records them. Without a courier nothing is claimed, and everything waits.
pub async fn run<C: Courier>(
    courier: Option<Arc<C>>,
    store: Store,
    plan: Plan,
    context: Context,
) -> anyhow::Result<()> {
    let outbox = C::Item::OUTBOX;
    let stop = context.shutdown.child_token();
    let held = Arc::new(Held::new(plan.concurrency_max));
    let tasks = TaskTracker::new();
    let (hints_in, hints) = mpsc::channel(usize::from(hints::PREFETCH));
    let (done, done_out) = mpsc::unbounded_channel();
    let (outcomes, outcomes_out) = mpsc::unbounded_channel();

    let recorder = recorder::Recorder {
        outbox,
        store: store.clone(),
        held: held.clone(),
        context: context.clone(),
    };
    let mut recording = tokio::spawn(recorder.run(outcomes_out));
    let census = census::Census { outbox, store: store.clone(), held: held.clone() };
    let (clock, metrics) = (plan.clock.clone(), context.metrics.clone());
    let counting = tokio::spawn(census.run(clock, metrics, stop.clone()));
    // Messages that nobody could act on stay in the queue where the outbox wants it so.
    let takes = courier.is_some() || !outbox.hints_wait;
    let listening = tokio::spawn(listen(
        takes,
        listener(outbox, &plan, &context, hints_in, done_out),
        stop.clone(),
    ));
    let plan = Arc::new(plan);
    let claiming = Claiming { store, plan, held, courier, context, hints, done, outcomes, tasks };
    let tasks = claiming.tasks.clone();
    tokio::select! {
        () = claiming.run(stop) => {}
        // Only by a panic: without it nothing may be claimed.
        ended = &mut recording => return Ok(ended?),
    }
    tasks.close();
    tasks.wait().await;
    // Every sender of outcomes is gone by now, so the recorder ends with the last one.
    recording.await?;
    // Ended by the same token.
    counting.await?;
    Ok(listening.await??)
}

fn listener(
    outbox: &'static Outbox,
    plan: &Plan,
    context: &Context,
    hints: mpsc::Sender<Hint>,
    done: mpsc::UnboundedReceiver<Place>,
) -> Listener {
    Listener {
        outbox,
        broker: Broker::counted(plan.broker.clone(), context.metrics.broker.clone()),
        clock: plan.clock.clone(),
        context: context.clone(),
        message_bytes_max: plan.broker.max_message,
        hints,
        done,
    }
}

/// Takes hints, or stands by, until `stop`; where the broker refuses, the rest ends too.
async fn listen(
    takes: bool,
    listener: Listener,
    stop: CancellationToken,
) -> Result<(), BrokerError> {
    let token = stop.clone();
    let listened = if takes { listener.run(token).await } else { listener.stand_by(token).await };
    stop.cancel();
    listened
}
