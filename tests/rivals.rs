//! "Deadlock, serialization failure: none of our own making": workers that write the same rows at once, in
//! whatever order their batches have them, wait for each other and never lock each other out.
use std::sync::Arc;

use referral::broker::Outgoing;

use crate::{
    faults::locks::{lock, publish},
    harness::{
        Bed, Database, PATIENCE, Program, Tenant, bed::run, eventually, messages::batch,
        on_every_database, state,
    },
    model::{
        cases::code,
        fact::{Fact, Signup, click, payment, signup},
        outcome,
    },
};

on_every_database!(workers_that_write_the_same_rows_never_lock_each_other_out);

/// A transaction that lost is run again by itself, which only this line tells; its worker goes on.
fn expect_no_deadlock(bed: &Bed, logs: Vec<std::path::PathBuf>) {
    for log in logs {
        let log = std::fs::read_to_string(log).unwrap();
        assert!(log.contains("DEBUG"), "it would be told");
        let lost = log.lines().find(|line| line.to_lowercase().contains("deadlock"));
        assert!(lost.is_none(), "{:?}: {lost:?}", bed.database);
    }
}

fn logs(workers: &[Program]) -> Vec<std::path::PathBuf> {
    workers.iter().map(|worker| worker.log().to_owned()).collect()
}

/// Codes and users that every batch has, each batch in another order.
const ROWS: usize = 600;
/// Batches of clicks, and as many of payments.
const BATCHES: usize = 24;
/// Coprime with [`ROWS`]: steps by which all rows are met.
const STEPS: [usize; 8] = [1, 7, 11, 13, 599, 593, 589, 587];

async fn workers_that_write_the_same_rows_never_lock_each_other_out(bed: Arc<Bed>) {
    let mut tenant = Tenant::create(&bed, "UTC").await;
    tenant.programme(&bed, "Default", 1000, 1_000_000).await;
    let user = |number: usize| format!("user-{number}");
    let mut facts: Vec<Vec<Fact>> = Vec::new();
    let by = |number: usize| Signup {
        user_indicator: (number > 0).then(|| user(number / 2)),
        ..Signup::default()
    };
    facts.push((0..ROWS).map(|number| signup(&user(number), by(number))).collect());
    for number in 0..BATCHES {
        let place = |row: usize| (number + row * STEPS[number % STEPS.len()]) % ROWS;
        facts.push((0..ROWS).map(|row| click(&code(&tenant.world, place(row)))).collect());
        facts.push((0..ROWS).map(|row| payment(&user(place(row)), 1)).collect());
    }
    let message = |facts: &Vec<Fact>| batch(&facts.iter().collect::<Vec<_>>(), &tenant.name);
    bed.publish(facts.iter().map(message).collect::<Vec<Outgoing>>()).await;
    // A batch is one message, so that all workers have some at the same time.
    let settings = [("PREFETCH", "2"), ("BATCH_MAX", "600"), ("LOG", "debug")];
    let workers = bed.start_workers(3, &settings).await;
    let logs = logs(&workers);
    let expected = outcome(&tenant.world, facts.iter().flatten());
    state::expect(&bed, &tenant, &expected).await;
    bed.drain(workers).await;
    expect_no_deadlock(&bed, logs);
}

#[test]
fn workers_that_meet_half_way_never_lock_each_other_out_on_postgres() {
    run(Database::Postgres, half_way);
}

#[test]
fn workers_that_meet_half_way_never_lock_each_other_out_on_mariadb() {
    run(Database::Mariadb, half_way);
}

/// Two workers with the same records are both stopped in the midst of them, by somebody who has one of
/// these: were it in different orders, one would by then have what the other wants.
async fn half_way(bed: Arc<Bed>) {
    const RECORDS: usize = 64;
    const ROUNDS: usize = 8;
    let tenant = Tenant::create(&bed, "UTC").await;
    let plan = || bed.plan("daily-records").set("LOG", "debug").set("PREFETCH", "1");
    let workers = vec![bed.start_planned(plan()).await, bed.start_planned(plan()).await];
    let logs = logs(&workers);
    let round = || (0..RECORDS).map(|row| click(&code(&tenant.world, row))).collect::<Vec<_>>();
    let mut facts = round();
    publish(&bed, &tenant, &facts).await;
    state::expect(&bed, &tenant, &outcome(&tenant.world, &facts)).await;
    for number in 0..ROUNDS {
        let rival = bed.store.begin().await.expect("a transaction");
        let wanted = code(&tenant.world, RECORDS / 4 + number * 4);
        lock(&rival, &tenant, &wanted).await;
        for _ in &workers {
            let now = round();
            publish(&bed, &tenant, &now).await;
            facts.extend(now);
        }
        eventually("both wait", PATIENCE, async || match bed.waiting_for_locks().await? {
            2.. => Ok(()),
            n => Err(format!("{n} do")),
        })
        .await;
        rival.rollback().await.expect("the rival gives way");
        state::expect(&bed, &tenant, &outcome(&tenant.world, &facts)).await;
    }
    bed.drain(workers).await;
    expect_no_deadlock(&bed, logs);
}
