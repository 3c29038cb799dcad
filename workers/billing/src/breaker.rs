//! The circuit per destination (contract 6), where it meets the database: which deliveries may leave
//! now, whose turn the probe is, and what an attempt says of its destination.
//!
//! An open circuit is a row, so that it holds for every process and outlives a kill: the process that
//! sees `BILLING_CIRCUIT_AFTER` failures in a row writes it, whoever gets an answer removes it. The
//! turn to probe is a lease in the row. What a circuit puts off stays as it lies, due, unclaimed and
//! uncounted. While none is open, nothing is asked of the database: a claim sees it in what it reads.
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use referral::{
    domain::Micros,
    metrics::Metrics,
    outbox::{Due, Which},
    store::{Param, Store, StoreError},
    webhook::{Destination, Target},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    circuit::{Circuits, Turn, turn},
    claim::Delivery,
};

/// A circuit that nobody has probed for so long has nothing that waits for it, or the endpoint is
/// another by now: it is forgotten.
const FORGOTTEN_AFTER_US: i64 = 86_400_000_000;
/// Reads of one claim that find deliveries of open circuits among those that are due; the next claim
/// goes on.
const READS_MAX: usize = 16;

const OPEN: &str = "
INSERT INTO circuit (destination, opened_us, probe_us, probe, probe_until_us)
VALUES ({?}, {?}, {?}, NULL, 0)
{conflict destination} probe_us = {greatest}({old circuit.probe_us}, {new probe_us})";
const CLOSE: &str = "DELETE FROM circuit WHERE destination = {?}";
const FORGET: &str = "DELETE FROM circuit WHERE probe_us <= {?} AND probe_until_us <= {?}";
const READ: &str = "SELECT destination, probe_us, probe_until_us FROM circuit ORDER BY probe_us";
const LOCK: &str = "
SELECT destination FROM circuit
WHERE destination = {?} AND probe_us <= {?} AND probe_until_us <= {?} {skip locked}";
const BEGIN: &str = "
UPDATE circuit SET probe = {?}, probe_us = {?}, probe_until_us = {?} WHERE destination = {?}";
const END: &str = "
UPDATE circuit SET probe = NULL, probe_us = {?}, probe_until_us = 0
WHERE destination = {?} AND probe = {?}";

/// The right to probe, as long as the delivery is in hand.
#[derive(Debug)]
pub struct Probe {
    destination: Destination,
    token: String,
    _permit: OwnedSemaphorePermit,
}

/// One open circuit, as its row was read.
struct Open {
    destination: Destination,
    turn: Turn,
}

/// See the module.
pub struct Breaker {
    target: Target,
    /// All users' destination; none: each has one.
    shared: Option<Destination>,
    store: Store,
    metrics: Arc<Metrics>,
    pause_us: i64,
    known: Mutex<Circuits>,
    /// No more probes in flight than half of the requests: the others are for who answers.
    probes: Arc<Semaphore>,
    wakes_at: AtomicI64,
}

impl Breaker {
    /// Opens a circuit after so many failures in a row, and probes it after such pauses.
    pub fn new(
        target: Target,
        store: Store,
        metrics: Arc<Metrics>,
        after: u32,
        pause: Duration,
        concurrency_max: usize,
    ) -> Self {
        Self {
            shared: target.shared(),
            target,
            store,
            metrics,
            pause_us: i64::try_from(pause.as_micros()).unwrap_or(i64::MAX),
            known: Mutex::new(Circuits::new(after)),
            probes: Arc::new(Semaphore::new(concurrency_max.div_ceil(2))),
            wakes_at: AtomicI64::new(i64::MAX),
        }
    }

