//! Which domain a code belongs to, as far as it was asked lately: saves a query per click, and keeps
//! links going while the database is away.
//!
//! What is known is asked for again after a while: a code that another domain registered is the user's
//! once there is a user whose own it is. While the database is away what was known counts. Codes that
//! nobody has are not remembered: they may be registered at any moment.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    domain::{Code, Micros},
    store::{Store, StoreError, codes},
};

/// Codes that are remembered, about 8 MiB; those not asked for in a while are forgotten.
const REMEMBERED_MAX: usize = 65_536;
/// How long the database is not asked again, in milliseconds.
const FRESH_MS: i64 = 60_000;

/// Where a code belongs, and until when that is not asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    domain: Arc<str>,
    fresh_until: Micros,
}

/// What is remembered. In two halves: when the young one is full it becomes the old one, and what
/// the old one had and nobody asked for since is forgotten.
#[derive(Default)]
struct Remembered {
    young: HashMap<Code, Known>,
    old: HashMap<Code, Known>,
}

impl Remembered {
    fn find(&mut self, code: &Code) -> Option<Known> {
        if let Some(known) = self.young.get(code) {
            return Some(known.clone());
        }
        let known = self.old.remove(code)?;
        self.insert(code.clone(), known.clone(), REMEMBERED_MAX);
        Some(known)
    }

    fn insert(&mut self, code: Code, known: Known, remembered_max: usize) {
        if self.young.len() >= remembered_max / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(code, known);
    }
}

/// See the module.
#[derive(Default)]
pub struct Codes(Mutex<Remembered>);

impl Codes {
    /// The name of the domain that a code belongs to, if it is known to the database, or was lately.
    pub async fn domain_of(
        &self,
        store: &Store,
        code: &Code,
        now: Micros,
    ) -> Result<Option<Arc<str>>, StoreError> {
        let known = self.lock().find(code);
        if let Some(known) = known.as_ref().filter(|known| now.0 < known.fresh_until.0) {
            return Ok(Some(known.domain.clone()));
        }
        // In a box, as hardly a click comes here and all of them would carry its room.
        match (Box::pin(codes::domain_of(store, code)).await, known) {
            (Ok(Some(domain)), _) => {
                let known = Known { domain: domain.into(), fresh_until: now.plus_ms(FRESH_MS) };
                self.lock().insert(code.clone(), known.clone(), REMEMBERED_MAX);
                Ok(Some(known.domain))
            }
            (Err(error), Some(known)) if error.is_passing() => Ok(Some(known.domain)),
            (Ok(None), _) => Ok(None),
            (Err(error), _) => Err(error),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_remembered_than_there_is_room_for_and_what_is_in_use_stays() {
        let code = |number: usize| Code::parse(&format!("{number:020}")).unwrap();
        let known = Known { domain: "d".into(), fresh_until: Micros(0) };
        let mut remembered = Remembered::default();
        for number in 0..50 {
            remembered.insert(code(number), known.clone(), 10);
            let count = remembered.young.len() + remembered.old.len();
            assert!(count <= 10, "{count} after {number}");
            assert_eq!(remembered.find(&code(0)), Some(known.clone()), "in use, after {number}");
        }
        assert_eq!(remembered.find(&code(1)), None);
        assert_eq!(remembered.find(&code(49)), Some(known));
    }
}
