//! Contract 1, "Replies": "A message with `reply-to` gets, after the owning worker's commit, one
//! reply per message".
use std::sync::Arc;

use referral::broker::Outgoing;
use serde_json::{Value, json};

use crate::{
    harness::{
        Bed, PATIENCE, Tenant,
        messages::{BATCH, SINGLE, single},
        on_every_database,
    },
    model::fact::{Fact, Paid, Signup, paid, payment, signup},
};

on_every_database!(every_outcome_is_told_and_a_repeat_gets_the_one_first_given);

/// "Outcomes: signup `created` …, `pending` …, `duplicate` …, `conflict` …, `self_referral` …;
/// payment `accepted` with `acquired_credit` …; either `invalid` with `reason`. A redelivered or
/// repeated event that took effect gets the outcome first given."
async fn every_outcome_is_told_and_a_repeat_gets_the_one_first_given(bed: Arc<Bed>) {
    let mut tenant = Tenant::create(&bed, "UTC").await;
    tenant.programme(&bed, "Default", 1000, 2500).await;
    let _worker = bed.start("credits").await;
    let by =
        |referrer: &str| Signup { user_indicator: Some(referrer.to_owned()), ..Signup::default() };
    let early = payment("bob", 2000);
    let bob = signup("bob", by("alice"));
    let reached = payment("bob", 500);
    let told = [
        ("a payer not known yet", &early, "accepted", Some("0.00")),
        ("referred by somebody unknown", &bob, "pending", None),
        ("referred by nobody", &signup("alice", Signup::default()), "created", None),
        ("referred by somebody known", &signup("carol", by("bob")), "created", None),
        ("the same in other words", &signup("bob", by("alice")), "duplicate", None),
        ("another referrer", &signup("bob", by("carol")), "conflict", None),
        ("no referrer this time", &signup("bob", Signup::default()), "conflict", None),
        ("oneself", &signup("dave", by("dave")), "self_referral", None),
        ("the target is reached", &reached, "accepted", Some("25.00")),
        ("and stays reached", &paid("bob", Paid::Total(2600)), "accepted", Some("25.00")),
        ("an unreferred payer", &payment("alice", 99_900), "accepted", Some("0.00")),
        ("the pending one once more", &bob, "pending", None),
        ("the early payment once more", &early, "accepted", Some("0.00")),
        ("the last payment once more", &reached, "accepted", Some("25.00")),
    ];
    for (what, fact, outcome, acquired) in told {
        let reply = ask(&bed, single(fact, &tenant.name)).await;
        assert_eq!(reply.len(), 1, "{what}: {reply:?}");
        check(&tenant, what, fact, &reply[0], outcome, acquired);
    }

    // One reply per message, its elements in the order of the events.
    let bad = json!({"specversion": "1.0", "id": "bad", "source": "/tests"});
    let (erin, due) = (signup("erin", by("alice")), payment("erin", 2500));
    let events = json!([due.event(&tenant.name), bad, erin.event(&tenant.name)]);
    let reply = ask(&bed, Outgoing::event("batch", BATCH, events.to_string())).await;
    assert_eq!(reply.len(), 3, "{reply:?}");
    check(
        &tenant,
        "a payment in the batch of its signup",
        &due,
        &reply[0],
        "accepted",
        Some("25.00"),
    );
    let invalid: Vec<_> =
        ["id", "source", "outcome", "reason"].map(|member| reply[1][member].clone()).into();
    assert_eq!(invalid, ["bad", "/tests", "invalid", "schema"]);
    assert!(reply[1]["detail"].as_str().is_some_and(|detail| detail.contains("type")));
    check(&tenant, "a signup in a batch", &erin, &reply[2], "created", None);

    let reply = ask(&bed, Outgoing::event("signup", SINGLE, "{")).await;
    assert_eq!((reply.len(), &reply[0]["outcome"]), (1, &json!("invalid")), "{reply:?}");
}

fn check(
    tenant: &Tenant,
    what: &str,
    fact: &Fact,
    reply: &Value,
    outcome: &str,
    acquired: Option<&str>,
) {
    let event = fact.event(&tenant.name);
    assert_eq!(reply["outcome"], outcome, "{what}: {reply}");
    for member in ["id", "source", "type"] {
        assert_eq!(reply[member], event[member], "{what}: {reply}");
    }
    assert_eq!(reply["acquired_credit"].as_str(), acquired, "{what}: {reply}");
    if acquired.is_none() {
        let user = event["data"]["user_hash"].as_str().unwrap();
        assert_eq!(reply["user_hash"], user, "{what}: {reply}");
        assert_eq!(reply["code"], tenant.world.own_code(user), "{what}: {reply}");
    }
}

async fn ask(bed: &Bed, message: Outgoing) -> Vec<Value> {
    let reply = bed.publisher.request(message, PATIENCE).await.expect("confirmed");
    let reply = reply.expect("a reply");
    serde_json::from_slice(&reply).expect("a JSON array")
}
