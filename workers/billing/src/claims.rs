//! The claiming loop: from hints and sweeps to attempts in flight.
//!
//! Owns the order of things: claim no more than starts at once, acknowledge a hint after its claim
//! is committed, sweep once a second, and at once while more was due than there was room for.
//! Refuses to wait for an attempt: each is a task of its own, whose outcome the recorder gets.
use std::{collections::VecDeque, sync::Arc, time::Duration};

use referral::{
    clock::Clock,
    domain::Micros,
    lifecycle::Context,
    store::{Store, StoreError},
    webhook::Sender,
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Jitter,
    claim::{Claim, Delivery, Which, claim, next_due},
    held::{Held, Slot},
    hints::{Hint, Place},
    outcome::{Outcome, conclude},
    points,
    policy::Policy,
};

/// How often deliveries that are due are looked for without a hint.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Pause after the database failed.
const RETRY_PAUSE: Duration = Duration::from_millis(300);
/// How long a lease outlasts the time-out of the attempt: for a late start, for the outcome's
/// commit, and for clocks of several machines that differ.
const LEASE_MARGIN: Duration = Duration::from_secs(10);
/// An attempt that has not begun so long after its claim does not: the rest of the margin is for
/// its outcome.
const START_WITHIN: Duration = Duration::from_secs(5);

/// What an attempt needs.
pub struct Attempts {
    /// Sends them.
    pub sender: Sender,
    /// When failed ones are repeated.
    pub policy: Policy,
    /// `BILLING_TIMEOUT`.
    pub timeout: Duration,
    /// Tells the time.
    pub clock: Clock,
    /// Randomness, 0 to 1.
    pub jitter: Jitter,
}

/// See the module.
pub struct Claiming {
    /// The database.
    pub store: Store,
    /// Tells the time.
    pub clock: Clock,
    /// What is in hand.
    pub held: Arc<Held>,
    /// How to attempt; none without an endpoint: then nothing is claimed, and deliveries wait.
    pub attempts: Option<Arc<Attempts>>,
    /// Readiness and counts.
    pub context: Context,
    /// From the broker.
    pub hints: mpsc::Receiver<Hint>,
    /// To the broker: dealt with up to here.
    pub done: mpsc::UnboundedSender<Place>,
    /// To the recorder.
    pub outcomes: mpsc::UnboundedSender<Outcome>,
    /// Every attempt in flight.
    pub tasks: TaskTracker,
}

/// What is to be done.
struct Agenda {
    queue: VecDeque<Hint>,
    sweep_at: Instant,
    /// The last sweep found as many as there was room for.
    more: bool,
    /// The last claim was by hint, so a sweep that is wanted too comes first now.
    hinted: bool,
}

impl Claiming {
    /// Claims until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut agenda =
            Agenda { queue: VecDeque::new(), sweep_at: Instant::now(), more: false, hinted: false };
        while !stop.is_cancelled() {
            self.note_due(&mut agenda);
            while let Ok(hint) = self.hints.try_recv() {
                agenda.add(hint);
            }
            match self.step(&mut agenda).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    self.context.ready.set("database", false);
                    tracing::warn!(%error, "claiming waits for the database");
                    agenda.sweep_at = Instant::now();
                    tokio::select! {
                        () = tokio::time::sleep(RETRY_PAUSE) => {}
                        () = stop.cancelled() => {}
                    }
                    continue;
                }
            }
            let room = self.held.free() > 0;
            tokio::select! {
                () = stop.cancelled() => {}
                Some(hint) = self.hints.recv() => agenda.add(hint),
                () = self.held.changed() => {}
                () = tokio::time::sleep_until(agenda.sweep_at), if room => {}
            }
        }
    }

    /// Does one thing of those that can be done now; false when there is none.
    async fn step(&self, agenda: &mut Agenda) -> Result<bool, StoreError> {
        let Some(attempts) = &self.attempts else {
            return self.wait_for_endpoint(agenda).await;
        };
        let free = self.held.free();
        if free == 0 {
            return Ok(false);
        }
        let sweep = agenda.more || agenda.sweep_at <= Instant::now();
        let named = agenda.next(free);
        if sweep && (named.is_empty() || agenda.hinted) {
            agenda.hinted = false;
            self.sweep(agenda, attempts, free).await?;
        } else if !named.is_empty() {
            agenda.hinted = true;
            let claim = self.claim(Which::Named(&named), attempts).await?;
            self.start(attempts, claim);
            agenda.taken(named.len());
        } else if agenda.queue.is_empty() {
            return Ok(false);
        }
        if let Some(place) = agenda.dealt_with() {
            // The listener is gone only when the program ends.
            let _ = self.done.send(place);
        }
        Ok(true)
    }

    async fn sweep(
        &self,
        agenda: &mut Agenda,
        attempts: &Arc<Attempts>,
        free: usize,
    ) -> Result<(), StoreError> {
        let claim = self.claim(Which::Due(free), attempts).await?;
        agenda.more = claim.deliveries.len() >= free;
        agenda.sweep_at = Instant::now() + SWEEP_EVERY;
        self.start(attempts, claim);
        if !agenda.more {
            let now = self.clock.now();
            if let Some(due) = next_due(&self.store, now).await? {
                agenda.sweep_at = agenda.sweep_at.min(instant_of(due, now));
            }
        }
        Ok(())
    }

    async fn claim(&self, which: Which<'_>, attempts: &Attempts) -> Result<Claim, StoreError> {
        let lease = attempts.timeout + LEASE_MARGIN;
        let lease_us = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX);
        let claimed = self.store.again(|| claim(&self.store, &self.clock, which, lease_us)).await?;
        self.context.ready.set("database", true);
        Ok(claimed)
    }

    fn start(&self, attempts: &Arc<Attempts>, claim: Claim) {
        if claim.deliveries.is_empty() {
            return;
        }
        points::after_claim();
        let token: Arc<str> = claim.token.into();
        for delivery in claim.deliveries {
            if let Some(slot) = self.held.take(&delivery.credit.id, &token) {
                let attempts = Arc::clone(attempts);
                let outcomes = self.outcomes.clone();
                let at = claim.at;
                self.tasks.spawn(async move { attempts.make(delivery, at, slot, &outcomes).await });
            }
        }
    }

    /// Without an endpoint: hints are acknowledged, rows stay as they are.
    async fn wait_for_endpoint(&self, agenda: &mut Agenda) -> Result<bool, StoreError> {
        if let Some(hint) = agenda.queue.drain(..).next_back() {
            let _ = self.done.send(hint.place);
        }
        if agenda.sweep_at <= Instant::now() {
            agenda.sweep_at = Instant::now() + SWEEP_EVERY;
            next_due(&self.store, self.clock.now()).await?;
            self.context.ready.set("database", true);
        }
        Ok(false)
    }

    /// What the recorder put off may be due before the next sweep.
    fn note_due(&self, agenda: &mut Agenda) {
        if let Some(due) = self.held.take_due() {
            agenda.sweep_at = agenda.sweep_at.min(instant_of(due, self.clock.now()));
        }
    }
}

