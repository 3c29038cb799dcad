//! Deliveries as people see them, and the retry by hand (contract 6), with the real programs.
use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    harness::{
        Bed, Ingress, PATIENCE, Plan, Program, Receiver, eventually, messages::single,
        on_every_database,
    },
    model::fact::{Signup, signup},
};

on_every_database!(
    a_delivery_is_shown_with_its_attempts_and_retried_by_hand,
    all_that_died_are_tried_again_at_a_pace,
);

/// The ingress and a credits worker, the programme "Default" (10, 25), and Alice.
pub async fn house(bed: &Bed) -> (Ingress, Vec<Program>) {
    let workers = vec![bed.start("credits").await];
    let ingress = Ingress::of(bed, bed.start("ingress").await).await;
    let programme = json!({"name": "Default", "credit_value": 10, "target_value": 25});
    assert_eq!(ingress.post("/program/", programme).await.0, 201);
    bed.publish(vec![single(&signup("alice", Signup::default()), "default")]).await;
    eventually("Alice is there", PATIENCE, async || match ingress.get("/statement/alice/").await {
        (200, _) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    (ingress, workers)
}

pub async fn refer(ingress: &Ingress, user: &str) {
    let both = json!({"user_indicator": "alice", "user_indicated": user});
    let (status, answer) = ingress.post("/register/", both).await;
    assert!(matches!(status, 201 | 202), "{answer}");
}

fn billing(bed: &Bed, receiver: &Receiver) -> Plan {
    // Nothing is tried again by itself while this test lives.
    bed.plan("billing")
        .set("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &receiver.endpoint())
        .set("BILLING_RETRY_INITIAL", "1h")
}

/// Waits until all deliveries are in this state after so many attempts; the listing's answer.
pub async fn all_are(ingress: &Ingress, count: usize, state: &str, attempts: i64) -> Value {
    let listing = format!("/v1/deliveries?state={state}&limit=1000");
    eventually(&format!("{count} are {state}"), PATIENCE, async || {
        let (status, page) = ingress.get(&listing).await;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        let tried = items.iter().all(|item| item["attempts"] == attempts);
        if status == 200 && items.len() == count && tried {
            Ok(page)
        } else {
            Err(page.to_string())
        }
    })
    .await
}

/// Contract 6: "each attempt is kept with time, status, duration and error"; "a retry by hand keeps the
/// `webhook-id`".
async fn a_delivery_is_shown_with_its_attempts_and_retried_by_hand(bed: Arc<Bed>) {
    let receiver = Receiver::start().await;
    receiver.answer(500);
    let (ingress, _workers) = house(&bed).await;
    let _billing = bed.start_planned(billing(&bed, &receiver)).await;
    refer(&ingress, "bob").await;
    let page = all_are(&ingress, 1, "pending", 1).await;
    let shown = &page["items"][0];
    assert_eq!((&page["limit"], &page["total"]), (&json!(1000), &json!(1)));
    let id = shown["id"].as_str().unwrap();
    let expected = json!({
        "id": id, "user_hash": "bob", "kind": "signup_credit", "amount": "10.00",
        "currency": "USD", "program_name": "Default", "state": "pending", "attempts": 1,
        "next_attempt_at": shown["next_attempt_at"], "created_at": shown["created_at"],
        "delivered_at": null,
    });
    assert_eq!(*shown, expected);
    assert!(shown["next_attempt_at"].is_string() && shown["created_at"].is_string(), "{shown}");
    let listed = bed.referral(&["deliveries", "list", "--domain", "default", "--json"], "").await;
    assert_eq!(serde_json::from_str::<Value>(&listed).unwrap(), page["items"]);

    let (status, details) = ingress.get(&format!("/v1/deliveries/{id}")).await;
    assert_eq!((status, &details["history"][0]["status"]), (200, &json!(500)), "{details}");
    assert_eq!(details["referred_user_hash"], "bob");
    for (query, total) in [
        ("user_hash=bob", 1),
        ("user_hash=alice", 0),
        ("state=dead", 0),
        ("since=2026-01-01T00:00:00Z&until=2100-01-01T00:00:00Z", 1),
        ("until=2026-01-01T00:00:00Z", 0),
        ("since=2100-01-01T00:00:00Z", 0),
    ] {
        let (_, page) = ingress.get(&format!("/v1/deliveries?{query}")).await;
        assert_eq!(page["total"], total, "{query}");
    }

    receiver.answer(204);
    let retry = format!("/v1/deliveries/{id}/retry");
    assert_eq!(ingress.post(&retry, json!({})).await.0, 200);
    let delivered = all_are(&ingress, 1, "delivered", 2).await;
    let delivered = &delivered["items"][0];
    assert!(delivered["delivered_at"].is_string() && delivered["next_attempt_at"].is_null());
    let calls: Vec<String> =
        receiver.calls().iter().map(|call| call.header("webhook-id").to_owned()).collect();
    assert_eq!(calls, [id, id]);
    assert_eq!(receiver.ledger().len(), 1, "the same bytes");
    assert_eq!(ingress.post(&retry, json!({})).await.0, 409, "it is delivered");
    let told = bed.operate(&["deliveries", "retry", id], &[], "").await;
    assert_eq!(told.code, Some(1), "{}", told.errors);
    assert!(told.errors.contains("is delivered"), "{}", told.errors);
    let details = bed.referral(&["deliveries", "show", id, "--json"], "").await;
    let details: Value = serde_json::from_str(&details).unwrap();
    let statuses: Vec<_> =
        details["history"].as_array().unwrap().iter().map(|attempt| &attempt["status"]).collect();
    assert_eq!(statuses, [&json!(500), &json!(204)]);
}

/// "retry --dead --since …": each becomes due a little after the one before.
async fn all_that_died_are_tried_again_at_a_pace(bed: Arc<Bed>) {
    const USERS: usize = 12;
    let receiver = Receiver::start().await;
    receiver.answer(410);
    let (ingress, _workers) = house(&bed).await;
    let mut billing = bed.start_planned(billing(&bed, &receiver)).await;
    for n in 0..USERS {
        refer(&ingress, &format!("user-{n}")).await;
    }
    all_are(&ingress, USERS, "dead", 1).await;
    billing.stop().await;
    receiver.answer(200);

    let retry = ["deliveries", "retry", "--dead", "--domain", "default"];
    let with = |more: &[&'static str]| [retry.as_slice(), more].concat();
    let told = bed.referral(&with(&["--dry-run"]), "").await;
    assert_eq!(told, "12 dead deliveries would be tried again");
    let told = bed.referral(&with(&["--until", "2026-01-01T00:00:00Z"]), "").await;
    assert!(told.starts_with("0 deliveries"), "{told}");
    all_are(&ingress, USERS, "dead", 1).await;
    let since = ["--since", "2026-01-01T00:00:00Z", "--rate", "100"];
    let told = bed.referral(&with(&since), "").await;
    assert_eq!(told, "12 deliveries will be tried again, 100 each second");
    let due = "SELECT next_attempt_us FROM delivery ORDER BY next_attempt_us";
    let due = bed.store.all(due, None, Vec::new()).await.unwrap();
    let due: Vec<i64> = due.iter().map(|row| row.int("next_attempt_us").unwrap()).collect();
    assert!(due.windows(2).all(|pair| pair[1] - pair[0] == 10_000), "{due:?}");

    billing.start_again();
    let page = all_are(&ingress, USERS, "delivered", 2).await;
    let newest = page["items"].as_array().unwrap();
    for (number, expected) in [(1, &newest[..5]), (3, &newest[10..]), (4, &[])] {
        let listing = format!("/v1/deliveries?limit=5&page={number}");
        let (_, page) = ingress.get(&listing).await;
        assert_eq!(page, json!({"items": expected, "limit": 5, "total": USERS}), "{number}");
    }
    assert_eq!((receiver.ledger().len(), receiver.calls().len()), (USERS, 2 * USERS));
}
