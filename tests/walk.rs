//! The walk of ARCHITECTURE.md: one click, one signup and one payment, end to end through all
//! programs, once through the ingress and once through AMQP.
use std::sync::Arc;

use referral::broker::Outgoing;
use serde_json::{Value, json};

use crate::{
    harness::{
        Bed, Ingress, PATIENCE, Program, Receiver, eventually, http, messages::single,
        on_every_database, receiver::Call,
    },
    model::fact::{Fact, Signup, click, payment, signup},
};

on_every_database!(
    one_click_becomes_a_daily_record,
    one_signup_becomes_a_credit_and_a_billing_call,
    one_payment_reaches_the_target_and_pays_the_referrer,
);

const CODE: &str = "b4b9e071006f409d8e6d";

/// Contract 2: "One record per (domain, code, day)"; "Publishes a click, then answers 303 to
/// `REGISTER_URL` with `ref_code` kept".
async fn one_click_becomes_a_daily_record(bed: Arc<Bed>) {
    let _worker = bed.start("daily-records").await;
    let plan = bed.plan("ingress").set("REGISTER_URL", "https://example.com/join");
    let ingress = Ingress::of(&bed, bed.start_planned(plan).await).await;

    // A partner registers a code; nothing has happened yet.
    let path = format!("/v1/referral/{CODE}");
    let (status, record) = ingress.put(&path, json!({"email": "alice@example.com"})).await;
    assert_eq!((status, &record["clicks"], &record["emails"]), (201, &json!(0), &json!([])));

    // Somebody follows the link.
    let link = ingress.program.url(&format!("/register?ref_code={CODE}"));
    let answer = http::client().get(link).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let target = answer.headers()["location"].to_str().unwrap();
    assert_eq!(target, format!("https://example.com/join?ref_code={CODE}"));
    let today = record_of(&ingress, CODE, 1).await;
    assert_eq!((&today["clicks"], &today["emails"]), (&json!(1), &json!([])));

    // A click of another day, which another publisher knows of, is another record.
    bed.publish(vec![message(&click(CODE).at("2025-06-01T23:59:59Z"))]).await;
    let older = record_of(&ingress, CODE, 2).await;
    assert_eq!((&older["date"], &older["clicks"]), (&json!("2025-06-01"), &json!(1)));
    let members: Vec<&str> = older.as_object().unwrap().keys().map(String::as_str).collect();
    for member in ["id", "ctime", "mtime", "date", "code", "emails", "clicks"] {
        assert!(members.contains(&member), "{older}");
    }
}

