//! "A repair must never remove or double what has been delivered": what billing, or a partner, was given
//! stays as it was given.
use std::sync::Arc;

use referral::store::Param;
use serde_json::{Value, json};

use super::{differences, house, no_differences, rebuild, run};
use crate::{
    harness::{Bed, PATIENCE, Program, Receiver, Tenant, eventually, on_every_database, state},
    model::state::State,
};

on_every_database!(
    what_billing_was_told_is_neither_changed_nor_told_again,
    a_reward_that_was_paid_out_is_not_lowered,
);

async fn billing(bed: &Bed, receiver: &Receiver) -> Program {
    let plan = bed.plan("billing").set("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &receiver.endpoint());
    bed.start_planned(plan).await
}

/// All that is owed has arrived.
async fn delivered(bed: &Bed, tenant: &Tenant, number: i64) {
    eventually(&format!("{number} are delivered"), PATIENCE, async || {
        let states = state::deliveries(&bed.store, tenant.world.domain_id).await;
        match states.get("delivered") {
            Some(delivered) if *delivered == number => Ok(()),
            _ => Err(format!("{states:?}")),
        }
    })
    .await;
}

async fn what_billing_was_told_is_neither_changed_nor_told_again(bed: Arc<Bed>) {
    let (tenant, expected) = house(&bed, "UTC").await;
    let receiver = Receiver::start().await;
    let mut biller = billing(&bed, &receiver).await;
    let owed = expected.deliveries.values().sum::<i64>();
    assert_eq!(owed, 3);
    delivered(&bed, &tenant, owed).await;
    biller.stop().await;
    no_differences(&bed).await;
    let domain = || vec![Param::from(tenant.world.domain_id)];

    // The entry was lost: it comes back as that of its delivery, and nobody is told anything.
    run(&bed, "DELETE FROM entry WHERE domain_id = {?} AND kind = 'acquired_credit'", domain())
        .await;
    assert_eq!(rebuild(&bed, &[]).await.code, Some(0));
    state::expect_now(&bed, &tenant, &expected).await;
    none_is_due(&bed, &tenant).await;

    // Told another amount, and a credit that nobody earned: that is a person's business.
    const OTHER: [&str; 2] = [
        "UPDATE delivery SET amount_minor = 5000 WHERE domain_id = {?} AND kind = 'acquired_credit'",
        "UPDATE entry SET amount_minor = 5000 WHERE domain_id = {?} AND kind = 'acquired_credit'",
    ];
    by_hand(&bed, &tenant, &OTHER).await;
    const BACK: [&str; 2] = [
        "UPDATE delivery SET amount_minor = 2500 WHERE domain_id = {?} AND kind = 'acquired_credit'",
        "UPDATE entry SET amount_minor = 2500 WHERE domain_id = {?} AND kind = 'acquired_credit'",
    ];
    for sql in BACK {
        run(&bed, sql, domain()).await;
    }
    const UNPAID: [&str; 1] = ["DELETE FROM payment WHERE domain_id = {?} AND user_hash = 'bob'"];
    // The delivery was lost: it is made again, as a dead one; only a person sends it.
    run(
        &bed,
        "DELETE FROM delivery WHERE domain_id = {?} AND kind = 'signup_credit' \
         AND referred_user_hash = 'bob'",
        domain(),
    )
    .await;
    let told = rebuild(&bed, &["--json"]).await;
    let found = differences(&told);
    assert_eq!((told.code, found.len()), (Some(0), 1), "{found:?}");
    assert!(found[0]["note"].as_str().unwrap().contains("deliveries retry"), "{found:?}");
    state::expect_now(&bed, &tenant, &expected).await;
    none_is_due(&bed, &tenant).await;
    let mut biller = billing(&bed, &receiver).await;
    assert_eq!(receiver.ledger().len() as i64, owed, "nothing was sent by itself");
    bed.referral(&["deliveries", "retry", "--dead"], "").await;
    delivered(&bed, &tenant, owed).await;
    assert_eq!(receiver.ledger().len() as i64, owed + 1, "a person sent it");
    biller.stop().await;
    no_differences(&bed).await;

    // Payments that are not there any more take no credit back that was told.
    by_hand(&bed, &tenant, &UNPAID).await;
}

/// Reported, and left as it is, by any number of repairs.
async fn by_hand(bed: &Bed, tenant: &Tenant, sql: &[&str]) {
    for sql in sql {
        run(bed, sql, vec![Param::from(tenant.world.domain_id)]).await;
    }
    let credits = async || -> (String, String) {
        let State { entries, deliveries, .. } =
            state::read(&bed.store, tenant.world.domain_id).await.unwrap();
        (format!("{entries:?}"), format!("{deliveries:?}"))
    };
    let before = credits().await;
    for more in [&["--check", "--json"][..], &["--json"], &["--json"]] {
        let told = rebuild(bed, more).await;
        assert_eq!(told.code, Some(1), "{told:?}");
        let by_hand: Vec<Value> =
            differences(&told).into_iter().filter(|d| d["what"] == "entry").collect();
        assert_eq!(by_hand.len(), 1, "{told:?}");
        assert_eq!(by_hand[0]["repaired"], false);
        assert!(by_hand[0]["note"].as_str().unwrap().contains("by hand"), "{told:?}");
    }
    assert_eq!(credits().await, before);
}

/// Nothing waits to be sent.
async fn none_is_due(bed: &Bed, tenant: &Tenant) {
    let states = state::deliveries(&bed.store, tenant.world.domain_id).await;
    assert_eq!(states.get("pending"), None, "{states:?}");
}

async fn a_reward_that_was_paid_out_is_not_lowered(bed: Arc<Bed>) {
    let (tenant, _) = house(&bed, "UTC").await;
    let domain = || vec![Param::from(tenant.world.domain_id)];
    run(
        &bed,
        "UPDATE payment SET reward_minor = 1000 WHERE domain_id = {?} AND user_hash = 'bob'",
        domain(),
    )
    .await;
    run(
        &bed,
        "INSERT INTO payout (domain_id, user_hash, method_id, account, amount_minor, currency, \
         status, ctime_us) VALUES ({?}, 'alice', 1, 'U1', 2000, 'USD', 1, 0)",
        domain(),
    )
    .await;
    let told = rebuild(&bed, &["--json"]).await;
    let found = differences(&told);
    assert_eq!((told.code, found.len()), (Some(1), 2), "{found:?}");
    assert!(found.iter().all(|d| d["repaired"] == json!(false)), "{found:?}");
    let sum = "SELECT {as int SUM(reward_minor)} AS n FROM payment WHERE domain_id = {?} \
        AND user_hash = 'bob'";
    let sum = bed.store.one(sum, domain()).await.unwrap().unwrap().int("n");
    assert_eq!(sum.unwrap(), 2000);
    run(&bed, "UPDATE payout SET status = 2 WHERE domain_id = {?}", domain()).await;
    assert_eq!(rebuild(&bed, &[]).await.code, Some(0), "nothing is paid out any more");
    no_differences(&bed).await;
}
