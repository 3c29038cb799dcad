//! What the broker room counts, for whoever shows it.
use std::time::Duration;

use prometheus_client::metrics::{counter::Counter, family::Family, histogram::Histogram};

use super::PublishError;
use crate::series::{ResultLabel, at_nought, seconds};

/// All results of a try to connect, and what becomes of a connection.
pub const CONNECTIONS: [&str; 3] = ["opened", "failed", "lost"];
/// All results of a publish.
pub const PUBLISHES: [&str; 6] =
    ["confirmed", "unavailable", "unroutable", "nacked", "timed_out", "too_large"];

/// Cheap to clone; all clones count together.
#[derive(Debug, Clone)]
pub struct Counts {
    /// Connections, by [`CONNECTIONS`].
    pub connections: Family<ResultLabel, Counter>,
    /// Messages, by [`PUBLISHES`].
    pub publishes: Family<ResultLabel, Counter>,
    /// Seconds from a publish's call to the broker's confirm.
    pub confirm_seconds: Histogram,
}

impl Default for Counts {
    fn default() -> Self {
        let results =
            |all: &[&'static str]| at_nought(all.iter().map(|result| ResultLabel { result }));
        Self {
            connections: results(&CONNECTIONS),
            publishes: results(&PUBLISHES),
            confirm_seconds: seconds(),
        }
    }
}

impl Counts {
    pub(super) fn connection(&self, result: &'static str) {
        self.connections.get_or_create(&ResultLabel { result }).inc();
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
        self.publishes.get_or_create(&ResultLabel { result }).inc();
    }
}
