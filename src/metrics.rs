//! What the programs count, in the names that `/metrics` shows.
//!
//! Every program has all of these families; those it has nothing to say of stay empty.
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// Which events, by what became of them.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Outcome {
    /// `applied`, `duplicate`, `parked`, `left` (bad, and the other worker's to park).
    pub outcome: &'static str,
}

/// Attempts or requests by their result.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ResultLabel {
    /// A short stable word.
    pub result: &'static str,
}

/// The metrics of one program.
pub struct Metrics {
    registry: Registry,
    /// Workers: events, by outcome.
    pub events: Family<Outcome, Counter>,
    /// Workers: events per transaction.
    pub batch_events: Histogram,
    /// Workers: seconds per transaction.
    pub transaction_seconds: Histogram,
    /// Workers: broker connections lost.
    pub reconnects: Counter,
    /// Ingress: events published, by result (`confirmed`, `failed`).
    pub published: Family<ResultLabel, Counter>,
    /// Ingress: passwords hashed, one for each try to log in, whether there is such a login or not.
    pub passwords_hashed: Counter,
    /// Ingress: how often a domain's exports were rendered: once per change of its rates.
    pub exports_rendered: Counter,
    /// Ingress: clicks that came to the spool, by result (`kept`, `full`, `failed`).
    pub spooled: Family<ResultLabel, Counter>,
    /// Ingress: clicks published from the spool.
    pub spool_published: Counter,
    /// Ingress: clicks that wait in the spool.
    pub spool_events: Gauge,
    /// Ingress: their bytes, as `SPOOL_MAX_BYTES` counts them.
    pub spool_bytes: Gauge,
    /// Ingress: events of sites that wait in the database for the broker.
    pub site_events: Gauge,
    /// Billing, mail: attempts, by result (`delivered`, `failed`, `dead`).
    pub attempts: Family<ResultLabel, Counter>,
    /// Billing, mail: seconds per attempt.
    pub attempt_seconds: Histogram,
    /// Billing: destinations that are only probed, as far as this process knows.
    pub circuits_open: Gauge,
}

impl Metrics {
    /// All at nought.
    pub fn new(program: &str) -> Self {
        let label = (std::borrow::Cow::Borrowed("program"), program.to_owned().into());
        let mut registry = Registry::with_prefix_and_labels("referral", std::iter::once(label));
        let metrics = Self {
            events: Family::default(),
            batch_events: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            transaction_seconds: Histogram::new(exponential_buckets(0.001, 3.0, 10)),
            reconnects: Counter::default(),
            published: Family::default(),
            passwords_hashed: Counter::default(),
            exports_rendered: Counter::default(),
            spooled: Family::default(),
            spool_published: Counter::default(),
            spool_events: Gauge::default(),
            spool_bytes: Gauge::default(),
            site_events: Gauge::default(),
            attempts: Family::default(),
            attempt_seconds: Histogram::new(exponential_buckets(0.001, 3.0, 10)),
            circuits_open: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("events", "Events by outcome", metrics.events.clone());
        registry.register("batch_events", "Events per transaction", metrics.batch_events.clone());
        registry.register(
            "transaction_seconds",
            "Seconds per transaction",
            metrics.transaction_seconds.clone(),
        );
        registry.register("reconnects", "Broker connections lost", metrics.reconnects.clone());
        registry.register("published", "Events published by result", metrics.published.clone());
        registry.register(
            "passwords_hashed",
            "Passwords hashed, one for each try to log in",
            metrics.passwords_hashed.clone(),
        );
        registry.register(
            "exports_rendered",
            "Renderings of a domain's rates",
            metrics.exports_rendered.clone(),
        );
        metrics.register_waiting(&mut registry);
        registry.register("attempts", "Attempts to deliver by result", metrics.attempts.clone());
        registry.register(
            "attempt_seconds",
            "Seconds per attempt to deliver",
            metrics.attempt_seconds.clone(),
        );
        let circuits = metrics.circuits_open.clone();
        registry.register("circuits_open", "Destinations that are only probed", circuits);
        Self { registry, ..metrics }
    }

    fn register_waiting(&self, registry: &mut Registry) {
        registry.register("spooled", "Clicks to the spool by result", self.spooled.clone());
        let published = self.spool_published.clone();
        registry.register("spool_published", "Clicks published from the spool", published);
        registry.register("spool_events", "Clicks in the spool", self.spool_events.clone());
        registry.register("spool_bytes", "Bytes in the spool", self.spool_bytes.clone());
        let waiting = self.site_events.clone();
        registry.register("site_events", "Events of sites in the database", waiting);
    }

    /// Counts `n` events.
    pub fn count_events(&self, outcome: &'static str, n: usize) {
        if n > 0 {
            self.events.get_or_create(&Outcome { outcome }).inc_by(n as u64);
        }
    }

    /// In the OpenMetrics text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(error) => unreachable!("writing into a String: {error}"),
        }
    }
}
