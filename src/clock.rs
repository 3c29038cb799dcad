//! The time of day as something that is passed in, so that tests can set it.
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::Micros;

/// Tells the time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    set: Option<Arc<Mutex<Micros>>>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still until it is set: for tests.
    pub fn fixed(at: Micros) -> Self {
        Self { set: Some(Arc::new(Mutex::new(at))) }
    }

    /// Sets a fixed clock; the system's is not changed.
    pub fn set(&self, at: Micros) {
        if let Some(set) = &self.set {
            *set.lock().unwrap_or_else(PoisonError::into_inner) = at;
        }
    }

    /// What time it is.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    pub fn now(&self) -> Micros {
        match &self.set {
            Some(set) => *set.lock().unwrap_or_else(PoisonError::into_inner),
            None => chrono::Utc::now().into(),
        }
    }
}
