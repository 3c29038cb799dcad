//! From the registry to the broker (contract 3): what a call's transaction left is published at once,
//! and what was missed (the broker was away, the ingress was killed) by a sweep of every ingress.
//!
//! An event leaves the database once the broker has confirmed it. What is published twice is the same
//! event, byte for byte, and counts once.
use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::{
    broker::{PublishError, compose, hints::LETTERS},
    domain::EventType,
    failpoint,
    ingress::App,
    store::{
        StoreError,
        registry::Done,
        site_events::{self, SiteEvent},
    },
    traces,
};

/// Pause between two looks at what was missed.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Longest pause after a look that failed.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// What is younger is still on its way from the call that left it.
const MISSED_AFTER_MS: i64 = 5_000;
/// Most events that are read, and on their way, at once.
const READ_MAX: i64 = 500;

/// Why events still wait.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error(transparent)]
    Broker(#[from] PublishError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sends what a call left, in tasks of their own.
pub fn send(app: &App, done: Done) {
    let Done { events, letter, .. } = done;
    if !events.is_empty() {
        let sending = app.clone();
        app.tasks.spawn(async move {
            if let Err(error) = publish(&sending, &events).await {
                tracing::debug!(%error, "events of a site wait for the sweep");
            }
        });
    }
    if let Some(letter) = letter {
        announce(app, letter);
    }
}

/// Tells the mail worker of a letter that is committed.
pub fn announce(app: &App, letter: String) {
    let publisher = app.publisher.clone();
    app.tasks.spawn(async move {
        // Where it does not arrive, the worker looks for itself.
        publisher.publish_all(LETTERS.of(&[letter])).await;
    });
}

/// Sweeps until `shutdown`.
pub async fn run(app: App, shutdown: CancellationToken) {
    let mut pause = SWEEP_EVERY;
    let mut told = false;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        match sweep(&app).await {
            Ok(()) => {
                if told {
                    tracing::info!("the events of sites are published");
                }
                (pause, told) = (SWEEP_EVERY, false);
            }
            Err(error) => {
                if !told {
                    tracing::warn!(%error, "events of sites wait in the database");
                }
                (pause, told) = ((pause * 2).min(PAUSE_MAX), true);
            }
        }
    }
}

async fn sweep(app: &App) -> Result<(), Stuck> {
    loop {
        let missed = app.clock.now().plus_ms(-MISSED_AFTER_MS);
        let events = site_events::older_than(&app.store, missed, READ_MAX).await?;
        let is_last = (events.len() as i64) < READ_MAX;
        publish(app, &events).await?;
        if is_last {
            app.metrics.site_events.set(site_events::count(&app.store).await?);
            return Ok(());
        }
    }
}

/// Publishes all, and removes those that the broker confirmed.
async fn publish(app: &App, events: &[SiteEvent]) -> Result<(), Stuck> {
    let publishing = events.iter().map(async |event| {
        // One of a newer version of this program is left to that one.
        match EventType::parse(&event.event_type) {
            Some(event_type) => {
                let json = event.json.clone();
                // Its bytes are stored: the context in it is the call's, and so is this span's parent.
                let mut span =
                    traces::publish(event_type, &event.id, || compose::trace_of(&event.json));
                let sent = app.groups.publish_json(event_type, &event.id, json).await;
                span.note(&sent);
                sent.map(|()| Some(event))
            }
            None => Ok(None),
        }
    });
    let (mut confirmed, mut stuck) = (Vec::new(), None);
    for result in join_all(publishing).await {
        match result {
            Ok(event) => confirmed.extend(event.map(|event| event.id.as_str())),
            Err(error) => stuck = Some(error),
        }
    }
    if !confirmed.is_empty() {
        failpoint::reach("sites::after-publish").map_err(StoreError::from)?;
        site_events::remove(&app.store, &confirmed).await?;
    }
    stuck.map_or(Ok(()), |error| Err(error.into()))
}
