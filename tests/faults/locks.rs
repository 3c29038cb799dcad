//! Locks of others (fault 18): a session that is not ours holds rows that the worker needs, or locks it out
//! for good. What is held is tried again as a whole, and counts once.
use std::sync::Arc;

use referral::store::Tx;

use crate::{
    harness::{
        Bed, Database, PATIENCE, Program, Tenant, bed::run, eventually, messages::batch,
        on_every_database, state,
    },
    model::{
        cases::code,
        fact::{Fact, click},
        outcome,
    },
};

on_every_database!(a_rivals_lock_is_waited_for_and_nothing_is_acknowledged_meanwhile);

/// A worker, and two days' records that it will change in one transaction, in this order.
async fn house(bed: &Arc<Bed>) -> (Tenant, Program, Vec<Fact>, [String; 2]) {
    let tenant = Tenant::create(bed, "UTC").await;
    let worker = bed.start_planned(bed.plan("daily-records").set("LOG", "debug")).await;
    let mut links = [code(&tenant.world, 0), code(&tenant.world, 1)];
    links.sort();
    let facts: Vec<Fact> = links.iter().map(|link| click(link)).collect();
    publish(bed, &tenant, &facts).await;
    state::expect(bed, &tenant, &outcome(&tenant.world, &facts)).await;
    (tenant, worker, facts, links)
}

/// Publishes facts as one message.
pub async fn publish(bed: &Bed, tenant: &Tenant, facts: &[Fact]) {
    bed.publish(vec![batch(&facts.iter().collect::<Vec<_>>(), &tenant.name)]).await;
}

/// Locks a code's record as whoever looks at it and changes nothing.
pub async fn lock(rival: &Tx, tenant: &Tenant, code: &str) {
    let touch = "UPDATE daily_record SET clicks = clicks WHERE domain_id = {?} AND code = {?}";
    let whose = vec![tenant.world.domain_id.into(), code.into()];
    assert_eq!(rival.run(touch, None, whose).await.expect("locked"), 1);
}

/// Another round of the same clicks, each an event of its own.
fn more(facts: &mut Vec<Fact>) -> Vec<Fact> {
    let again = |fact: &Fact| Fact::new(fact.what.clone());
    let now: Vec<Fact> = facts[..2].iter().map(again).collect();
    facts.extend(now.clone());
    now
}

/// The row that the worker needs, or on SQLite the whole database, is somebody else's for a while.
async fn a_rivals_lock_is_waited_for_and_nothing_is_acknowledged_meanwhile(bed: Arc<Bed>) {
    let (tenant, worker, mut facts, [first, _]) = house(&bed).await;
    let before = outcome(&tenant.world, &facts);
    let rival = bed.store.begin().await.expect("a transaction");
    lock(&rival, &tenant, &first).await;
    let now = more(&mut facts);
    publish(&bed, &tenant, &now).await;
    eventually("the worker has the message", PATIENCE, async || {
        match bed.broker.counted_unacknowledged("referral.daily-records").await? {
            1 => Ok(()),
            n => Err(format!("{n} are held")),
        }
    })
    .await;
    state::expect_now(&bed, &tenant, &before).await;
    rival.rollback().await.expect("the rival gives way");
    let after = outcome(&tenant.world, &facts);
    state::expect(&bed, &tenant, &after).await;
    bed.drain(vec![worker]).await;
    state::expect_now(&bed, &tenant, &after).await;
}

#[test]
fn a_worker_that_loses_a_deadlock_does_its_batch_again_on_postgres() {
    run(Database::Postgres, locked_out);
}

#[test]
fn a_worker_that_loses_a_deadlock_does_its_batch_again_on_mariadb() {
    run(Database::Mariadb, locked_out);
}

/// The rival has the second row and wants the first, which the worker has.
async fn locked_out(bed: Arc<Bed>) {
    let (tenant, worker, mut facts, [first, second]) = house(&bed).await;
    let rival = bed.store.begin().await.expect("a transaction");
    if bed.database == Database::Postgres {
        // PostgreSQL lets go of who looks for the deadlock first; the rival never does.
        rival.run("SET LOCAL deadlock_timeout = '1h'", None, Vec::new()).await.expect("set");
    } else {
        // MariaDB lets go of who has changed less.
        const ROWS: &str = "INSERT INTO lone_try (worker, event_key, tries, first_us) \
            SELECT 'rival', CONCAT('k', seq), 0, 0 FROM seq_1_to_5000";
        rival.run(ROWS, None, Vec::new()).await.expect("weight");
    }
    lock(&rival, &tenant, &second).await;
    let now = more(&mut facts);
    publish(&bed, &tenant, &now).await;
    eventually("the worker waits for the rival", PATIENCE, async || {
        match bed.waiting_for_locks().await? {
            1.. => Ok(()),
            _ => Err("it does not".to_owned()),
        }
    })
    .await;
    lock(&rival, &tenant, &first).await;
    eventually("the worker has lost", PATIENCE, async || {
        let log = std::fs::read_to_string(worker.log()).map_err(|error| error.to_string())?;
        if log.contains("transaction run again") { Ok(()) } else { Err(log) }
    })
    .await;
    rival.rollback().await.expect("the rival gives way");
    let after = outcome(&tenant.world, &facts);
    state::expect(&bed, &tenant, &after).await;
    bed.drain(vec![worker]).await;
    state::expect_now(&bed, &tenant, &after).await;
}
