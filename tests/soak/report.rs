//! The books after a soak: what was acknowledged against what there is, by the model.
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io::Write as _,
    sync::atomic::Ordering::Relaxed,
};

use referral::domain::EventKey;

use super::{
    faults::Faults,
    world::{Crew, Holds, World},
};
use crate::{
    harness::{Bed, Database, environment, eventually, receiver::amount},
    model::state::State,
    spool::Seen,
    trial::{Trial, end},
};

/// More than this is growth: half as much memory again and some, and what full pools of connections add.
const MEMORY_ROOM_KIB: u64 = 96 << 10;
const DESCRIPTORS_ROOM: u64 = 84;

/// See the module.
pub struct Report<'a> {
    database: Database,
    seconds: u64,
    faults: Faults<'a>,
    events: usize,
    lost: i64,
    doubled: i64,
    money_minor: i64,
    wrongly_parked: usize,
    before: Holds,
    after: Holds,
    told: String,
}

impl<'a> Report<'a> {
    pub fn new(database: Database, seconds: u64, faults: Faults<'a>) -> Self {
        let (before, after) = (Holds::default(), Holds::default());
        let (events, wrongly_parked) = (0, 0);
        let (lost, doubled, money_minor) = (0, 0, 0);
        Self {
            database,
            seconds,
            faults,
            events,
            lost,
            doubled,
            money_minor,
            wrongly_parked,
            before,
            after,
            told: String::new(),
        }
    }

    /// Waits until everything has come to its end, and compares.
    pub async fn look(
        &mut self,
        bed: &Bed,
        trials: &[Trial],
        world: &World,
        clicks: &Seen,
        crew: &mut Crew,
        before: Holds,
    ) {
        for trial in trials {
            if let Err(told) = trial.reached(bed).await {
                let _ = writeln!(self.told, "{told}");
            }
            let found = trial.found(bed).await;
            let (lost, doubled) = difference(&trial.expected, &found);
            self.lost += lost;
            self.doubled += doubled;
            self.events += trial.events;
        }
        self.billed(bed, trials, world).await;
        (self.before, self.after) = (before, crew.holds());
        let mut ingress = crew.programs.pop().expect("an ingress");
        ingress.stop().await;
        bed.drain(std::mem::take(&mut crew.programs)).await;
        self.clicked(bed, clicks).await;
        self.parked(bed, trials).await;
    }

    /// Each owed credit was delivered with one body per id, none that is not owed.
    async fn billed(&mut self, bed: &Bed, trials: &[Trial], world: &World) {
        let delivered = "SELECT id FROM delivery WHERE state = 'delivered'";
        let waiting = "SELECT COUNT(*) AS n FROM delivery WHERE state <> 'delivered'";
        eventually("all is billed", end(), async || {
            let row = bed.store.one(waiting, Vec::new()).await.map_err(|e| e.to_string())?;
            match row.unwrap().int("n").unwrap() {
                0 => Ok(()),
                left => Err(format!("{left} deliveries are left")),
            }
        })
        .await;
        let rows = bed.store.all(delivered, None, Vec::new()).await.expect("deliveries");
        let delivered: BTreeSet<String> = rows.iter().map(|row| row.text("id").unwrap()).collect();
        let mut ledger = BTreeMap::new();
        for post in world.sink.posts() {
            let first = ledger.entry(post.id.clone()).or_insert_with(|| post.body.clone());
            if *first != post.body {
                self.doubled += 1;
                let _ = writeln!(self.told, "{}: {first:?} and {:?}", post.id, post.body);
            }
        }
        self.lost += delivered.iter().filter(|id| !ledger.contains_key(*id)).count() as i64;
        self.doubled += ledger.keys().filter(|id| !delivered.contains(*id)).count() as i64;
        let owed: i64 = trials.iter().map(|trial| trial.expected.owed()).sum();
        let billed: i64 = ledger.values().map(|body| amount(body)).sum();
        self.money_minor = billed - owed;
        self.events += ledger.len();
    }

