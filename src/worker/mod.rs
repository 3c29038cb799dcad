//! The loop every worker shares: **collect a batch → decode → check → one transaction → settle**.
//!
//! It keeps the promises of contract 1 that do not depend on what an event means:
//!
//! - A batch is acknowledged only after its transaction has committed and what was bad in it is
//!   parked and confirmed.
//! - While one batch commits, the next is collected and decoded.
//! - A database that is away: the batch is held, and tried again until it is back.
//! - A broker that is away: everything held is dropped (it comes again), and consumed anew.
//! - A message that came back often is tried in ever smaller company and at last alone, each lone
//!   try noted first; after [`lone::TRIES_MAX`] of them it is parked.
//!
//! What an event does is the [`Worker`]'s own: see the crates under `workers/`.
mod check;
mod collect;
mod fit;
mod lone;
mod settle;
mod setup;

pub use setup::{SETTINGS, Setup};

use std::{collections::HashMap, ops::RangeInclusive, pin::Pin, sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::{
    broker::{Broker, BrokerError, Lost, Outgoing, Publisher, Session, pace::backoff},
    clock::Clock,
    domain::{Event, EventKey, EventType},
    failpoint::{self, Struck},
    lifecycle::Context,
    settings::WorkerSettings,
    store::{Store, StoreError, reference::Domain},
    traces,
};
use collect::{Batch, Collector};
use fit::Fit;

/// How long a batch is held for a database that is away, before its messages go back to the queue:
/// well before the broker's own limit of 30 minutes.
const HOLD_MAX: Duration = Duration::from_secs(600);

/// Messages that one acknowledgement settles at most: a quorum queue that is told of thousands at once
/// hands over the next ones more slowly.
const ACK_MOST: u64 = 250;

/// A session that lasted so long was no failed try to have one.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// An event with its tenant.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The event.
    pub event: Event,
    /// The domain it names.
    pub domain: Arc<Domain>,
}

/// What a transaction did.
#[derive(Debug, Default)]
pub struct Applied {
    /// How many events were new.
    pub new: usize,
    /// What became of events, for replies: the members beside `id`, `source` and `type`.
    pub outcomes: HashMap<EventKey, Map<String, Value>>,
    /// Messages that may now go out; losing one costs time only.
    pub after_commit: Vec<Outgoing>,
}

/// What a worker adds to the loop.
pub trait Worker {
    /// As in queue names: `daily-records`.
    const NAME: &'static str;

    /// Whether it handles events of this type.
    fn takes(event_type: EventType) -> bool;

    /// Whether it answers for messages with this routing key: parks what is bad in them, replies.
    fn answers_for(routing_key: &str) -> bool;

    /// Applies a batch in one transaction, and says what became of it only after the commit. No
    /// key occurs twice in `events`; `wanted` are the keys whose outcomes will be replied.
    fn apply(
        &self,
        events: &[Placed],
        wanted: &[EventKey],
    ) -> impl Future<Output = Result<Applied, StoreError>>;
}

/// What the loop works with.
pub struct Tools {
    /// Consumes.
    pub broker: Broker,
    /// Parks, replies, and sends what a commit set free.
    pub publisher: Publisher,
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Limits.
    pub settings: WorkerSettings,
    /// Shutdown, readiness, metrics.
    pub context: Context,
}

/// Why a session with the broker ended.
enum End {
    /// It was to stop, and everything held is done.
    Drained,
    /// Consume again: the broker is away, or the held messages must go back.
    Again(String),
}

impl From<Lost> for End {
    fn from(lost: Lost) -> Self {
        Self::Again(lost.to_string())
    }
}

impl From<Struck> for End {
    fn from(struck: Struck) -> Self {
        Self::Again(struck.to_string())
    }
}

