//! What this process has in hand: how many requests are in flight, and under which token each
//! claimed item is held until its outcome is recorded.
//!
//! Owns the limits (contract 6, `BILLING_CONCURRENCY`). An item that is held is never started
//! a second time here, even when its lease ran out meanwhile (the process was stopped, the
//! database was away) and this same process claims it again: it then goes on under the new token.
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use tokio::sync::Notify;

use crate::domain::Micros;

/// So many times the concurrency may be held: in flight, or answered and not yet recorded.
const HELD_PER_REQUEST: usize = 4;

#[derive(Debug, Default)]
struct Inner {
    in_flight: usize,
    tokens: HashMap<String, Arc<str>>,
}

/// See the module.
#[derive(Debug)]
pub struct Held {
    inner: Mutex<Inner>,
    concurrency_max: usize,
    changed: Notify,
    wake_at: AtomicI64,
}

impl Held {
    /// Nothing held.
    pub fn new(concurrency_max: usize) -> Self {
        Self {
            inner: Mutex::default(),
            concurrency_max,
            changed: Notify::new(),
            wake_at: AtomicI64::new(i64::MAX),
        }
    }

    /// How many more attempts may start now.
    pub fn free(&self) -> usize {
        let inner = self.inner();
        let requests = self.concurrency_max.saturating_sub(inner.in_flight);
        let held_max = self.concurrency_max.saturating_mul(HELD_PER_REQUEST);
        requests.min(held_max.saturating_sub(inner.tokens.len()))
    }

    /// Notes that `id` was claimed under `token`. The slot to attempt it in; `None` when it is
    /// held already, which then goes on under the new token.
    pub fn take(self: &Arc<Self>, id: &str, token: &Arc<str>) -> Option<Slot> {
        let mut inner = self.inner();
        match inner.tokens.entry(id.to_owned()) {
            Entry::Occupied(mut held) => {
                held.insert(Arc::clone(token));
                return None;
            }
            Entry::Vacant(place) => place.insert(Arc::clone(token)),
        };
        inner.in_flight += 1;
        Some(Slot { held: Arc::clone(self), id: id.to_owned(), answered: false })
    }

    /// How many are held.
    pub fn count(&self) -> usize {
        self.inner().tokens.len()
    }

    /// The token that `id` is held under.
    pub fn token(&self, id: &str) -> Option<Arc<str>> {
        self.inner().tokens.get(id).cloned()
    }

    /// The outcome of `id` is recorded, or can no longer be.
    pub fn release(&self, id: &str) {
        self.inner().tokens.remove(id);
        self.changed.notify_one();
    }

    /// Something will be due at `at`: wakes whoever waits in [`changed`](Self::changed).
    pub fn due_at(&self, at: Micros) {
        if self.wake_at.fetch_min(at.0, Ordering::AcqRel) > at.0 {
            self.changed.notify_one();
        }
    }

    /// The earliest instant noted since the last call.
    pub fn take_due(&self) -> Option<Micros> {
        Some(self.wake_at.swap(i64::MAX, Ordering::AcqRel)).filter(|at| *at < i64::MAX).map(Micros)
    }

    /// Waits until capacity came free or something is due sooner than was known.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to one request in flight. Dropped without an answer (not sent, or the attempt
/// panicked) it lets go of the item, which waits for its lease to end.
#[derive(Debug)]
pub struct Slot {
    held: Arc<Held>,
    id: String,
    answered: bool,
}

impl Slot {
    /// The request is over; the item stays held until its outcome is recorded.
    pub fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut inner = self.held.inner();
        inner.in_flight = inner.in_flight.saturating_sub(1);
        if !self.answered {
            inner.tokens.remove(&self.id);
        }
        drop(inner);
        self.held.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_and_started_once() {
        let held = Arc::new(Held::new(2));
        let [one, two] = ["one", "two"].map(Arc::<str>::from);
        let slot = held.take("a", &one).unwrap();
        assert_eq!(held.free(), 1);
        assert!(held.take("a", &two).is_none(), "held already");
        assert_eq!(held.token("a").as_deref(), Some("two"), "goes on under the new token");
        slot.answered();
        assert_eq!((held.free(), held.token("a").is_some()), (2, true), "answered, not recorded");
        held.release("a");
        assert_eq!(held.token("a"), None);
        drop(held.take("b", &one));
        assert_eq!((held.free(), held.token("b")), (2, None), "never sent");
    }

    #[test]
    fn unrecorded_outcomes_hold_capacity() {
        let held = Arc::new(Held::new(2));
        let token = Arc::from("t");
        for n in 0..8 {
            assert!(held.free() > 0, "{n}");
            held.take(&n.to_string(), &token).unwrap().answered();
        }
        assert_eq!(held.free(), 0);
        held.release("3");
        assert_eq!(held.free(), 1);
    }

    #[test]
    fn the_earliest_instant_is_kept_once() {
        let held = Held::new(1);
        assert_eq!(held.take_due(), None);
        held.due_at(Micros(7));
        held.due_at(Micros(5));
        held.due_at(Micros(6));
        assert_eq!(held.take_due(), Some(Micros(5)));
        assert_eq!(held.take_due(), None);
    }
}
