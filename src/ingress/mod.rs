//! HTTP (contracts 2 and 5): the only room that knows axum.
//!
//! The ingress reads the database and publishes events; what an event does is the workers'. It
//! writes only its own tables: tokens, codes, programmes, rates.
//!
//! Reading order: [`serve`] (connections), this file (the routes), [`auth`] and [`throttle`] (who
//! may), [`fields`] (what came), [`group`] (what is published), [`rcp`] and [`getup`] (the
//! dialects), [`pages`] (what people see), [`events`], [`problem`] (refusals), [`openapi`] (the
//! document).
pub mod aura;
pub mod auth;
pub mod client;
pub mod conditional;
pub mod deliveries;
pub mod events;
pub mod fields;
pub mod getup;
pub mod group;
pub mod openapi;
pub mod pages;
pub mod problem;
pub mod rcp;
pub mod serve;
pub mod throttle;

use std::{sync::Arc, time::Duration};

use axum::{Router, middleware};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use self::{
    aura::Exports,
    auth::Hashing,
    client::Client,
    group::{GroupSettings, Groups},
    problem::Refusal,
    rcp::pace::Pace,
    throttle::Throttle,
};
use crate::{
    broker::{Broker, BrokerSettings, Publisher, compose::Draft},
    clock::Clock,
    domain::EventType,
    lifecycle::Context,
    metrics::Metrics,
    ops::Readiness,
    settings::{IngressSettings, SettingError, Settings},
    store::{Store, StoreSettings},
};

/// CloudEvents `source` of every event that is made here.
pub const SOURCE: &str = "/referral/ingress";
/// How often readiness is looked at.
const READY_EVERY: Duration = Duration::from_millis(500);

/// All settings of the program `referral ingress`.
pub struct ProgramSettings {
    ingress: IngressSettings,
    store: StoreSettings,
    broker: BrokerSettings,
}

impl ProgramSettings {
    /// Reads them.
    pub fn read(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self {
            ingress: settings.ingress()?,
            store: settings.store()?,
            broker: settings.broker("ingress")?,
        })
    }
}

/// What the ingress works with.
pub struct Parts {
    /// Its own settings.
    pub settings: IngressSettings,
    /// The broker's `PUBLISH_TIMEOUT`.
    pub publish_timeout: Duration,
    /// The broker's `MAX_MESSAGE`.
    pub message_bytes_max: usize,
    /// The database.
    pub store: Store,
    /// The way to the broker.
    pub publisher: Publisher,
    /// The time of day.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// What every handler has. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<AppParts>);

/// See [`App`].
pub struct AppParts {
    settings: IngressSettings,
    store: Store,
    groups: Groups,
    clock: Clock,
    throttle: Throttle,
    registrations: Pace,
    hashing: Hashing,
    exports: Exports,
}

impl std::ops::Deref for App {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0
    }
}

impl App {
    /// A new event of this type, made now, with an id of its own.
    fn draft(&self, event_type: EventType, domain: &str, client: &Client, data: Value) -> Draft {
        Draft {
            id: Uuid::now_v7().to_string(),
            source: SOURCE.to_owned(),
            event_type,
            time: self.clock.now(),
            domain: domain.to_owned(),
            trace: client.trace.clone(),
            data,
        }
    }
}

/// The program: waits for the database, listens, serves until it is asked to stop.
pub async fn start(settings: ProgramSettings, context: Context) -> anyhow::Result<()> {
    let ProgramSettings { ingress, store, broker: broker_settings } = settings;
    context.ready.set("broker", false);
    context.ready.set("database", false);
    let listener = TcpListener::bind(ingress.listen).await.map_err(|error| {
        anyhow::anyhow!("LISTEN_ADDR: cannot listen at {}: {error}", ingress.listen)
    })?;
    let Some(store) = Store::open(&store, &context.shutdown).await? else { return Ok(()) };
    let broker = Broker::new(broker_settings.clone());
    // Not the program's own shutdown: what is in flight then still has to be published.
    let publishing = CancellationToken::new();
    let publisher = broker.publisher(publishing.clone());
    let ready = watch_readiness(context.ready, publisher.clone(), store.clone());
    let listening = ingress.listen;
    let parts = Parts {
        settings: ingress,
        publish_timeout: broker_settings.publish_timeout,
        message_bytes_max: broker_settings.max_message,
        store,
        publisher: publisher.clone(),
        clock: Clock::system(),
        metrics: context.metrics,
    };
    let refused = async {
        // Away is no failure; a topology that is declared otherwise is.
        match broker.declare(&context.shutdown).await {
            Err(error) => error,
            Ok(_) => std::future::pending().await,
        }
    };
    tracing::info!("listening at http://{listening}");
    let done = tokio::select! {
        () = run(listener, parts, context.shutdown.clone()) => Ok(()),
        error = refused => Err(error.into()),
        never = ready => match never {},
    };
    publishing.cancel();
    publisher.ended().await;
    done
}

/// Serves until `shutdown`; returns once everything in flight is answered.
pub async fn run(listener: TcpListener, parts: Parts, shutdown: CancellationToken) {
    let connections_max = parts.settings.connections_max;
    serve::serve(listener, router(parts), connections_max, &shutdown).await;
}

fn router(parts: Parts) -> Router {
    let groups = GroupSettings {
        linger: parts.settings.group_linger,
        events_max: parts.settings.group_events_max,
        message_bytes_max: parts.message_bytes_max,
        publish_timeout: parts.publish_timeout,
        reply_timeout: parts.settings.reply_timeout,
    };
    let app = App(Arc::new(AppParts {
        groups: Groups::start(&parts.publisher, &groups, &parts.metrics),
        throttle: Throttle::new(parts.settings.rate_limit),
        registrations: Pace::new(parts.settings.register_per_minute, parts.settings.rate_limit),
        hashing: Hashing::new(parts.metrics.passwords_hashed.clone()),
        exports: Exports::new(parts.metrics.exports_rendered.clone()),
        settings: parts.settings,
        store: parts.store,
        clock: parts.clock,
    }));
    let (routes, _) = documented().split_for_parts();
    routes
        .fallback(async || Refusal::not_found("there is nothing at this path"))
        // Innermost, so that a panic is refused in the dialect's words, too.
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(problem::panicked))
        .layer(middleware::from_fn(problem::render))
        .with_state(app)
}

/// All routes, each with its part of the document.
fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::base())
        .merge(rcp::routes())
        .merge(getup::routes())
        .merge(aura::routes())
        .merge(events::routes())
        .merge(deliveries::routes())
        .merge(openapi::routes())
}

async fn watch_readiness(
    ready: Readiness,
    publisher: Publisher,
    store: Store,
) -> std::convert::Infallible {
    loop {
        ready.set("broker", publisher.is_ready());
        ready.set("database", store.one("SELECT 1 AS one", Vec::new()).await.is_ok());
        tokio::time::sleep(READY_EVERY).await;
    }
}