    /// Clicks that the ingress answered are there, and no more than were tried.
    async fn clicked(&mut self, bed: &Bed, clicks: &Seen) {
        const FOUND: &str = "SELECT event_key FROM click WHERE domain_id = 1";
        let answered = clicks.answered.lock().await;
        let rows = bed.store.all(FOUND, None, Vec::new()).await.expect("clicks");
        let found: BTreeSet<_> = rows.iter().map(|row| row.text("event_key").unwrap()).collect();
        let is_there =
            |id: &&String| found.contains(EventKey::new("/referral/ingress", id).as_str());
        self.lost += (answered.len() - answered.iter().filter(is_there).count()) as i64;
        self.doubled += (found.len() as i64 - clicks.tried.load(Relaxed) as i64).max(0);
        const SHOWN: &str =
            "SELECT {as int SUM(clicks)} AS n FROM daily_record WHERE domain_id = 1";
        let row = bed.store.one(SHOWN, Vec::new()).await.expect("records").unwrap();
        let shown = row.int_or_null("n").unwrap().unwrap_or_default();
        self.lost += (found.len() as i64 - shown).max(0);
        self.doubled += (shown - found.len() as i64).max(0);
        self.events += answered.len();
    }

    /// What was bad is parked, and nothing else. A crash may park it again, under the same name.
    async fn parked(&mut self, bed: &Bed, trials: &[Trial]) {
        let mut parked = BTreeSet::new();
        for queue in ["referral.daily-records.dead", "referral.credits.dead", "referral.unrouted"] {
            let lying = bed.broker.look_into(queue).await;
            parked.extend(lying.iter().map(|message| message.property("message_id").to_owned()));
        }
        let bad: BTreeSet<_> = trials.iter().flat_map(Trial::poisoned).collect();
        self.wrongly_parked = parked.symmetric_difference(&bad).count();
        for id in parked.symmetric_difference(&bad).take(10) {
            let _ = writeln!(self.told, "{id}: parked or not, it should be the other way");
        }
    }

    /// Prints the table and the line of figures; panics where anything is off.
    pub fn end(self) {
        let mut table = String::new();
        for (fault, times) in &self.faults.made {
            let _ = writeln!(table, "{times:6}  {fault}");
        }
        let memory = |holds: Holds| holds.memory_kib >> 10;
        let line = format!(
            "soak: database={:?} seconds={} events={} faults={} lost={} doubled={} money_difference={} \
             wrong_parkings={} recovery_p50={:.1}s recovery_p99={:.1}s memory={}→{}MiB descriptors={}→{}",
            self.database,
            self.seconds,
            self.events,
            self.faults.recoveries.len(),
            self.lost,
            self.doubled,
            self.money_minor,
            self.wrongly_parked,
            self.faults.recovery(50),
            self.faults.recovery(99),
            memory(self.before),
            memory(self.after),
            self.before.descriptors,
            self.after.descriptors,
        );
        eprintln!("{table}{line}");
        if let Some(report) = environment::file("SOAK_REPORT") {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(report);
            writeln!(file.expect("SOAK_REPORT"), "{table}{line}").expect("SOAK_REPORT");
        }
        let grown = self.after.memory_kib > self.before.memory_kib * 3 / 2 + MEMORY_ROOM_KIB
            || self.after.descriptors > self.before.descriptors + DESCRIPTORS_ROOM;
        let off = [self.lost, self.doubled, self.money_minor, self.wrongly_parked as i64];
        assert!(off == [0; 4] && !grown && self.told.is_empty(), "{line}\n{}", self.told);
    }
}

/// How many things of the model are not there, and how many are there that should not be.
fn difference(expected: &State, found: &State) -> (i64, i64) {
    let (mut lost, mut doubled) = (0, 0);
    let mut compare = |expected: BTreeMap<String, i64>, found: BTreeMap<String, i64>| {
        let names: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
        for name in names {
            let times = |of: &BTreeMap<String, i64>| of.get(name).copied().unwrap_or_default();
            lost += (times(&expected) - times(&found)).max(0);
            doubled += (times(&found) - times(&expected)).max(0);
        }
    };
    compare(counts(expected), counts(found));
    (lost, doubled)
}

fn counts(state: &State) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::from([("clicks".to_owned(), state.clicks)]);
    let users = state.accounts.iter().map(|(user, account)| (format!("{user} {account:?}"), 1));
    let payments = state.payments.iter().map(|(payment, times)| (format!("{payment:?}"), *times));
    let entries = state.entries.iter().map(|(entry, times)| (format!("{entry:?}"), *times));
    let owed = state.deliveries.iter().map(|(delivery, times)| (format!("{delivery:?}"), *times));
    let records = state.records.iter().flat_map(|(key, record)| {
        let emails = record.emails.iter().map(move |email| (format!("{key:?} {email}"), 1));
        emails.chain([(format!("{key:?}"), record.clicks)])
    });
    counts.extend(users.chain(payments).chain(entries).chain(owed).chain(records));
    counts
}