    /// Of what is due: what goes where no circuit is open, and for each open one whose turn it is the
    /// oldest.
    pub async fn pick(&self, due: &Due<'_>, which: Which<'_>) -> Result<Vec<Delivery>, StoreError> {
        if self.known().open_count() == 0 {
            let found: Vec<Delivery> = due.lock(which).await?;
            if found.iter().all(|delivery| delivery.circuits_open == 0) {
                return Ok(found);
            }
        }
        let open = self.read(due).await?;
        match which {
            // Hints name what was made just now: the oldest is the sweep's to find.
            Which::Named(_) if self.is_everything_put_off() => Ok(Vec::new()),
            Which::Named(_) => Ok(self.split(due.lock(which).await?).0),
            Which::Due(most) => {
                let mut picked = self.probes(due, most, open).await?;
                let room = most.saturating_sub(picked.len());
                picked.extend(self.others(due, room).await?);
                Ok(picked)
            }
        }
    }

    /// An attempt of this delivery ended at `now`, without an answer of its destination where it
    /// `fails`.
    pub async fn note(&self, delivery: &Delivery, fails: bool, now: Micros) {
        let probe = delivery.probe.as_ref();
        let destination = self.target.destination(&delivery.credit.user_hash);
        let done = match &destination {
            Some(destination) if !fails => {
                if !self.change(|known| known.answered(destination)) && probe.is_none() {
                    return;
                }
                tracing::info!(%destination, "answers again: what waits for it leaves");
                let done = self.write(CLOSE, vec![destination.as_str().into()]).await;
                self.wake_at(now);
                done
            }
            Some(destination) if self.change(|known| known.failed(destination)) => {
                tracing::warn!(%destination, "fails again and again: its deliveries wait, but for probes");
                let next = self.next_probe(now);
                let values = vec![destination.as_str().into(), now.0.into(), next.0.into()];
                let done = self.write(OPEN, values).await;
                self.change(|known| known.saved(destination, done.is_ok()));
                self.wake_at(next);
                done
            }
            // Of an address that cannot be said nobody could answer.
            _ => {
                let Some(Probe { destination, token, .. }) = probe else { return };
                let next = self.next_probe(now);
                let place = [destination.as_str(), token].map(Into::into);
                let values = [next.0.into()].into_iter().chain(place).collect();
                let done = self.write(END, values).await;
                self.wake_at(next);
                done
            }
        };
        if let Err(error) = done {
            // What is in the row stands then: an open circuit is probed again, at the latest when
            // the lease of the last probe ends.
            tracing::warn!(%error, "what an attempt says of its destination is not written");
        }
    }

    async fn write(&self, text: &str, values: Vec<Param<'_>>) -> Result<u64, StoreError> {
        self.store.again(|| self.store.run(text, None, values.clone())).await
    }

    /// As [`Courier::wakes_at`](referral::outbox::Courier::wakes_at).
    pub fn wakes_at(&self) -> Option<Micros> {
        let at = self.wakes_at.swap(i64::MAX, Ordering::AcqRel);
        (at < i64::MAX).then_some(Micros(at))
    }

    /// The open circuits that concern this process.
    async fn read(&self, due: &Due<'_>) -> Result<Vec<Open>, StoreError> {
        let version = self.known().version();
        let rows = due.tx.all(READ, None, Vec::new()).await?;
        let old = due.at.0.saturating_sub(FORGOTTEN_AFTER_US);
        let mut open = Vec::with_capacity(rows.len());
        let mut is_old = false;
        for row in rows {
            let destination = Destination::of_stored(row.text("destination")?);
            let probe_at = Micros(row.int("probe_us")?);
            let probe_until = Micros(row.int("probe_until_us")?);
            if probe_at.0 <= old && probe_until.0 <= old {
                is_old = true;
            } else if self.shared.as_ref().is_none_or(|shared| *shared == destination) {
                open.push(Open { destination, turn: turn(probe_at, probe_until, due.at) });
            }
        }
        if is_old {
            due.tx.run(FORGET, None, vec![old.into(), old.into()]).await?;
        }
        let destinations = open.iter().map(|open| open.destination.clone());
        self.change(|known| known.learn(version, destinations));
        for Open { turn, .. } in &open {
            if let Turn::At(at) = turn {
                self.wake_at(*at);
            }
        }
        Ok(open)
    }