/// Contract 5: "signup_credit of `credit_value` for B, billing called". Contract 6: the body is
/// "exactly `amount=10.00&program_name=Default&user_indicator_hash=HASH`".
async fn one_signup_becomes_a_credit_and_a_billing_call(bed: Arc<Bed>) {
    let (receiver, ingress, _workers) = house(&bed).await;

    // Bob registers through the ingress, referred by Alice.
    let both = json!({"user_indicator": "alice", "user_indicated": "bob"});
    let (status, registered) = ingress.post("/register/", both.clone()).await;
    assert_eq!(status, 201, "{registered}");
    assert_eq!(registered["hash"], "bob");
    assert_eq!(registered["is_generates_even"], true);
    let call = billed(&receiver, "/billing/bob/credit").await;
    assert_eq!(call.body, "amount=10.00&program_name=Default&user_indicator_hash=alice");
    assert_eq!(call.method, "POST");
    assert_eq!(call.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(call.header("idempotency-key"), call.header("webhook-id"));

    // Saying it again changes nothing.
    let (status, repeated) = ingress.post("/register/", both).await;
    assert_eq!((status, repeated), (200, registered));

    // Carol's registration comes as an event.
    let known = Signup { user_indicator: Some("alice".to_owned()), ..Signup::default() };
    bed.publish(vec![message(&signup("carol", known))]).await;
    let call = billed(&receiver, "/billing/carol/credit").await;
    assert_eq!(call.body, "amount=10.00&program_name=Default&user_indicator_hash=alice");
    assert_eq!(receiver.ledger().len(), 2);

    let (status, statement) = ingress.get("/statement/alice/").await;
    assert_eq!((status, &statement["potencial_credit"]), (200, &json!(50.0)), "{statement}");
}

/// Contract 5: "B's total paid reaches `target_value` for the first time: acquired_credit of
/// `target_value` for A, billing called; it leaves A's potential credit. Once per referred user".
async fn one_payment_reaches_the_target_and_pays_the_referrer(bed: Arc<Bed>) {
    let (receiver, ingress, _workers) = house(&bed).await;
    for user in ["bob", "carol"] {
        let both = json!({"user_indicator": "alice", "user_indicated": user});
        assert_eq!(ingress.post("/register/", both).await.0, 201);
        billed(&receiver, &format!("/billing/{user}/credit")).await;
    }

    // Bob's invoice reaches the target of 25.00 through the ingress.
    let (_, before) = ingress.put("/invoice/user/bob/", json!({"total_amount_paid": 24.99})).await;
    assert_eq!(before, json!({"acquired_credit": 0}));
    let (_, reached) = ingress.put("/invoice/user/bob/", json!({"total_amount_paid": 25})).await;
    assert_eq!(reached, json!({"acquired_credit": 25.0}));
    let call = billed(&receiver, "/billing/alice/credit").await;
    assert_eq!(call.body, "amount=25.00&program_name=Default&user_indicator_hash=alice");

    // Later invoices say the same, and grant nothing more.
    let (_, later) = ingress.put("/invoice/user/bob/", json!({"total_amount_paid": "99.50"})).await;
    assert_eq!(later, json!({"acquired_credit": 25.0}));

    // Carol's payments come as events and add up.
    bed.publish(vec![message(&payment("carol", 1000)), message(&payment("carol", 1500))]).await;
    eventually("both acquired credits are billed", PATIENCE, async || {
        match receiver.ledger().values().filter(|call| call.path.contains("alice")).count() {
            2 => Ok(()),
            calls => Err(format!("{calls} calls")),
        }
    })
    .await;
    let (_, statement) = ingress.get("/statement/alice/").await;
    assert_eq!(statement["potencial_credit"], json!(0.0), "{statement}");
    assert_eq!(statement["acquired_credit"], json!(50.0), "{statement}");
    assert_eq!(receiver.ledger().len(), 4, "two signup and two acquired credits");
}

/// All programs, a programme and the first user, Alice.
async fn house(bed: &Arc<Bed>) -> (Receiver, Ingress, Vec<Program>) {
    let receiver = Receiver::start().await;
    let billing = bed
        .plan("billing")
        .set("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &receiver.endpoint())
        .set("BILLING_RETRY_INITIAL", "200ms");
    let mut programs = bed.start_workers(1, &[]).await;
    programs.push(bed.start_planned(billing).await);
    let ingress = Ingress::of(bed, bed.start("ingress").await).await;
    let programme = json!({"name": "Default", "credit_value": 10, "target_value": "25.00"});
    let (status, made) = ingress.post("/program/", programme).await;
    assert_eq!((status, &made["credit_value"]), (201, &json!(10.0)), "{made}");
    bed.publish(vec![message(&signup("alice", Signup::default()))]).await;
    eventually("Alice is known", PATIENCE, async || match ingress.get("/statement/alice/").await {
        (200, _) => Ok(()),
        (status, answer) => Err(format!("{status} {answer}")),
    })
    .await;
    (receiver, ingress, programs)
}

async fn billed(receiver: &Receiver, path: &str) -> Call {
    eventually(&format!("billing is called at {path}"), PATIENCE, async || {
        let ledger = receiver.ledger();
        let found = ledger.values().find(|call| call.path == path).cloned();
        found.ok_or_else(|| format!("{} other calls", ledger.len()))
    })
    .await
}

fn message(fact: &Fact) -> Outgoing {
    single(fact, "default")
}

/// The oldest record of a code once it has so many days.
async fn record_of(ingress: &Ingress, code: &str, days: usize) -> Value {
    eventually(&format!("{code} has {days} records"), PATIENCE, async || {
        let (status, page) = ingress.get(&format!("/v1/referral?code={code}")).await;
        match page["items"].as_array() {
            Some(items) if items.len() == days => Ok(items[days - 1].clone()),
            _ => Err(format!("{status} {page}")),
        }
    })
    .await
}