impl Agenda {
    /// A new session's messages include again whatever an older one left unacknowledged.
    fn add(&mut self, hint: Hint) {
        self.queue.retain(|older| older.place.session == hint.place.session);
        self.queue.push_back(hint);
    }

    /// The next ids, at most so many.
    fn next(&self, most: usize) -> Vec<String> {
        self.queue.iter().flat_map(|hint| hint.ids.iter().rev()).take(most).cloned().collect()
    }

    /// The first `n` of them were dealt with.
    fn taken(&mut self, mut n: usize) {
        for hint in &mut self.queue {
            let left = hint.ids.len().saturating_sub(n);
            n -= hint.ids.len() - left;
            hint.ids.truncate(left);
        }
    }

    /// Takes off the messages without ids at the front: where they end.
    fn dealt_with(&mut self) -> Option<Place> {
        let mut place = None;
        while let Some(hint) = self.queue.pop_front_if(|hint| hint.ids.is_empty()) {
            place = Some(hint.place);
        }
        place
    }
}

impl Attempts {
    /// One attempt, from its claim to the recorder.
    async fn make(
        &self,
        delivery: Delivery,
        claimed_at: Micros,
        slot: Slot,
        outcomes: &mpsc::UnboundedSender<Outcome>,
    ) {
        points::before_post();
        let began = self.clock.now();
        let late = began.0.saturating_sub(claimed_at.0);
        if late > i64::try_from(START_WITHIN.as_micros()).unwrap_or(i64::MAX) {
            tracing::warn!(
                delivery = delivery.credit.id,
                late_us = late,
                "claimed too long ago to begin"
            );
            return;
        }
        let watch = Instant::now();
        let exchange = self.sender.post(&delivery.credit, began).await;
        points::after_post();
        let jitter = (self.jitter)();
        let outcome = conclude(&self.policy, &delivery, exchange, began, watch.elapsed(), jitter);
        // In this order: whoever sees the slot free may rely on the outcome being on its way.
        let sent = outcomes.send(outcome);
        slot.answered();
        debug_assert!(sent.is_ok(), "the recorder outlives the attempts");
    }
}

/// The moment at which the clock will show `at`.
fn instant_of(at: Micros, now: Micros) -> Instant {
    Instant::now() + Duration::from_micros(u64::try_from(at.0 - now.0).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(session: u64, tag: u64, ids: &[&str]) -> Hint {
        let ids = ids.iter().map(|&id| id.to_owned()).collect();
        Hint { place: Place { session, tag }, ids }
    }

    fn agenda(hints: impl IntoIterator<Item = Hint>) -> Agenda {
        let mut agenda =
            Agenda { queue: VecDeque::new(), sweep_at: Instant::now(), more: false, hinted: false };
        hints.into_iter().for_each(|hint| agenda.add(hint));
        agenda
    }

    #[tokio::test]
    async fn a_message_is_done_when_its_last_id_is_taken() {
        let mut agenda =
            agenda([hint(1, 1, &["a", "b"]), hint(1, 2, &[]), hint(1, 3, &["c", "d", "e"])]);
        let mut seen = Vec::new();
        let mut acked = Vec::new();
        for most in [1, 2, 2, 2] {
            let ids = agenda.next(most);
            agenda.taken(ids.len());
            seen.extend(ids);
            acked.push(agenda.dealt_with().map(|place| place.tag));
        }
        assert_eq!(acked, [None, Some(2), Some(3), None]);
        seen.sort();
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    }

    #[tokio::test]
    async fn a_new_session_replaces_what_the_old_one_left() {
        let agenda = agenda([hint(1, 1, &["a"]), hint(1, 2, &["b"]), hint(2, 1, &["a"])]);
        assert_eq!(agenda.next(9), ["a"]);
    }
}
