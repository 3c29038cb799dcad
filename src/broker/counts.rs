//! What the broker room counts, for whoever shows it.
use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
};

use super::PublishError;

/// Things by their result.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ResultOf {
    /// A short stable word.
    pub result: &'static str,
}

/// All results of a try to connect, and what becomes of a connection.
pub const CONNECTIONS: [&str; 3] = ["opened", "failed", "lost"];
/// All results of a publish.
pub const PUBLISHES: [&str; 6] =
    ["confirmed", "unavailable", "unroutable", "nacked", "timed_out", "too_large"];

/// Cheap to clone; all clones count together.
#[derive(Debug, Clone)]
pub struct Counts {
    /// Connections, by [`CONNECTIONS`].
    pub connections: Family<ResultOf, Counter>,
    /// Messages, by [`PUBLISHES`].
    pub publishes: Family<ResultOf, Counter>,
    /// Seconds from a publish's call to the broker's confirm.
    pub confirm_seconds: Histogram,
}

impl Default for Counts {
    fn default() -> Self {
        let counts = Self {
            connections: Family::default(),
            publishes: Family::default(),
            confirm_seconds: Histogram::new(exponential_buckets(0.001, 3.0, 10)),
        };
        // From the start, so that a first failure is seen as a change.
        for result in CONNECTIONS {
            drop(counts.connections.get_or_create(&ResultOf { result }));
        }
        for result in PUBLISHES {
            drop(counts.publishes.get_or_create(&ResultOf { result }));
        }
        counts
    }
}

impl Counts {
    pub(super) fn connection(&self, result: &'static str) {
        self.connections.get_or_create(&ResultOf { result }).inc();
    }

    pub(super) fn published(&self, result: &Result<(), PublishError>, took: Duration) {
        let result = match result {
            Ok(()) => {
                self.confirm_seconds.observe(took.as_secs_f64());
                "confirmed"
            }
            Err(PublishError::Unavailable(_)) => "unavailable",
            Err(PublishError::Unroutable) => "unroutable",
            Err(PublishError::Nacked) => "nacked",
            Err(PublishError::TimedOut) => "timed_out",
            Err(PublishError::TooLarge) => "too_large",
        };
        self.publishes.get_or_create(&ResultOf { result }).inc();
    }
}