    /// The oldest delivery for each circuit whose turn it is.
    async fn probes(
        &self,
        due: &Due<'_>,
        most: usize,
        open: Vec<Open>,
    ) -> Result<Vec<Delivery>, StoreError> {
        let open = open.into_iter().filter(|open| open.turn == Turn::Now);
        let mut open: Vec<Destination> = open.map(|open| open.destination).collect();
        if self.shared.is_none() {
            let waiting = self.waiting(due, &open).await?;
            open.retain(|destination| waiting.contains(destination));
        }
        let mut picked = Vec::new();
        for destination in open {
            if picked.len() >= most {
                break;
            }
            let Ok(permit) = Arc::clone(&self.probes).try_acquire_owned() else { break };
            let users = self.known().users_of(&destination);
            let users: Vec<&str> = users.iter().map(String::as_str).collect();
            let among = self.shared.is_none().then_some((Delivery::USER, &users[..]));
            let place = destination.as_str();
            let now = || due.at.0.into();
            // Of several processes one goes on; the others do not wait for it.
            if due.tx.one(LOCK, vec![place.into(), now(), now()]).await?.is_none() {
                continue;
            }
            let Some(mut delivery) = due.oldest::<Delivery>(among).await? else { continue };
            let (next, until) = (self.next_probe(due.at), due.until);
            let values = vec![due.token.into(), next.0.into(), until.0.into(), place.into()];
            due.tx.run(BEGIN, None, values).await?;
            delivery.probe =
                Some(Probe { destination, token: due.token.to_owned(), _permit: permit });
            picked.push(delivery);
        }
        Ok(picked)
    }

    /// Those of them that deliveries are due for, of users who are known to be theirs.
    async fn waiting(
        &self,
        due: &Due<'_>,
        open: &[Destination],
    ) -> Result<BTreeSet<Destination>, StoreError> {
        let users: Vec<String> = {
            let known = self.known();
            open.iter().flat_map(|destination| known.users_of(destination)).collect()
        };
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        let waiting = due.values(Delivery::USER, &users).await?;
        Ok(waiting.iter().filter_map(|user| self.target.destination(user)).collect())
    }

    /// What is longest due, but for what a circuit puts off.
    async fn others(&self, due: &Due<'_>, most: usize) -> Result<Vec<Delivery>, StoreError> {
        if most == 0 || self.is_everything_put_off() {
            return Ok(Vec::new());
        }
        let mut free = Vec::new();
        for _ in 0..READS_MAX {
            let users = self.known().users();
            let users: Vec<&str> = users.iter().map(String::as_str).collect();
            let put_off;
            (free, put_off) = self.split(due.lock_but(most, Delivery::USER, &users).await?);
            if put_off.is_empty() {
                return Ok(free);
            }
            let mut known = self.known();
            for (user, destination) in &put_off {
                known.serves(destination, user);
            }
            // The turn of their probes may have come.
            self.wake_at(due.at);
        }
        Ok(free)
    }

    /// Those whose circuit is not open, and whom the others are for.
    fn split(&self, found: Vec<Delivery>) -> (Vec<Delivery>, HashMap<String, Destination>) {
        let known = self.known();
        let mut put_off = HashMap::new();
        let free = found.into_iter().filter(|delivery| {
            let user = &delivery.credit.user_hash;
            match self.target.destination(user) {
                Some(destination) if known.is_open(&destination) => {
                    put_off.insert(user.clone(), destination);
                    false
                }
                _ => true,
            }
        });
        (free.collect(), put_off)
    }

    fn is_everything_put_off(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| self.known().is_open(shared))
    }

    /// A probe begins after the pause, counted from the end of the one before: so wherever they are
    /// watched, they are that far apart.
    fn next_probe(&self, now: Micros) -> Micros {
        Micros(now.0.saturating_add(self.pause_us))
    }

    fn wake_at(&self, at: Micros) {
        self.wakes_at.fetch_min(at.0, Ordering::AcqRel);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Circuits) -> T) -> T {
        let mut known = self.known();
        let changed = change(&mut known);
        self.metrics.circuits_open.set(known.open_count() as i64);
        changed
    }

    fn known(&self) -> MutexGuard<'_, Circuits> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
