//! Contract 1, promises 1, 3 and 4: whatever is killed, at whatever moment, nothing is lost and
//! nothing counts twice; "a failure of the database or the broker loses nothing and needs no
//! operator".
//!
//! The seed of every run is printed; `KILL_SEED` repeats it, `KILL_EVENTS` sets the number of
//! events.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    harness::{
        Bed, Database, Program, Receiver, bed::run_on, environment, on_every_database,
        services::Services,
    },
    trial::{Random, Trial, billing},
};

on_every_database!(
    kill_9_of_any_program_at_any_moment_ends_in_the_models_state,
    crashes_between_commit_and_ack_count_once,
);

/// "`kill -9` of any program at any moment during a run of 20,000 mixed events, then restart: the
/// state equals the model's." 20,000 on PostgreSQL, 5,000 on the others, unless told otherwise.
async fn kill_9_of_any_program_at_any_moment_ends_in_the_models_state(bed: Arc<Bed>) {
    let default = if bed.database == Database::Postgres { 20_000 } else { 5_000 };
    let events = environment::number("KILL_EVENTS").unwrap_or(default) as usize;
    let mut random = Random::seeded(&bed, "kill -9");
    let trial = Trial::prepare(&bed, events, &mut random).await;
    let receiver = Receiver::start().await;
    let mut programs = bed.start_workers(2, &[]).await;
    for _ in 0..2 {
        programs.push(bed.start_planned(billing(&bed, &receiver.endpoint())).await);
    }
    let published = AtomicBool::new(false);
    let publish = async {
        trial.publish(&bed).await;
        published.store(true, Ordering::Relaxed);
    };
    let kill = async {
        let mut kills = 0;
        // Also a while after the last publish, into what is still queued.
        while !published.load(Ordering::Relaxed) || kills < 12 {
            tokio::time::sleep(Duration::from_millis(random.below(700))).await;
            let victim = random.below(programs.len() as u64) as usize;
            eprintln!("kill -9 {victim}: {}", programs[victim].name());
            programs[victim].kill().await;
            tokio::time::sleep(Duration::from_millis(random.below(200))).await;
            programs[victim].start_again();
            kills += 1;
        }
    };
    tokio::join!(publish, kill);
    trial.ends_well(&bed, &receiver, programs).await;
}

/// The two moments that matter most, by failpoints: committed and not acknowledged, parked or
/// replied and not acknowledged. Whoever crashes is started again.
async fn crashes_between_commit_and_ack_count_once(bed: Arc<Bed>) {
    let mut random = Random::seeded(&bed, "failpoints");
    let trial = Trial::prepare(&bed, 1000, &mut random).await;
    let receiver = Receiver::start().await;
    // Billing's other side fails at first, so that deliveries are tried again.
    receiver.answer(503);
    let points = [
        ("daily-records", "worker::after-commit=10%return"),
        ("daily-records", "worker::before-ack=10%return;daily-records::before-commit=10%return"),
        ("credits", "worker::after-commit=10%return"),
        ("credits", "worker::before-ack=10%return;credits::before-commit=10%return"),
    ];
    let mut crashing: Vec<Program> = points
        .iter()
        .map(|(name, points)| {
            bed.spawn(bed.plan(name).set("FAILPOINTS", points).set("BATCH_MAX", "100"))
        })
        .collect();
    let mut biller =
        billing(&bed, &receiver.endpoint()).set("FAILPOINTS", "billing::after-post=5%return");
    biller = biller.set("BILLING_CONCURRENCY", "4");
    crashing.push(bed.spawn(biller));
    let published = AtomicBool::new(false);
    let publish = async {
        trial.publish(&bed).await;
        published.store(true, Ordering::Relaxed);
        receiver.answer(200);
    };
    let mut crashes = 0;
    let watch = async {
        while !published.load(Ordering::Relaxed) || crashes < 8 {
            for program in &mut crashing {
                if program.ended().is_some() {
                    crashes += 1;
                    program.start_again();
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::join!(publish, watch);
    for program in &mut crashing {
        program.kill().await;
    }
    let mut programs = bed.start_workers(1, &[]).await;
    programs.push(bed.start_planned(billing(&bed, &receiver.endpoint())).await);
    trial.ends_well(&bed, &receiver, programs).await;
}

/// "Broker stopped and started, database restarted in between: the same."
mod broker_and_database_restarted_in_between {
    use super::{Database, restarted};

    #[test]
    fn sqlite() {
        restarted(Database::Sqlite);
    }

    #[test]
    fn postgres() {
        restarted(Database::Postgres);
    }

    #[test]
    fn mariadb() {
        restarted(Database::Mariadb);
    }
}

fn restarted(database: Database) {
    let services = Services::up(database);
    let test = async |bed: Arc<Bed>| {
        let mut random = Random::seeded(&bed, "restart");
        let trial = Trial::prepare(&bed, 4000, &mut random).await;
        let receiver = Receiver::start().await;
        let mut programs = bed.start_workers(1, &[]).await;
        programs.push(bed.start_planned(billing(&bed, &receiver.endpoint())).await);
        let restart = async {
            for how in ["stop", "kill"] {
                for service in ["rabbitmq"].into_iter().chain(services.database()) {
                    tokio::time::sleep(Duration::from_millis(random.below(1000))).await;
                    eprintln!("{how} {service}");
                    services.act(how, service).await;
                    tokio::time::sleep(Duration::from_millis(random.below(1000))).await;
                    services.act("start", service).await;
                }
            }
        };
        tokio::join!(trial.publish(&bed), restart);
        for program in &programs {
            program.ready().await;
        }
        trial.ends_well(&bed, &receiver, programs).await;
    };
    run_on(database, || services.servers(), test);
}
