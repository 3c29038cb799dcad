//! Contract 1, promise 1: "Any event delivered any number of times, in any order, in any
//! batching, to any number of workers …, changes the database exactly as if it had come once."
use std::sync::Arc;

use referral::broker::Outgoing;

use crate::{
    harness::{
        Bed, Tenant,
        messages::{batch, binary, single},
        on_every_database, state,
    },
    model::{
        cases::code,
        fact::{Fact, Signup, click, payment, signup},
        outcome,
    },
};

on_every_database!(
    a_thousand_copies_to_two_of_each_worker_count_once,
    another_body_under_a_used_name_has_no_effect,
    of_a_large_batch_that_came_in_part_the_rest_counts,
);

/// "`id`, `source`: together name the event for ever. The same pair delivered again, in any
/// message, at any time, has no further effect", also with another body.
async fn another_body_under_a_used_name_has_no_effect(bed: Arc<Bed>) {
    let mut tenant = Tenant::create(&bed, "UTC").await;
    tenant.programme(&bed, "Default", 1000, 2500).await;
    let link = code(&tenant.world, 0);
    let first = [signup("alice", Signup::default()), click(&link), payment("alice", 100)];
    let with_more = Signup {
        code: Some(link.clone()),
        email: Some("mallory@example.com".to_owned()),
        ..Signup::default()
    };
    let mut second =
        [signup("mallory", with_more), click(&code(&tenant.world, 1)), payment("alice", 9900)];
    for (later, earlier) in second.iter_mut().zip(&first) {
        later.id.clone_from(&earlier.id);
        later.source.clone_from(&earlier.source);
    }
    let programs = bed.start_workers(1, &[]).await;
    bed.publish(first.iter().map(|fact| single(fact, &tenant.name)).collect()).await;
    let expected = outcome(&tenant.world, &first);
    state::expect(&bed, &tenant, &expected).await;
    bed.publish(second.iter().map(|fact| single(fact, &tenant.name)).collect()).await;
    bed.drain(programs).await;
    state::expect_now(&bed, &tenant, &expected).await;
}

/// Large batches are trusted to be new. One that is all new, one that came before in part, one that did
/// as a whole, and a new one after that: each event counts once, clicks and payments alike.
async fn of_a_large_batch_that_came_in_part_the_rest_counts(bed: Arc<Bed>) {
    const HALF: usize = 300;
    let mut tenant = Tenant::create(&bed, "UTC").await;
    tenant.programme(&bed, "Default", 1000, 2500).await;
    let link = code(&tenant.world, 0);
    let clicks: Vec<Fact> = (0..3 * HALF).map(|_| click(&link)).collect();
    let payments: Vec<Fact> = (0..3 * HALF).map(|_| payment("alice", 1)).collect();
    let programs = bed.start_workers(1, &[]).await;
    for from in [0, HALF / 2, 0, HALF, 2 * HALF] {
        let part = |facts: &[Fact]| {
            let facts: Vec<&Fact> = facts[from..from + HALF].iter().collect();
            batch(&facts, &tenant.name)
        };
        bed.publish(vec![part(&clicks), part(&payments)]).await;
    }
    bed.drain(programs).await;
    let facts: Vec<Fact> = clicks.into_iter().chain(payments).collect();
    state::expect_now(&bed, &tenant, &outcome(&tenant.world, &facts)).await;
}

/// Each of a click, three signups and a payment a thousand times: 250 single events, 250 in binary
/// mode, 250 in batches of its own type and 250 in batches that mix types.
async fn a_thousand_copies_to_two_of_each_worker_count_once(bed: Arc<Bed>) {
    let mut tenant = Tenant::create(&bed, "UTC").await;
    tenant.programme(&bed, "Default", 1000, 2500).await;
    let link = code(&tenant.world, 0);
    let referred = |by: &str, email: &str| Signup {
        user_indicator: Some(by.to_owned()),
        code: Some(link.clone()),
        email: Some(email.to_owned()),
        ..Signup::default()
    };
    let facts = [
        click(&link),
        signup("carol", referred("bob", "carol@example.com")),
        payment("bob", 2500),
        signup("bob", referred("alice", "bob@example.com")),
        signup("alice", Signup::default()),
    ];
    let programs = bed.start_workers(2, &[]).await;
    bed.publish(copies(&facts, &tenant.name)).await;

    let expected = outcome(&tenant.world, &facts);
    assert_eq!(expected.entries.len(), 5, "two signup, two potential and one acquired credit");
    state::expect(&bed, &tenant, &expected).await;
    bed.drain(programs).await;
    state::expect_now(&bed, &tenant, &expected).await;
    for queue in ["referral.daily-records.dead", "referral.credits.dead", "referral.unrouted"] {
        assert!(bed.broker.is_empty(queue).await, "{queue}");
    }
}

fn copies(facts: &[Fact], domain: &str) -> Vec<Outgoing> {
    let mixed: Vec<&Fact> = facts.iter().cycle().take(250).collect();
    let mut messages = Vec::new();
    for turn in 0..250 {
        for fact in facts {
            messages.push(single(fact, domain));
            messages.push(binary(fact, domain, ':'));
            if turn % 25 == 0 {
                messages.push(batch(&[fact; 25], domain));
            }
        }
        if turn % 50 == 0 {
            messages.push(batch(&mixed, domain));
        }
    }
    messages
}
