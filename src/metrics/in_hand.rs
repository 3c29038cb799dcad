//! What a worker has in hand at the moment: for how long, and how old it is.
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Cheap to clone; all clones speak of the same.
#[derive(Debug, Clone, Default)]
pub struct InHand(Arc<Mutex<Option<Batch>>>);

#[derive(Debug, Clone, Copy)]
struct Batch {
    since: Instant,
    /// Of its oldest event, when it was taken.
    age: Duration,
}

impl InHand {
    /// A batch is begun whose oldest event is `age` old; it is over when what is returned is dropped.
    pub fn begin(&self, age: Duration) -> Held {
        *self.batch() = Some(Batch { since: Instant::now(), age });
        Held(self.clone())
    }

    /// For how long something is in hand at `now`, and how old it is by then; nought for nothing.
    pub(super) fn look(&self, now: Instant) -> (Duration, Duration) {
        let batch = *self.batch();
        batch.map_or_else(Default::default, |Batch { since, age }| {
            let held = now.saturating_duration_since(since);
            (held, age + held)
        })
    }

    fn batch(&self) -> MutexGuard<'_, Option<Batch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something is in hand for as long as this lives.
#[derive(Debug)]
pub struct Held(InHand);

impl Drop for Held {
    fn drop(&mut self) {
        *self.0.batch() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_grows_older_until_it_is_let_go() {
        let in_hand = InHand::default();
        let nothing = (Duration::ZERO, Duration::ZERO);
        assert_eq!(in_hand.look(Instant::now()), nothing);
        let held = in_hand.begin(Duration::from_secs(60));
        let (since, age) = in_hand.look(Instant::now() + Duration::from_secs(5));
        assert!(since >= Duration::from_secs(5) && age == since + Duration::from_secs(60));
        drop(held);
        assert_eq!(in_hand.look(Instant::now()), nothing);
    }
}