/// Runs `worker` until it is told to stop.
pub async fn run<W: Worker>(worker: &W, tools: &Tools) -> Result<(), BrokerError> {
    let queue = format!("referral.{}", W::NAME);
    let shutdown = &tools.context.shutdown;
    let mut failures = 0;
    tools.context.ready.set("broker", false);
    tools.context.ready.set("database", true);
    while let Some(session) =
        tools.broker.consume(&queue, Fit::new(&tools.settings).now(), shutdown).await?
    {
        tools.context.ready.set("broker", true);
        let begun = Instant::now();
        match serve(worker, tools, session).await {
            End::Drained => break,
            End::Again(why) => {
                tracing::warn!("{}: consuming anew: {why}", W::NAME);
                tools.context.metrics.reconnects.inc();
            }
        }
        tools.context.ready.set("broker", false);
        failures = if begun.elapsed() > HEALTHY_AFTER { 0 } else { failures + 1 };
        tokio::select! {
            () = tokio::time::sleep(backoff(failures.min(6), random())) => {}
            () = shutdown.cancelled() => break,
        }
    }
    Ok(())
}

/// The delivery tags of a batch that is done, which follow each other.
type Done = RangeInclusive<u64>;
type Processing<'a> = Pin<Box<dyn Future<Output = Result<Done, End>> + 'a>>;

/// One session: collects while the batch before commits.
async fn serve<W: Worker>(worker: &W, tools: &Tools, mut session: Session) -> End {
    let shutdown = &tools.context.shutdown;
    let mut collector = Collector::new(&tools.settings);
    let mut fit = Fit::new(&tools.settings);
    let mut processing: Option<Processing<'_>> = None;
    let mut stopping = false;
    let end = loop {
        if processing.is_none()
            && let Some(batch) = collector.ready(stopping)
        {
            processing = Some(Box::pin(process(worker, tools, batch)));
        }
        if stopping && processing.is_none() {
            break End::Drained;
        }
        let step = tokio::select! {
            biased;
            done = finished(&mut processing) => Step::Done(done),
            message = session.next(), if collector.has_room() && !stopping => Step::Arrived(message),
            () = collector.lingered(), if processing.is_none() => Step::Lingered,
            () = shutdown.cancelled(), if !stopping => Step::Stop,
        };
        let going_on = match step {
            Step::Done(done) => {
                processing = None;
                match done {
                    Ok(tags) => acknowledge(&session, tags).await,
                    Err(end) => Err(end),
                }
            }
            Step::Arrived(message) => {
                let taken = take(&mut collector, &mut fit, &mut session, message, tools);
                match fit.change() {
                    Some(prefetch) if taken.is_ok() => {
                        session.refill(prefetch).await.map_err(End::from)
                    }
                    _ => taken,
                }
            }
            Step::Lingered => {
                collector.close();
                Ok(())
            }
            Step::Stop => {
                session.stop().await;
                stopping = true;
                Ok(())
            }
        };
        if let Err(end) = going_on {
            break end;
        }
    };
    // A transaction under way is not cut off: its commit decides, and the redelivery finds it done.
    if let Some(processing) = processing {
        drop(processing.await);
    }
    if matches!(end, End::Drained) {
        session.close().await;
    }
    end
}

enum Step {
    Done(Result<Done, End>),
    Arrived(Result<crate::broker::Message, Lost>),
    Lingered,
    Stop,
}

async fn finished(processing: &mut Option<Processing<'_>>) -> Result<Done, End> {
    match processing {
        Some(processing) => processing.await,
        None => std::future::pending().await,
    }
}

/// Takes the message, and all others that have arrived, as far as there is room.
fn take(
    collector: &mut Collector,
    fit: &mut Fit,
    session: &mut Session,
    message: Result<crate::broker::Message, Lost>,
    tools: &Tools,
) -> Result<(), End> {
    let now = tools.clock.now();
    let mut next = Some(message?);
    while let Some(message) = next {
        fit.note(message.body.len());
        collector.add(message, now);
        next = if collector.has_room() { session.try_next()? } else { None };
    }
    Ok(())
}

