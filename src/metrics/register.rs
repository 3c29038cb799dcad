//! Which program shows what, and under which name.
use prometheus_client::{
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::Registry,
};

use super::{InHand, Metrics, OutboxState, Outcome, ReasonLabel, labels::Build};
use crate::{
    broker::Counts,
    domain::Reason,
    series::{ResultLabel, at_nought, seconds},
    store::counts::Errors,
};

/// All at nought.
fn results(all: &[&'static str]) -> Family<ResultLabel, Counter> {
    at_nought(all.iter().map(|result| ResultLabel { result }))
}

impl Metrics {
    /// All at nought, for the program of this name.
    pub fn new(program: &str) -> Self {
        let label = (std::borrow::Cow::Borrowed("program"), program.to_owned().into());
        let mut metrics = Self {
            registry: Registry::with_prefix_and_labels("referral", std::iter::once(label)),
            start_time_seconds: Gauge::default(),
            ready: Family::default(),
            held_seconds: Gauge::default(),
            lag_seconds: Gauge::default(),
            broker: Counts::default(),
            database_errors: Errors::default(),
            in_hand: InHand::default(),
            events: at_nought(
                ["applied", "duplicate", "parked", "left"].map(|outcome| Outcome { outcome }),
            ),
            parked: at_nought(Reason::ALL.map(|reason| ReasonLabel { reason: reason.as_str() })),
            batch_events: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            transaction_seconds: seconds(),
            // From 10 ms to a week.
            event_age_seconds: Histogram::new(exponential_buckets(0.01, 4.0, 14)),
            reconnects: Counter::default(),
            published: results(&["confirmed", "failed"]),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            queue_ready: Family::default(),
            queue_consumers: Family::default(),
            passwords_hashed: Counter::default(),
            exports_rendered: Counter::default(),
            spooled: results(&["kept", "full", "failed"]),
            spool_published: Counter::default(),
            spool_events: Gauge::default(),
            spool_bytes: Gauge::default(),
            spool_oldest_seconds: Gauge::default(),
            site_events: Gauge::default(),
            outbox_items: at_nought(["pending", "dead"].map(|state| OutboxState { state })),
            outbox_due_seconds: Gauge::default(),
            outbox_oldest_seconds: Gauge::default(),
            outbox_in_hand: Gauge::default(),
            attempts: results(&["delivered", "failed", "dead"]),
            attempt_seconds: seconds(),
            circuits_open: Gauge::default(),
        };
        let mut registry = std::mem::take(&mut metrics.registry);
        metrics.register_common(&mut registry);
        match program {
            "ingress" => metrics.register_ingress(&mut registry),
            "billing" | "mail" => {
                metrics.register_parking(&mut registry);
                metrics.register_outbox(&mut registry);
            }
            _ => {
                metrics.register_parking(&mut registry);
                metrics.register_events(&mut registry);
            }
        }
        if program == "billing" {
            let circuits = metrics.circuits_open.clone();
            registry.register("circuits_open", "Destinations that are only probed", circuits);
        }
        metrics.registry = registry;
        metrics
    }

    fn register_common(&self, registry: &mut Registry) {
        let build = Info::new(Build { version: env!("CARGO_PKG_VERSION") });
        registry.register("build", "The version that runs", build);
        let started = self.start_time_seconds.clone();
        registry.register("start_time_seconds", "When the process started", started);
        registry.register("ready", "Whether a part is there, as /ready says", self.ready.clone());
        let connections = self.broker.connections.clone();
        registry.register("broker_connections", "Connections to the broker by result", connections);
        let publishes = self.broker.publishes.clone();
        registry.register("publishes", "Messages published by result", publishes);
        let confirm = self.broker.confirm_seconds.clone();
        registry.register("confirm_seconds", "Seconds from publish to confirm", confirm);
        let errors = self.database_errors.0.clone();
        registry.register("database_errors", "Errors of the database by kind", errors);
    }

    fn register_parking(&self, registry: &mut Registry) {
        registry.register("parked", "Parked by reason", self.parked.clone());
        registry.register("reconnects", "Sessions begun anew", self.reconnects.clone());
    }

    fn register_events(&self, registry: &mut Registry) {
        registry.register("events", "Events by outcome", self.events.clone());
        registry.register("batch_events", "Events per transaction", self.batch_events.clone());
        let transactions = self.transaction_seconds.clone();
        registry.register("transaction_seconds", "Seconds per transaction", transactions);
        let age = self.event_age_seconds.clone();
        registry.register("event_age_seconds", "Age of a transaction's oldest event", age);
        let held = self.held_seconds.clone();
        registry.register("held_seconds", "How long the batch in hand has been there", held);
        let lag = self.lag_seconds.clone();
        registry.register("lag_seconds", "Age of the oldest event in hand, by its time", lag);
    }

    fn register_outbox(&self, registry: &mut Registry) {
        registry.register("outbox_items", "Rows of the outbox by state", self.outbox_items.clone());
        let due = self.outbox_due_seconds.clone();
        registry.register("outbox_due_seconds", "How long the longest due row has been", due);
        let oldest = self.outbox_oldest_seconds.clone();
        registry.register("outbox_oldest_seconds", "Age of the oldest pending row", oldest);
        let in_hand = self.outbox_in_hand.clone();
        registry.register("outbox_in_hand", "Rows that this process has in hand", in_hand);
        registry.register("attempts", "Attempts to deliver by result", self.attempts.clone());
        let seconds = self.attempt_seconds.clone();
        registry.register("attempt_seconds", "Seconds per attempt to deliver", seconds);
    }

    fn register_ingress(&self, registry: &mut Registry) {
        let requests = self.requests.clone();
        registry.register("http_requests", "Requests by route, method and status", requests);
        let seconds = self.request_seconds.clone();
        registry.register("http_request_seconds", "Seconds per request by route", seconds);
        registry.register("published", "Events published by result", self.published.clone());
        let ready = self.queue_ready.clone();
        registry.register("queue_messages_ready", "Messages that nobody was handed", ready);
        let consumers = self.queue_consumers.clone();
        registry.register("queue_consumers", "Consumers of the queue", consumers);
        let hashed = self.passwords_hashed.clone();
        registry.register("passwords_hashed", "Passwords hashed, one for each try", hashed);
        let rendered = self.exports_rendered.clone();
        registry.register("exports_rendered", "Renderings of a domain's rates", rendered);
        registry.register("spooled", "Clicks to the spool by result", self.spooled.clone());
        let published = self.spool_published.clone();
        registry.register("spool_published", "Clicks published from the spool", published);
        registry.register("spool_events", "Clicks in the spool", self.spool_events.clone());
        registry.register("spool_bytes", "Bytes in the spool", self.spool_bytes.clone());
        let oldest = self.spool_oldest_seconds.clone();
        registry.register("spool_oldest_seconds", "Age of the oldest click in the spool", oldest);
        let waiting = self.site_events.clone();
        registry.register("site_events", "Events of sites in the database", waiting);
    }
}
