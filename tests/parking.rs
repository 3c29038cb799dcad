//! Contract 1: "A bad event … is parked once …, by the worker that answers for its message's key";
//! "One bad event in a batch is parked alone, as a single event; its neighbours count."
//!
//! The bad messages themselves are a table of their own, in `corpus`.
pub mod corpus;

use std::{collections::BTreeMap, sync::Arc};

use chrono::DateTime;
use referral::broker::Outgoing;
use serde_json::{Value, json};

use self::corpus::{CREDITS, Case, DAILY, without};
use crate::{
    harness::{
        Bed, PATIENCE, Tenant, eventually,
        management::Lying,
        messages::{BATCH, SINGLE, single},
        on_every_database, state,
    },
    model::{
        cases::code,
        fact::{Fact, Signup, click, payment, signup},
        outcome,
    },
};

on_every_database!(
    three_poisoned_of_a_thousand_are_parked_and_997_count,
    every_bad_message_is_parked_with_its_reason_by_who_answers_for_it,
    a_parked_event_may_come_again_corrected,
    an_event_that_crashes_the_worker_is_parked_after_five_lone_tries,
);

/// "A batch of 1,000 with three poisoned events counts 997 and parks three, each with its reason."
async fn three_poisoned_of_a_thousand_are_parked_and_997_count(bed: Arc<Bed>) {
    let mut tenant = Tenant::create(&bed, "UTC").await;
    tenant.programme(&bed, "Default", 1000, 2500).await;
    let link = code(&tenant.world, 0);
    let mut facts: Vec<Fact> = vec![signup("user-0", Signup::default())];
    facts.extend((1..997).map(|number| match number % 3 {
        0 => click(&link),
        1 => payment(&format!("user-{}", number - 1), 2500),
        _ => {
            let by = Some(format!("user-{}", (number - 2) / 3));
            signup(&format!("user-{number}"), Signup { user_indicator: by, ..Signup::default() })
        }
    }));
    let mut events: Vec<Value> = facts.iter().map(|fact| fact.event(&tenant.name)).collect();
    let bad = [
        (900, "code_invalid", click("too-short").event(&tenant.name)),
        (500, "unknown_domain", payment("user-0", 100).event("nobody's")),
        (0, "schema", without(&payment("user-0", 100).event(&tenant.name), "time")),
    ];
    for (place, _, event) in &bad {
        events.insert(*place, event.clone());
    }
    assert_eq!(events.len(), 1000);
    let programs = bed.start_workers(1, &[]).await;
    bed.publish(vec![Outgoing::event("batch", BATCH, Value::from(events).to_string())]).await;

    let expected = outcome(&tenant.world, &facts);
    state::expect(&bed, &tenant, &expected).await;
    bed.drain(programs).await;
    state::expect_now(&bed, &tenant, &expected).await;
    let parked = bed.broker.look_into(CREDITS).await;
    assert_eq!(parked.len(), 3, "one each, and each alone");
    for (_, reason, event) in &bad {
        let found = parked.iter().find(|message| message.header("x-reason") == *reason);
        let found = found.unwrap_or_else(|| panic!("nothing is parked as {reason}"));
        assert_eq!(serde_json::from_slice::<Value>(&found.body).unwrap(), *event);
        assert_eq!(found.property("content_type"), SINGLE);
        assert_eq!(found.header("x-worker"), "credits");
    }
    assert!(bed.broker.is_empty(DAILY).await, "credits answers for the key batch");
}

/// "A parked message keeps its content type, `message-id`, trace context and, of a single event,
/// its bytes …, and carries headers `x-reason` …, `x-detail` …, `x-worker`, `x-first-seen`."
async fn every_bad_message_is_parked_with_its_reason_by_who_answers_for_it(bed: Arc<Bed>) {
    let mut tenant = Tenant::create(&bed, "UTC").await;
    tenant.programme(&bed, "Default", 1000, 2500).await;
    let cases = corpus::cases(&tenant);
    let fine = corpus::edges(&tenant);
    let programs = bed.start_workers(1, &[]).await;
    for case in &cases {
        bed.publish(vec![case.message.clone()]).await;
    }
    bed.publish(fine.iter().map(|fact| single(fact, &tenant.name)).collect()).await;
    bed.drain(programs).await;

    let mut parked = BTreeMap::new();
    for queue in [DAILY, CREDITS] {
        for message in bed.broker.look_into(queue).await {
            let id = message.property("message_id").to_owned();
            let twice = parked.insert(id.clone(), (queue, message));
            assert!(twice.is_none(), "{id} is parked twice");
        }
    }
    // What is only just good counts, and nothing else does.
    let found = state::read(&bed.store, tenant.world.domain_id).await.unwrap();
    let counted = found.same_as(&outcome(&tenant.world, &fine));
    let mut wrong: Vec<String> = counted.err().into_iter().collect();
    for case in &cases {
        match parked.remove(case.name) {
            Some((queue, message)) => wrong.extend(case.differs(queue, &message)),
            None => wrong.push(format!("{}: not parked", case.name)),
        }
    }
    wrong.extend(parked.keys().map(|name| format!("{name}: parked, and no case of the table")));
    assert!(wrong.is_empty(), "{:?}:\n{}", bed.database, wrong.join("\n"));
}

