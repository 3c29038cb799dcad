//! What the store counts, for whoever shows it: errors of the database, by what they mean.
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use super::StoreError;
use crate::series::at_nought;

/// One kind of error.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ErrorKind {
    /// As the variants of [`StoreError`] are called.
    pub kind: &'static str,
}

/// All kinds.
pub const KINDS: [&str; 5] = ["unavailable", "again", "taken", "refused", "broken"];

/// Errors of statements and transactions. Cheap to clone; all clones count together.
#[derive(Debug, Clone)]
pub struct Errors(pub Family<ErrorKind, Counter>);

impl Default for Errors {
    fn default() -> Self {
        Self(at_nought(KINDS.map(|kind| ErrorKind { kind })))
    }
}

impl Errors {
    /// Passes `result` on, counted where it is an error.
    pub(super) fn counted<T, E: Into<StoreError>>(
        &self,
        result: Result<T, E>,
    ) -> Result<T, StoreError> {
        result.map_err(|error| {
            let error = error.into();
            let kind = match error {
                StoreError::Unavailable(_) => "unavailable",
                StoreError::Again(_) => "again",
                StoreError::Taken(_) => "taken",
                StoreError::Refused(_) => "refused",
                StoreError::Broken(_) => "broken",
            };
            self.0.get_or_create(&ErrorKind { kind }).inc();
            error
        })
    }
}
