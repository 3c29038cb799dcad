//! Contract 7, `referral dead list|show|replay|drop`: "per worker, by reason, with `--dry-run` and a
//! progress bar".
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use referral::broker::{
    Broker, BrokerSettings, Outgoing,
    topology::{BILLING_DEAD, DEAD},
};
use serde_json::Value;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{
        Bed, Database, PATIENCE, Tenant, Told, bed::run, environment, eventually, messages::SINGLE,
        on_every_database, state,
    },
    model::{
        cases::code,
        fact::{Fact, click, payment},
        outcome,
    },
    parking::corpus::{self, CREDITS, DAILY},
};

on_every_database!(
    a_replay_changes_nothing_that_counted_and_parks_what_is_still_bad_once,
    a_replay_that_is_killed_half_way_loses_nothing_and_counts_once,
);

async fn listed(bed: &Bed, arguments: &[&str]) -> Vec<Value> {
    let told = bed.referral(&[&["dead", "list", "--json"], arguments].concat(), "").await;
    serde_json::from_str(&told).expect("an array of objects")
}

fn members<'a>(listed: &'a [Value], member: &str) -> Vec<&'a str> {
    listed.iter().map(|one| one[member].as_str().unwrap_or_default()).collect()
}

/// Puts a message where a worker would have parked it.
pub fn parked(worker: &str, id: &str, reason: &str, detail: &str, body: &str) -> Outgoing {
    let message = Outgoing::new(DEAD, format!("referral.{worker}"), SINGLE, body);
    let message = message.with_message_id(id).with_header("x-reason", reason);
    message.with_header("x-detail", detail).with_header("x-worker", worker)
}

fn lying(worker: &str, id: &str, reason: &str, body: &str) -> Outgoing {
    parked(worker, id, reason, "the field", body)
}

async fn a_replay_changes_nothing_that_counted_and_parks_what_is_still_bad_once(bed: Arc<Bed>) {
    let mut tenant = Tenant::create(&bed, "UTC").await;
    tenant.programme(&bed, "Default", 1000, 2500).await;
    let cases = corpus::cases(&tenant);
    let early = click(&code(&tenant.world, 0));
    let early = Outgoing::event("click", SINGLE, early.event("late").to_string());
    let programs = bed.start_workers(1, &[]).await;
    for case in &cases {
        bed.publish(vec![case.message.clone()]).await;
    }
    bed.publish(vec![early.with_message_id("early")]).await;
    bed.drain(programs).await;
    let before = listed(&bed, &[]).await;
    assert_eq!(before.len(), cases.len() + 1);
    let dry = bed.referral(&["dead", "replay", "--dry-run"], "").await;
    assert_eq!(dry, format!("{} messages would be replayed", before.len()));
    assert_eq!(listed(&bed, &[]).await, before, "nothing was moved");

    // What was under a wrong key counts now; the rest is parked again, under the same `message-id`.
    bed.referral(&["domain", "create", "late", "--currency", "USD"], "").await;
    let counted = [click(&code(&tenant.world, 0)), payment("alice", 100)];
    let expected = outcome(&tenant.world, &counted);
    let again = cases.iter().filter(|case| case.reasons != ["wrong_key"]);
    let still_bad: BTreeMap<&str, &[&str]> = again.map(|c| (c.name, c.reasons)).collect();
    for _ in 0..2 {
        let programs = bed.start_workers(2, &[]).await;
        bed.referral(&["dead", "replay"], "").await;
        bed.drain(programs).await;
        state::expect_now(&bed, &tenant, &expected).await;
        let after = listed(&bed, &[]).await;
        let names = members(&after, "message_id");
        assert_eq!(names.len(), still_bad.len(), "{names:?}");
        for (name, reason) in names.into_iter().zip(members(&after, "reason")) {
            assert!(still_bad[name].contains(&reason), "{name}: {reason}");
        }
    }
    let late = referral::store::tenants::domain(&bed.store, "late").await.unwrap().unwrap();
    assert_eq!(state::read(&bed.store, late.id).await.unwrap().clicks, 1);
    assert!(bed.broker.is_empty("referral.unrouted").await);

    // One kind of them, of one worker.
    let told =
        bed.referral(&["dead", "replay", "--worker", "credits", "--reason", "amount_invalid"], "");
    let bad_amounts = cases.iter().filter(|case| case.reasons == ["amount_invalid"]).count();
    assert_eq!(told.await, format!("{bad_amounts} messages replayed"));
    let left = listed(&bed, &[]).await;
    assert!(!members(&left, "reason").contains(&"amount_invalid"), "they are on their way");
    assert_eq!(left.len(), still_bad.len() - bad_amounts);
}

