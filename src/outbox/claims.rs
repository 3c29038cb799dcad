//! The claiming loop: from hints and sweeps to attempts in flight.
//!
//! Owns the order of things: claim no more than starts at once, acknowledge a hint after its claim
//! is committed, sweep once a second, and at once while more was due than there was room for.
//! Refuses to wait for an attempt: each is a task of its own, whose outcome the recorder gets.
use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Claim, Courier, Item as _, Outcome, Plan, Which,
    claim::{claim, next_due},
    held::Held,
    hints::{Hint, Place},
    outcome::conclude,
};
use crate::{
    domain::Micros,
    failpoint,
    lifecycle::Context,
    store::{Store, StoreError},
};

/// How often items that are due are looked for without a hint.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Pause after the database failed.
const RETRY_PAUSE: Duration = Duration::from_millis(300);
/// How long a lease outlasts the time-out of the attempt: for a late start, for the outcome's
/// commit, and for clocks of several machines that differ.
const LEASE_MARGIN: Duration = Duration::from_secs(10);
/// An attempt that has not begun so long after its claim does not: the rest of the margin is for
/// its outcome.
const START_WITHIN: Duration = Duration::from_secs(5);

/// See the module.
pub struct Claiming<C: Courier> {
    /// The database.
    pub store: Store,
    /// Time-outs, schedule, clock.
    pub plan: Arc<Plan>,
    /// What is in hand.
    pub held: Arc<Held>,
    /// Who makes the attempts; none: then nothing is claimed, and everything waits.
    pub courier: Option<Arc<C>>,
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

impl<C: Courier> Claiming<C> {
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
        let Some(courier) = &self.courier else {
            return self.wait_for_courier(agenda).await;
        };
        let free = self.held.free();
        if free == 0 {
            return Ok(false);
        }
        let sweep = agenda.more || agenda.sweep_at <= Instant::now();
        let named = agenda.next(free);
        if sweep && (named.is_empty() || agenda.hinted) {
            agenda.hinted = false;
            self.sweep(agenda, courier, free).await?;
        } else if !named.is_empty() {
            agenda.hinted = true;
            let claim = self.claim(courier, Which::Named(&named)).await?;
            self.start(courier, claim);
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
        courier: &Arc<C>,
        free: usize,
    ) -> Result<(), StoreError> {
        let claim = self.claim(courier, Which::Due(free)).await?;
        agenda.more = claim.items.len() >= free;
        agenda.sweep_at = Instant::now() + SWEEP_EVERY;
        self.start(courier, claim);
        if !agenda.more {
            let now = self.plan.clock.now();
            if let Some(due) = next_due(C::Item::OUTBOX, &self.store, now).await? {
                agenda.sweep_at = agenda.sweep_at.min(instant_of(due, now));
            }
        }
        Ok(())
    }

    async fn claim(
        &self,
        courier: &Arc<C>,
        which: Which<'_>,
    ) -> Result<Claim<C::Item>, StoreError> {
        let lease = self.plan.timeout + LEASE_MARGIN;
        let lease_us = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX);
        let clock = &self.plan.clock;
        let work = || claim(&**courier, &self.store, clock, which, lease_us);
        let claimed = self.store.again(work).await?;
        self.context.ready.set("database", true);
        if !claimed.items.is_empty() {
            failpoint::reach("outbox::after-claim")?;
        }
        Ok(claimed)
    }

    fn start(&self, courier: &Arc<C>, claim: Claim<C::Item>) {
        if claim.items.is_empty() {
            return;
        }
        let token: Arc<str> = claim.token.into();
        for item in claim.items {
            if let Some(slot) = self.held.take(item.id(), &token) {
                let courier = Arc::clone(courier);
                let (plan, outcomes) = (Arc::clone(&self.plan), self.outcomes.clone());
                let at = claim.at;
                self.tasks.spawn(async move {
                    if let Some(outcome) = attempt(&*courier, &plan, &item, at).await {
                        // In this order: whoever sees the slot free may rely on the outcome being
                        // on its way.
                        let sent = outcomes.send(outcome);
                        slot.answered();
                        debug_assert!(sent.is_ok(), "the recorder outlives the attempts");
                    }
                });
            }
        }
    }

    /// Without a courier: hints are acknowledged, rows stay as they are.
    async fn wait_for_courier(&self, agenda: &mut Agenda) -> Result<bool, StoreError> {
        if let Some(hint) = agenda.queue.drain(..).next_back() {
            let _ = self.done.send(hint.place);
        }
        if agenda.sweep_at <= Instant::now() {
            agenda.sweep_at = Instant::now() + SWEEP_EVERY;
            next_due(C::Item::OUTBOX, &self.store, self.plan.clock.now()).await?;
            self.context.ready.set("database", true);
        }
        Ok(false)
    }

    /// What the recorder or the courier put off may be due before the next sweep.
    fn note_due(&self, agenda: &mut Agenda) {
        let wakes_at = self.courier.as_ref().and_then(|courier| courier.wakes_at());
        for due in [self.held.take_due(), wakes_at].into_iter().flatten() {
            agenda.sweep_at = agenda.sweep_at.min(instant_of(due, self.plan.clock.now()));
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

/// One attempt, from its claim to what follows; none where it came to be too late for one.
async fn attempt<C: Courier>(
    courier: &C,
    plan: &Plan,
    item: &C::Item,
    claimed_at: Micros,
) -> Option<Outcome> {
    let began = plan.clock.now();
    let late = began.0.saturating_sub(claimed_at.0);
    if late > i64::try_from(START_WITHIN.as_micros()).unwrap_or(i64::MAX) {
        tracing::warn!(id = item.id(), late_us = late, "claimed too long ago to begin");
        return None;
    }
    let watch = Instant::now();
    let attempt = courier.attempt(item, began).await;
    Some(conclude(&plan.policy, item, attempt, began, watch.elapsed(), (plan.jitter)()))
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