impl Case {
    /// What is not as the contract says.
    fn differs(&self, queue: &str, message: &Lying) -> Vec<String> {
        let first_seen = message.header("x-first-seen");
        let (reason, detail) = (message.header("x-reason"), message.header("x-detail"));
        let checks = [
            ("queue", queue == self.queue, queue),
            ("x-reason", self.reasons.contains(&reason), reason),
            ("x-detail", !detail.is_empty() && detail.contains(self.field), detail),
            ("x-worker", self.queue == format!("referral.{}.dead", message.header("x-worker")), ""),
            ("x-first-seen", DateTime::parse_from_rfc3339(first_seen).is_ok(), first_seen),
            ("traceparent", message.header("traceparent") == corpus::TRACE, ""),
            ("content type", message.property("content_type") == self.message.content_type, ""),
            ("body", message.body == self.message.body, "other bytes"),
        ];
        let wrong = checks.iter().filter(|(_, right, _)| !right);
        wrong.map(|(what, _, found)| format!("{}: {what}: {found}", self.name)).collect()
    }
}

/// "A parked event does not use up its (source, id): the same pair may come again, corrected";
/// "a bad copy of one that took effect, is parked".
async fn a_parked_event_may_come_again_corrected(bed: Arc<Bed>) {
    let tenant = Tenant::create(&bed, "UTC").await;
    let link = code(&tenant.world, 0);
    let good = [click(&link), signup("alice", Signup::default()), payment("alice", 100)];
    let bad: Vec<Outgoing> = good.iter().map(|fact| broken(fact, &tenant.name)).collect();
    let programs = bed.start_workers(1, &[]).await;

    bed.publish(bad.clone()).await;
    parked(&bed, DAILY, 1).await;
    parked(&bed, CREDITS, 2).await;
    bed.publish(good.iter().map(|fact| single(fact, &tenant.name)).collect()).await;
    let expected = outcome(&tenant.world, &good);
    state::expect(&bed, &tenant, &expected).await;

    bed.publish(bad).await;
    parked(&bed, DAILY, 2).await;
    parked(&bed, CREDITS, 4).await;
    bed.drain(programs).await;
    state::expect_now(&bed, &tenant, &expected).await;
}

/// "A message is parked for crashing a worker (`crashes_worker`) only after 5 tries of it alone";
/// promise 5: "Poison is parked, never looped, and does not slow its neighbours."
async fn an_event_that_crashes_the_worker_is_parked_after_five_lone_tries(bed: Arc<Bed>) {
    let tenant = Tenant::create(&bed, "UTC").await;
    let link = code(&tenant.world, 0);
    let healthy: Vec<Fact> = (0..40).map(|_| click(&link)).collect();
    let poison = Fact { id: "poison".to_owned(), ..click(&link) };
    let mut messages: Vec<_> = healthy.iter().map(|fact| single(fact, &tenant.name)).collect();
    messages.insert(20, single(&poison, &tenant.name).with_message_id("the poison"));

    let plan = bed.plan("daily-records").set("FAILPOINTS", "worker::marked=return(poison)");
    let mut worker = bed.spawn(plan);
    worker.ready().await;
    bed.publish(messages).await;
    let mut crashes = 0;
    eventually("the poison is parked", PATIENCE, async || {
        if worker.ended().is_some() {
            crashes += 1;
            worker.start_again();
        }
        match bed.broker.counted(DAILY).await? {
            1 => Ok(()),
            number => Err(format!("{number} parked after {crashes} crashes")),
        }
    })
    .await;
    assert!((5..30).contains(&crashes), "{crashes} crashes");
    let expected = outcome(&tenant.world, &healthy);
    state::expect(&bed, &tenant, &expected).await;
    bed.drain(vec![worker]).await;
    state::expect_now(&bed, &tenant, &expected).await;
    let parked = bed.broker.look_into(DAILY).await;
    let told: Vec<_> =
        parked.iter().map(|m| (m.property("message_id"), m.header("x-reason"))).collect();
    assert_eq!(told, [("the poison", "crashes_worker")]);
}

/// The same event with data that are no object.
fn broken(fact: &Fact, domain: &str) -> Outgoing {
    let mut event = fact.event(domain);
    event["data"] = json!("nothing");
    Outgoing::event(fact.key(), SINGLE, event.to_string())
}

async fn parked(bed: &Bed, queue: &str, number: u64) {
    eventually(&format!("{queue} has {number}"), PATIENCE, async || {
        match bed.broker.counted(queue).await? {
            found if found == number => Ok(()),
            found => Err(format!("{found}")),
        }
    })
    .await;
}
