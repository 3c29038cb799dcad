//! Which domain a code belongs to, as far as it was asked lately: saves a query per click, and keeps
//! links going while the database is away.
//!
//! A code never moves to another domain, so what is known stays true. Codes that nobody has are
//! not remembered: they may be registered at any moment.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    domain::Code,
    store::{Store, StoreError, codes},
};

/// Codes that are remembered, about 8 MiB; those not asked for in a while are forgotten.
const REMEMBERED_MAX: usize = 65_536;

/// What is remembered. In two halves: when the young one is full it becomes the old one, and what
/// the old one had and nobody asked for since is forgotten.
#[derive(Default)]
struct Remembered {
    young: HashMap<Code, Arc<str>>,
    old: HashMap<Code, Arc<str>>,
}

impl Remembered {
    fn find(&mut self, code: &Code) -> Option<Arc<str>> {
        if let Some(domain) = self.young.get(code) {
            return Some(domain.clone());
        }
        let domain = self.old.remove(code)?;
        self.insert(code.clone(), domain.clone(), REMEMBERED_MAX);
        Some(domain)
    }

    fn insert(&mut self, code: Code, domain: Arc<str>, remembered_max: usize) {
        if self.young.len() >= remembered_max / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(code, domain);
    }
}

/// See the module.
#[derive(Default)]
pub struct Codes(Mutex<Remembered>);

impl Codes {
    /// The name of the domain that a code belongs to, if it is known to the database.
    pub async fn domain_of(
        &self,
        store: &Store,
        code: &Code,
    ) -> Result<Option<Arc<str>>, StoreError> {
        if let Some(domain) = self.lock().find(code) {
            return Ok(Some(domain));
        }
        let domain: Option<Arc<str>> = codes::domain_of(store, code).await?.map(Arc::from);
        if let Some(domain) = &domain {
            self.lock().insert(code.clone(), domain.clone(), REMEMBERED_MAX);
        }
        Ok(domain)
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
        let mut remembered = Remembered::default();
        for number in 0..50 {
            remembered.insert(code(number), "d".into(), 10);
            let known = remembered.young.len() + remembered.old.len();
            assert!(known <= 10, "{known} after {number}");
            assert_eq!(remembered.find(&code(0)).as_deref(), Some("d"), "in use, after {number}");
        }
        assert_eq!(remembered.find(&code(1)), None);
        assert_eq!(remembered.find(&code(49)).as_deref(), Some("d"));
    }
}
