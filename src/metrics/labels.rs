//! Labels: few, of words that are known beforehand; never an id, an address or a secret.
use prometheus_client::encoding::EncodeLabelSet;

/// Which events, by what became of them.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Outcome {
    /// `applied`, `duplicate`, `parked`, `left` (bad, and the other worker's to park).
    pub outcome: &'static str,
}

/// Why something was parked.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReasonLabel {
    /// As in `x-reason`.
    pub reason: &'static str,
}

/// What a program needs to be of use.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Part {
    /// `broker` or `database`.
    pub part: &'static str,
}

/// A queue of the topology.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct QueueLabel {
    /// Its name.
    pub queue: &'static str,
}

/// Where a row of an outbox is.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct OutboxState {
    /// `pending` or `dead`.
    pub state: &'static str,
}

/// The version that runs.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Build {
    /// As `--version` says it.
    pub version: &'static str,
}

/// A route of the ingress.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Route {
    /// Its template, such as `/v1/events/{id}`; `none` where nothing is at the path.
    pub route: String,
}

/// A request that was answered.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Call {
    /// As in [`Route`].
    pub route: String,
    /// One of HTTP's own methods, or `other`.
    pub method: &'static str,
    /// `2xx` and so on.
    pub status: &'static str,
}