async fn a_replay_that_is_killed_half_way_loses_nothing_and_counts_once(bed: Arc<Bed>) {
    const MANY: usize = 3000;
    let tenant = Tenant::create(&bed, "UTC").await;
    let facts: Vec<Fact> = (0..MANY).map(|_| click(&code(&tenant.world, 0))).collect();
    let parked = facts.iter().map(|fact| {
        let event = fact.event(&tenant.name).to_string();
        lying("daily-records", &fact.id, "crashes_worker", &event)
    });
    bed.publish(parked.collect()).await;
    let mut command = Command::new(environment::program("referral"));
    command.args(["dead", "replay"]).env_clear().env("AMQP_URL", &bed.amqp_url);
    let running = tokio::spawn(Told::of(command, ""));
    let workers = bed.start_workers(1, &[]).await;
    // As soon as some have arrived: killed.
    eventually("some are replayed", PATIENCE, async || {
        match state::read(&bed.store, tenant.world.domain_id).await {
            Ok(state) if state.clicks > 0 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    running.abort();
    let _ = running.await;
    // The queue has back what the killed one held a moment after that.
    eventually("all are replayed", PATIENCE, async || {
        bed.referral(&["dead", "replay"], "").await;
        match bed.broker.counted(DAILY).await? {
            0 => Ok(()),
            n => Err(format!("{n} lie there or are held")),
        }
    })
    .await;
    bed.drain(workers).await;
    state::expect_now(&bed, &tenant, &outcome(&tenant.world, &facts)).await;
    for queue in [DAILY, CREDITS] {
        assert!(bed.broker.is_empty(queue).await, "{queue}");
    }
}

#[test]
fn looking_takes_nothing_out_and_keeps_the_order() {
    run(Database::Sqlite, looking);
}

async fn looking(bed: Arc<Bed>) {
    // More looks than RabbitMQ 4 would stand by itself.
    const MANY: usize = 700;
    const LOOKS: usize = 25;
    let names: Vec<String> = (0..MANY).map(|number| format!("message-{number}")).collect();
    bed.publish(names.iter().map(|name| lying("credits", name, "schema", "{}")).collect()).await;
    let broker = Broker::new(BrokerSettings::new(&bed.amqp_url, "tests"));
    let never = CancellationToken::new();
    for look in 0..LOOKS {
        let walk = broker.walk(CREDITS, None, &never).await.expect("no refusal");
        let mut walk = walk.expect("a walk");
        assert_eq!(walk.lying(), MANY as u64);
        // Further and further, and then the connection is gone, as when the process is killed.
        for name in &names[..MANY * look / LOOKS] {
            let message = walk.next().await.expect("a connection").expect("a message");
            assert_eq!(message.message_id.as_ref(), Some(name), "look {look}");
        }
        drop(walk);
        eventually("they are back", PATIENCE, async || {
            // One that takes none: others would come to lie behind what it takes.
            let walk = broker.walk(CREDITS, Some(0), &never).await.expect("no refusal");
            let lying = walk.expect("a walk").there();
            if lying == MANY as u64 { Ok(()) } else { Err(format!("{lying} are")) }
        })
        .await;
    }
    for _ in 0..LOOKS {
        let walk = broker.walk(CREDITS, None, &never).await.expect("no refusal").expect("a walk");
        assert_eq!(walk.lying(), MANY as u64, "back as soon as a walk is closed");
        walk.close().await.expect("closed");
    }
    for _ in 0..2 {
        let found = listed(&bed, &["--worker", "credits"]).await;
        assert_eq!(members(&found, "message_id"), names);
    }
}

#[test]
fn what_is_dropped_is_chosen_and_counted() {
    run(Database::Sqlite, dropping);
}

async fn dropping(bed: Arc<Bed>) {
    const EACH: usize = 300;
    let names = |kind: &str| (0..EACH).map(|n| format!("{kind}-{n}")).collect::<Vec<_>>();
    let (odd, even) = (names("odd"), names("even"));
    for (odd, even) in odd.iter().zip(&even) {
        let messages =
            vec![lying("credits", odd, "schema", "{}"), lying("credits", even, "wrong_key", "{}")];
        bed.publish(messages).await;
    }
    bed.publish(vec![lying("daily-records", "click", "schema", "{}")]).await;
    let drop = ["dead", "drop", "--worker", "credits", "--reason", "schema"];
    let dry = bed.referral(&[&drop[..], &["--dry-run"]].concat(), "").await;
    assert_eq!(dry, format!("{EACH} messages would be dropped"));
    assert_eq!(bed.referral(&drop, "").await, format!("{EACH} messages dropped"));
    let left = listed(&bed, &[]).await;
    let expected: Vec<&str> =
        std::iter::once("click").chain(even.iter().map(String::as_str)).collect();
    assert_eq!(members(&left, "message_id"), expected);

    assert_eq!(bed.referral(&["dead", "drop", "--id", "even-7"], "").await, "1 messages dropped");
    let told = bed.operate(&["dead", "drop", "--worker", "credits"], &[], "").await;
    assert_eq!(told.code, Some(2), "{}", told.errors);
    assert_eq!(listed(&bed, &[]).await.len(), EACH, "nothing is dropped unasked");
    assert_eq!(
        bed.referral(&["dead", "drop", "--all"], "").await,
        format!("{EACH} messages dropped")
    );
    assert_eq!(listed(&bed, &[]).await, [Value::Null; 0]);
}

#[test]
fn a_parked_message_is_shown_whole_and_cannot_forge_a_line() {
    run(Database::Sqlite, showing);
}

async fn showing(bed: Arc<Bed>) {
    let event = r#"{"type":"referral.click.v1","id":"7","source":"/\u000a/shop","data":1}"#;
    let mut raw = lying("credits", "raw", "malformed_json", "");
    raw.body = vec![b'{', 0xff];
    let hint = lying("billing", "hint", "schema", "[]").with_header("x-first-seen", "2026-01-01");
    bed.publish(vec![lying("daily-records", "click", "schema", event), raw, hint]).await;
    let found = listed(&bed, &[]).await;
    assert_eq!(members(&found, "worker"), ["daily-records", "credits", "billing"]);
    assert_eq!(members(&found, "type"), ["referral.click.v1", "", ""]);
    assert_eq!(members(&found, "source"), ["/\n/shop", "", ""]);
    let text = bed.referral(&["dead", "list"], "").await;
    assert_eq!(text.lines().count(), 3, "{text}");

    let shown = bed.referral(&["dead", "show", "raw", "--json"], "").await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown[0]["headers"]["x-reason"], "malformed_json");
    assert_eq!((&shown[0]["body"], &shown[0]["body_base64"]), (&Value::Null, &"e/8=".into()));
    let shown = bed.referral(&["dead", "show", "click"], "").await;
    assert!(shown.contains(event) && shown.contains("x-detail: \"the field\""), "{shown}");
    let told = bed.operate(&["dead", "show", "nobody's"], &[], "").await;
    assert_eq!((told.code, told.output.as_str()), (Some(1), ""), "{}", told.errors);

    // What is no event goes back to the worker that it came from.
    let replay = ["dead", "replay", "--worker", "billing"];
    assert_eq!(bed.referral(&replay, "").await, "1 messages replayed");
    assert!(bed.broker.is_empty(BILLING_DEAD).await);
    let back = bed.broker.look_into("referral.billing").await;
    assert_eq!(back.len(), 1);
    assert_eq!((back[0].property("message_id"), &back[0].body[..]), ("hint", &b"[]"[..]));
    let headers = back[0].properties["headers"].as_object();
    let headers: BTreeSet<&String> = headers.into_iter().flat_map(|h| h.keys()).collect();
    let headers: BTreeSet<_> = headers.into_iter().filter(|h| *h != "x-delivery-count").collect();
    assert!(headers.is_empty(), "{headers:?}");
}
