//! "Deadlock, serialization failure: none of our own making": workers that write the same rows at once, in
//! whatever order their batches have them, wait for each other and never lock each other out.
use std::sync::Arc;

use referral::broker::Outgoing;

use crate::{
    harness::{Bed, Tenant, messages::batch, on_every_database, state},
    model::{
        cases::code,
        fact::{Fact, Signup, click, payment, signup},
        outcome,
    },
};

on_every_database!(workers_that_write_the_same_rows_never_lock_each_other_out);

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
    let workers = bed.start_workers(3, &[("PREFETCH", "2"), ("BATCH_MAX", "600")]).await;
    let logs: Vec<_> = workers.iter().map(|worker| worker.log().clone()).collect();
    let expected = outcome(&tenant.world, facts.iter().flatten());
    state::expect(&bed, &tenant, &expected).await;
    bed.drain(workers).await;
    for log in logs {
        let log = std::fs::read_to_string(log).unwrap();
        let held: Vec<_> = log.lines().filter(|line| line.contains("holding a batch")).collect();
        let locked = held.iter().find(|line| line.to_lowercase().contains("deadlock"));
        assert!(locked.is_none(), "{:?}: {locked:?}", bed.database);
    }
}
