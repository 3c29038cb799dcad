//! HTTP (contracts 2 to 5): the only room that knows axum.
//!
//! The ingress reads the database and publishes events; what an event does is the workers'. It
//! writes only its own tables: tokens, codes, programmes, rates, payouts, sites, sessions.
//!
//! Reading order: [`serve`] (connections), this file (the routes), [`auth`] and [`throttle`] (who
//! may), `body` and [`fields`] (what came), [`group`] (what is published), [`clicks`] and [`spool`] (how clicks
//! are kept), [`visit`] (what makes them), [`rcp`], [`umi`], [`aura`] and [`getup`] (the dialects),
//! [`adminzone`] (the client's pages), [`dashboard`] (the administrators'), [`pages`] (what people see),
//! [`events`] and [`deliveries`] (what became of things), [`problem`] (refusals), `observe` and `traced` (what is counted, and
//! followed),
//! [`openapi`] (the document).
pub mod adminzone;
pub mod aura;
pub mod auth;
mod body;
pub mod clicks;
pub mod client;
mod codes;
pub mod conditional;
mod cookie;
pub mod dashboard;
pub mod deliveries;
pub mod events;
pub mod fields;
pub mod getup;
pub mod group;
pub mod observe;
pub mod openapi;
mod own;
pub mod pages;
pub mod problem;
pub mod rcp;
pub mod serve;
pub mod spool;
pub mod throttle;
mod traced;
pub mod umi;
pub mod visit;

use std::{sync::Arc, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use utoipa_axum::router::OpenApiRouter;
use uuid::{NoContext, Uuid};

use self::{
    aura::Exports,
    auth::Hashing,
    clicks::Clicks,
    client::Client,
    codes::Codes,
    dashboard::live::Streams,
    group::{GroupSettings, Groups},
    observe::Queues,
    problem::Refusal,
    rcp::{link::Onward, pace::Pace},
    spool::{Spool, SpoolSettings},
    throttle::Throttle,
};
use crate::{
    broker::{
        Broker, BrokerSettings, Publisher,
        compose::{Draft, Members},
    },
    clock::Clock,
    domain::{EventType, Micros},
    lifecycle::Context,
    metrics::Metrics,
    ops::Readiness,
    settings::{IngressSettings, SettingError, Settings},
    store::{Store, StoreSettings, catalogues::Catalogues, spool::SpoolFile},
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
    /// The same, to dead queues.
    pub broker: Broker,
    /// How full the queues are.
    pub queues: watch::Receiver<Queues>,
    /// Where clicks wait while it is away.
    pub spool: Spool,
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
    clicks: Clicks,
    /// Where the referral link leads; none: to the built-in page.
    onward: Option<Onward>,
    codes: Codes,
    clock: Clock,
    throttle: Throttle,
    forms: Pace,
    hashing: Hashing,
    exports: Exports,
    catalogues: Catalogues,
    publisher: Publisher,
    /// The way to dead queues.
    broker: Broker,
    queues: watch::Receiver<Queues>,
    /// Open pages of the dashboard.
    streams: Streams,
    /// What is still to be done for calls that are answered.
    tasks: TaskTracker,
    metrics: Arc<Metrics>,
}

impl std::ops::Deref for App {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0
    }
}

impl App {
    /// A new event of this type, made now, with an id of its own.
    fn draft(
        &self,
        event_type: EventType,
        domain: impl Into<Arc<str>>,
        client: &Client,
        data: impl Into<Members>,
    ) -> Draft {
        let time = self.clock.now();
        Draft {
            id: event_id(time),
            source: SOURCE.into(),
            event_type,
            time,
            domain: domain.into(),
            trace: client.trace.clone(),
            data: data.into(),
        }
    }
}

/// A new id that says when it was made.
fn event_id(now: Micros) -> String {
    Uuid::new_v7(now.timestamp(NoContext)).to_string()
}

