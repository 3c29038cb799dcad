//! What the programs count, in the names that `/metrics` shows. docs/operations.md has a table of them.
//!
//! A program has the families that it has something to say of, and of those whose labels are known
//! all series from the start, at nought: a first failure is then a change that an alert can see.
mod in_hand;
mod labels;
mod register;

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

pub use in_hand::{Held, InHand};
pub use labels::{Call, OutboxState, Outcome, Part, QueueLabel, ReasonLabel, Route};

use crate::{
    broker::{Counts, Depth},
    domain::{Micros, Reason},
    series::ResultLabel,
    store::counts::Errors,
};

/// A number with a fraction.
pub type Fraction = Gauge<f64, std::sync::atomic::AtomicU64>;

/// The metrics of one program.
pub struct Metrics {
    registry: Registry,
    start_time_seconds: Fraction,
    ready: Family<Part, Gauge>,
    held_seconds: Fraction,
    lag_seconds: Fraction,
    /// All: what the broker room counts.
    pub broker: Counts,
    /// All: errors of the database.
    pub database_errors: Errors,
    /// Workers: what they have in hand.
    pub in_hand: InHand,
    /// Workers: events, by outcome.
    pub events: Family<Outcome, Counter>,
    /// Workers, billing, mail: what was parked, by reason.
    pub parked: Family<ReasonLabel, Counter>,
    /// Workers: events per transaction.
    pub batch_events: Histogram,
    /// Workers: seconds per transaction.
    pub transaction_seconds: Histogram,
    /// Workers: how old the oldest event of each transaction was by its own time, once committed.
    pub event_age_seconds: Histogram,
    /// Workers, billing, mail: sessions with the broker that were given up and begun anew.
    pub reconnects: Counter,
    /// Ingress: events published, by result (`confirmed`, `failed`).
    pub published: Family<ResultLabel, Counter>,
    /// Ingress: requests that were answered.
    pub requests: Family<Call, Counter>,
    /// Ingress: seconds per request, by route.
    pub request_seconds: Family<Route, Histogram, fn() -> Histogram>,
    /// Ingress: messages of each queue that nobody has been handed.
    pub queue_ready: Family<QueueLabel, Gauge>,
    /// Ingress: consumers of each queue.
    pub queue_consumers: Family<QueueLabel, Gauge>,
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
    /// Ingress: how long the oldest of them waits.
    pub spool_oldest_seconds: Fraction,
    /// Ingress: events of sites that wait in the database for the broker.
    pub site_events: Gauge,
    /// Billing, mail: rows that are still to leave, or never will.
    pub outbox_items: Family<OutboxState, Gauge>,
    /// Billing, mail: for how long the longest due row has been due.
    pub outbox_due_seconds: Fraction,
    /// Billing, mail: how old the oldest row is that is still to leave.
    pub outbox_oldest_seconds: Fraction,
    /// Billing, mail: rows that this process has in hand.
    pub outbox_in_hand: Gauge,
    /// Billing, mail: attempts, by result (`delivered`, `failed`, `dead`).
    pub attempts: Family<ResultLabel, Counter>,
    /// Billing, mail: seconds per attempt.
    pub attempt_seconds: Histogram,
    /// Billing: destinations that are only probed, as far as this process knows.
    pub circuits_open: Gauge,
}

impl Metrics {
    /// Counts `n` events.
    pub fn count_events(&self, outcome: &'static str, n: usize) {
        if n > 0 {
            self.events.get_or_create(&Outcome { outcome }).inc_by(n as u64);
        }
    }

    /// Counts what was parked, once that is confirmed.
    pub fn count_parked(&self, reason: Reason) {
        self.parked.get_or_create(&ReasonLabel { reason: reason.as_str() }).inc();
    }

    /// Shows how full the queues are; `None`: nobody knows, and nothing is shown.
    pub fn show_depths(&self, depths: Option<&[Depth]>) {
        let Some(depths) = depths else {
            self.queue_ready.clear();
            self.queue_consumers.clear();
            return;
        };
        for Depth { queue, ready, consumers } in depths {
            let queue = QueueLabel { queue };
            self.queue_ready.get_or_create(&queue).set((*ready).into());
            self.queue_consumers.get_or_create(&queue).set((*consumers).into());
        }
    }

    /// Shows when the process started.
    pub fn started(&self, now: Micros) {
        self.start_time_seconds.set(now.0 as f64 / 1e6);
    }

    /// Shows of one part whether it is there.
    pub fn show_ready(&self, part: &'static str, ready: bool) {
        self.ready.get_or_create(&Part { part }).set(ready.into());
    }

    /// In the OpenMetrics text format.
    pub fn text(&self) -> String {
        let (held, lag) = self.in_hand.look(tokio::time::Instant::now());
        self.held_seconds.set(held.as_secs_f64());
        self.lag_seconds.set(lag.as_secs_f64());
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(error) => unreachable!("writing into a String: {error}"),
        }
    }
}
