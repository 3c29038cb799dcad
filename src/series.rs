//! What all that counts has in common, whichever room it counts in.
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
};

/// Things by their result.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ResultLabel {
    /// A short stable word.
    pub result: &'static str,
}

/// A family whose series are known: all of them from the start, so that a first failure is a change that an
/// alert can see.
pub fn at_nought<L, M>(labels: impl IntoIterator<Item = L>) -> Family<L, M>
where
    L: Clone + std::hash::Hash + Eq,
    M: Clone + Default,
{
    let family: Family<L, M> = Family::default();
    for label in labels {
        drop(family.get_or_create(&label));
    }
    family
}

/// From a millisecond to 20 s.
pub fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 3.0, 10))
}