/// The program: waits for the database, listens, serves until it is asked to stop.
pub async fn start(settings: ProgramSettings, context: Context) -> anyhow::Result<()> {
    let ProgramSettings { ingress, store, broker: broker_settings } = settings;
    context.ready.set("broker", false);
    context.ready.set("database", false);
    let listener = TcpListener::bind(ingress.listen).await.map_err(|error| {
        anyhow::anyhow!("LISTEN_ADDR: cannot listen at {}: {error}", ingress.listen)
    })?;
    let file = open_spool(&ingress).await?;
    let broker = Broker::counted(broker_settings.clone(), context.metrics.broker.clone());
    // Not the program's own shutdown: what is in flight then still has to be kept and published.
    let (spooling, publishing) = (CancellationToken::new(), CancellationToken::new());
    let publisher = broker.publisher(publishing.clone());
    // Before the database: what waits from an earlier time needs the broker alone.
    let spool = {
        let settings = spool_settings(&ingress, broker_settings.max_message);
        let (publisher, metrics) = (publisher.clone(), context.metrics.clone());
        Spool::start(file, settings, publisher, metrics, spooling.clone()).await?
    };
    let Some(store) = Store::open(&store, &context.shutdown).await? else {
        spooling.cancel();
        spool.ended().await;
        return Ok(());
    };
    let store = store.counting(&context.metrics.database_errors);
    let (metrics, clock) = (context.metrics.clone(), Clock::system());
    let (seen, queues) = watch::channel(Queues::default());
    let ready = watch_readiness(context.ready, publisher.clone(), store.clone());
    let listening = ingress.listen;
    let parts = Parts {
        settings: ingress,
        publish_timeout: broker_settings.publish_timeout,
        message_bytes_max: broker_settings.max_message,
        store,
        publisher: publisher.clone(),
        broker: broker.clone(),
        queues,
        spool: spool.clone(),
        clock: clock.clone(),
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
        never = observe::queues(&broker, &clock, &metrics, &seen) => match never {},
        never = observe::spool(&spool, &clock, &metrics) => match never {},
    };
    spooling.cancel();
    spool.ended().await;
    publishing.cancel();
    publisher.ended().await;
    done
}

/// The spool's file; what is wrong with it is wrong with the setting.
async fn open_spool(settings: &IngressSettings) -> Result<SpoolFile, SettingError> {
    let opened = SpoolFile::open(&settings.spool_path).await;
    opened.map_err(|error| SettingError::new("SPOOL_PATH", error.to_string()))
}

/// How the spool is bounded and published, by the ingress's and the broker's settings.
pub fn spool_settings(settings: &IngressSettings, message_bytes_max: usize) -> SpoolSettings {
    SpoolSettings {
        bytes_max: settings.spool_bytes_max,
        group_events_max: settings.group_events_max,
        message_bytes_max,
    }
}

/// Serves until `shutdown`; returns once everything in flight is answered.
pub async fn run(listener: TcpListener, parts: Parts, shutdown: CancellationToken) {
    let connections_max = parts.settings.connections_max;
    let app = app(parts, &shutdown);
    let sweeping = tokio::spawn(umi::relay::run(app.clone(), shutdown.clone()));
    serve::serve(listener, router(app.clone()), connections_max, &shutdown).await;
    app.tasks.close();
    app.tasks.wait().await;
    // Ended by the same token.
    let _ = sweeping.await;
}

fn app(parts: Parts, shutdown: &CancellationToken) -> App {
    let groups = GroupSettings {
        linger: parts.settings.group_linger,
        events_max: parts.settings.group_events_max,
        message_bytes_max: parts.message_bytes_max,
        publish_timeout: parts.publish_timeout,
        reply_timeout: parts.settings.reply_timeout,
    };
    let groups = Groups::start(&parts.publisher, &groups, &parts.metrics);
    App(Arc::new(AppParts {
        clicks: Clicks {
            groups: groups.clone(),
            spool: parts.spool,
            confirm: parts.settings.click_confirm,
        },
        onward: parts.settings.register_url.as_deref().and_then(Onward::to),
        codes: Codes::default(),
        groups,
        throttle: Throttle::new(parts.settings.rate_limit),
        forms: Pace::new(parts.settings.register_per_minute, parts.settings.rate_limit),
        hashing: Hashing::new(parts.metrics.passwords_hashed.clone()),
        exports: Exports::new(parts.metrics.exports_rendered.clone()),
        catalogues: Catalogues::default(),
        publisher: parts.publisher,
        broker: parts.broker,
        queues: parts.queues,
        streams: Streams::new(parts.settings.dashboard.streams_max, shutdown.clone()),
        tasks: TaskTracker::new(),
        metrics: parts.metrics,
        settings: parts.settings,
        store: parts.store,
        clock: parts.clock,
    }))
}

fn router(app: App) -> Router {
    let (routes, _) = documented().split_for_parts();
    routes
        .merge(dashboard::routes())
        .fallback(async || Refusal::not_found("there is nothing at this path"))
        .layer(observe::Observe(app.clone()))
        .with_state(app)
}

/// All routes, each with its part of the document.
fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::base())
        .merge(rcp::routes())
        .merge(getup::routes())
        .merge(aura::routes())
        .merge(umi::routes())
        .merge(adminzone::routes())
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
