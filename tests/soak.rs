//! The soak: events of every kind, two of each worker, a receiver that misbehaves, and faults of the
//! programs, the broker and the database, one after the other; then everything heals, and the books are
//! checked ([`report`]): nothing lost, nothing doubled, no cent too much or too little, parked what was
//! bad and nothing else.
//!
//! `make test` runs it for [`SECONDS`] on each database; `make chaos MINUTES=30 SEED=7` sets
//! `CHAOS_SECONDS` and `KILL_SEED`.
mod faults;
mod report;
mod world;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use self::{
    faults::Faults,
    report::Report,
    world::{Crew, World},
};
use crate::{
    harness::{Bed, Database, bed::run_on, environment, services::Services},
    spool::{Seen, link},
    trial::{Random, Trial},
};

/// How long faults are made where nothing else is said.
const SECONDS: u64 = 20;
/// One trial is published in so long, where nothing is in its way.
const SECONDS_A_TRIAL: u64 = 8;
/// Events of a trial, about.
const EVENTS: usize = 600;
/// The default.
const CLICK_CONFIRM: &str = "100ms";
/// Bad messages of a trial.
const POISON: usize = 5;

mod ends_in_the_models_state_with_every_credit_billed_once {
    use super::{Database, soaked};

    #[test]
    fn sqlite() {
        soaked(Database::Sqlite);
    }

    #[test]
    fn postgres() {
        soaked(Database::Postgres);
    }

    #[test]
    fn mariadb() {
        soaked(Database::Mariadb);
    }
}

fn soaked(database: Database) {
    let services = Services::up(database);
    run_on(database, || services.servers(), async |bed| soak(&bed, &services).await);
}

async fn soak(bed: &Arc<Bed>, services: &Services) {
    let mut random = Random::seeded(bed, "soak");
    let seconds = environment::number("CHAOS_SECONDS").unwrap_or(SECONDS);
    let mut trials = Vec::new();
    for _ in 0..seconds.div_ceil(SECONDS_A_TRIAL).max(3) {
        let mut trial = Trial::prepare(bed, EVENTS, &mut random).await;
        trial.poison(POISON, &mut random);
        trials.push(trial);
    }
    let world = World::start(random.below(u64::MAX));
    let (ingress, visitors) = link(bed, CLICK_CONFIRM).await;
    let mut crew = Crew::start(bed, &world, ingress.program).await;
    // Everything is warm: what there is afterwards that was not there now has grown.
    trials[0].publish(bed).await;
    trials[0].reached(bed).await.expect("the first trial, without a fault");
    let before = crew.holds();

    let published = AtomicBool::new(false);
    let publish = async {
        for trial in &trials[1..] {
            let due = Instant::now() + Duration::from_secs(SECONDS_A_TRIAL);
            trial.publish(bed).await;
            tokio::time::sleep_until(due.into()).await;
        }
        // Once more, all of it: it has no further effect.
        for trial in &trials {
            trial.publish(bed).await;
        }
        published.store(true, Relaxed);
    };
    let strike = async {
        let mut faults = Faults::new(bed, services);
        while !published.load(Relaxed) {
            faults.strike(&mut crew, &mut random).await;
        }
        faults
    };
    let clicks = Seen::default();
    let ((), (), faults) = tokio::join!(publish, visitors.wander(&clicks, &published), strike);
    world.behave();
    crew.are_ready().await;
    let mut report = Report::new(bed.database, seconds, faults);
    report.look(bed, &trials, &world, &clicks, &mut crew, before).await;
    report.end();
}