/// From a batch to the tags that may be acknowledged.
async fn process<W: Worker>(worker: &W, tools: &Tools, mut batch: Batch) -> Result<Done, End> {
    let own = |event: &&mut Event| W::takes(event.data.event_type());
    let mut spans = traces::batch(W::NAME, batch.events_mut().filter(own));
    let tags = batch.tags.clone();
    let _held = tools.context.metrics.in_hand.begin(age(tools, batch.events()));
    let outbox = if batch.alone {
        lone::apply(worker, tools, batch).await?
    } else {
        apply(worker, tools, batch).await?
    };
    spans.committed();
    failpoint::reach("worker::after-commit")?;
    settle::publish(tools, outbox).await?;
    failpoint::reach("worker::before-ack")?;
    Ok(tags)
}

async fn acknowledge(session: &Session, tags: Done) -> Result<(), End> {
    let mut next = *tags.start();
    while next <= *tags.end() {
        let last = (next + ACK_MOST - 1).min(*tags.end());
        session.ack_through(last).await?;
        next = last + 1;
    }
    Ok(failpoint::reach("worker::after-ack")?)
}

async fn apply<W: Worker>(
    worker: &W,
    tools: &Tools,
    mut batch: Batch,
) -> Result<settle::Outbox, End> {
    let look_up = async || {
        failpoint::reach("worker::before-look-up")?;
        check::look_up(&tools.store, &batch).await
    };
    let references = hold(tools, look_up).await?;
    let checked = check::sort::<W>(&mut batch, &references);
    let wanted = checked.wanted();
    crash_when_marked(&checked.events);
    let begun = Instant::now();
    let applied = if checked.events.is_empty() {
        Applied::default()
    } else {
        hold(tools, async || worker.apply(&checked.events, &wanted).await).await?
    };
    let metrics = &tools.context.metrics;
    metrics.transaction_seconds.observe(begun.elapsed().as_secs_f64());
    metrics.batch_events.observe(checked.events.len() as f64);
    if !checked.events.is_empty() {
        let oldest = age(tools, checked.events.iter().map(|placed| &placed.event));
        metrics.event_age_seconds.observe(oldest.as_secs_f64());
    }
    metrics.count_events("applied", applied.new);
    metrics.count_events("duplicate", checked.events.len() - applied.new + checked.repeated);
    metrics.count_events("left", checked.left);
    Ok(settle::outbox::<W>(&batch, &checked, applied, tools.clock.now()))
}

/// How old the oldest of these events is by its own time; nought for none, or one that is ahead.
fn age<'a>(tools: &Tools, events: impl Iterator<Item = &'a Event>) -> Duration {
    let now = tools.clock.now().0;
    let oldest = events.map(|event| event.time.0).min().unwrap_or(now);
    Duration::from_micros(u64::try_from(now.saturating_sub(oldest)).unwrap_or(0))
}

/// Test builds: `FAILPOINTS=worker::marked=return(ID)` kills the program that is handed this event.
fn crash_when_marked(events: &[Placed]) {
    fail::fail_point!("worker::marked", |marked| {
        if events.iter().any(|placed| Some(&placed.event.id) == marked.as_ref()) {
            std::process::abort();
        }
    });
    let _ = events;
}

/// Runs database work again until it is done, holding the batch: a failure of the database loses
/// nothing and needs nobody. Data that the database refuses are the batch's own fault: its
/// messages go back, to be tried in smaller company.
async fn hold<T>(tools: &Tools, work: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, End> {
    let begun = Instant::now();
    let mut failures = 0;
    loop {
        let error = match work().await {
            Ok(done) => {
                if failures > 0 {
                    tools.context.ready.set("database", true);
                    tracing::info!("the database is back");
                }
                return Ok(done);
            }
            Err(error) => error,
        };
        if error.blames_data() || begun.elapsed() > HOLD_MAX {
            return Err(End::Again(error.to_string()));
        }
        failures += 1;
        if failures == 1 {
            tracing::warn!("holding a batch: {error}");
        }
        tools.context.ready.set("database", matches!(error, StoreError::Again(_)));
        let pause = backoff(u32::min(failures, 5), random());
        // A stop does not wait for a database that is away: what is held comes again.
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = tools.context.shutdown.cancelled() => {
                if failures > 3 {
                    return Err(End::Drained);
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}

fn random() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().1
}
