//! Killed, stopped, cut off: what must and must not be repeated (contract 6; faults 4, 5, 6, 17).
use std::{collections::HashSet, process::ExitStatus, time::Duration};

use billing::claim::{Delivery, OUTBOX};
use referral::{
    clock::Clock,
    domain::Micros,
    outbox::{
        Attempt, Courier, Outcome, Verdict, Which, claim,
        record::{Entry, record},
    },
};
use tokio::process::{Child, Command};

use crate::{
    on_every_database,
    support::{
        sink::{Answer, Sink},
        world::{Database, World, a_while, eventually},
    },
};

on_every_database!(
    killed_before_the_outcome_it_is_repeated_after_the_lease,
    a_killed_process_neither_forgets_an_attempt_nor_makes_one_early,
    stopped_past_its_lease_a_process_changes_nothing,
    a_lease_that_was_taken_over_is_another_s,
    an_outcome_after_a_takeover_is_not_written,
    sigterm_finishes_what_is_in_flight,
);

async fn signal(child: &Child, name: &str) {
    let id = child.id().expect("runs").to_string();
    assert!(Command::new("kill").args([name, &id]).status().await.unwrap().success());
}

async fn ended(child: &mut Child) -> ExitStatus {
    tokio::time::timeout(Duration::from_secs(20), child.wait()).await.expect("ends").unwrap()
}

async fn killed_before_the_outcome_it_is_repeated_after_the_lease(world: World) {
    let gated = |_: &_, before| if before == 0 { Answer::Gated(200) } else { Answer::Status(200) };
    let sink = Sink::start(gated);
    let own = [("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &*sink.url()), ("BILLING_TIMEOUT", "2s")];
    let mut child = world.process(&own);
    let ids = world.deliveries(1).await;
    eventually("posted", || async { sink.posts().len() == 1 }).await;
    signal(&child, "-KILL").await;
    ended(&mut child).await;
    let seen = world.seen(&ids[0]).await;
    assert_eq!((seen.state.as_str(), seen.attempts, seen.lease.is_some()), ("pending", 0, true));
    let worker = world.worker(&own);
    world.hint(&ids).await;
    world.becomes(&ids[0], "delivered").await;
    let posts = sink.posts();
    assert_eq!(posts.len(), 2);
    assert_eq!((&posts[0].id, &posts[0].body), (&posts[1].id, &posts[1].body));
    let pause = posts[1].at - posts[0].at;
    assert!(pause > Duration::from_secs(11), "not before the lease ends: {pause:?}");
    assert_eq!(world.attempts(&ids[0]).await.len(), 1);
    worker.stop().await;
    world.end().await;
}

async fn a_killed_process_neither_forgets_an_attempt_nor_makes_one_early(world: World) {
    let sink = Sink::start(|_, before| Answer::Status([500, 200][before]));
    let own =
        [("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &*sink.url()), ("BILLING_RETRY_INITIAL", "3s")];
    let mut killed = world.process(&own);
    let ids = world.deliveries(1).await;
    world.first_attempt(&ids[0]).await;
    killed.kill().await.unwrap();
    let worker = world.worker(&own);
    world.hint(&ids).await;
    assert_eq!(world.becomes(&ids[0], "delivered").await.attempts, 2);
    let posts = sink.posts();
    let pause = posts[1].at - posts[0].at;
    assert!(pause >= Duration::from_secs(3), "{pause:?}");
    let attempts = world.attempts(&ids[0]).await;
    let statuses: Vec<_> = attempts.iter().map(|row| row.int("status").unwrap()).collect();
    assert_eq!(statuses, [500, 200]);
    worker.stop().await;
    world.end().await;
}

async fn stopped_past_its_lease_a_process_changes_nothing(world: World) {
    let gated = |_: &_, before| if before == 0 { Answer::Gated(500) } else { Answer::Status(200) };
    let sink = Sink::start(gated);
    let own = [("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &*sink.url()), ("BILLING_TIMEOUT", "2s")];
    let mut stopped = world.process(&own);
    let ids = world.deliveries(1).await;
    eventually("posted", || async { sink.posts().len() == 1 }).await;
    signal(&stopped, "-STOP").await;
    let mut other = world.process(&own);
    world.becomes(&ids[0], "delivered").await;
    let delivered = world.seen(&ids[0]).await;
    sink.open_gate();
    signal(&stopped, "-CONT").await;
    // It writes what it has before it ends.
    for child in [&mut stopped, &mut other] {
        signal(child, "-TERM").await;
        assert_eq!(ended(child).await.code(), Some(0));
    }
    assert_eq!(world.seen(&ids[0]).await, delivered);
    assert_eq!(world.attempts(&ids[0]).await.len(), 1);
    assert_eq!(sink.posts().len(), 2);
    world.end().await;
}

fn outcome(id: &str, answer: &str) -> Outcome {
    Outcome {
        item_id: id.to_owned(),
        number: 1,
        time_us: 1,
        duration_us: 1,
        status: Some(200),
        error: None,
        answer: Some(answer.to_owned()),
        verdict: Verdict::Delivered(Micros(2)),
    }
}

/// Picks whatever is due, and attempts nothing.
struct Nobody;

impl Courier for Nobody {
    type Item = Delivery;

    async fn attempt(&self, _: &Delivery, _: Micros) -> Attempt {
        unreachable!("nothing is started here")
    }
}

async fn a_lease_that_was_taken_over_is_another_s(world: World) {
    let clock = Clock::system();
    let ids = world.deliveries(2).await;
    let (store, second) = (&world.store, 1_000_000);
    let early = claim(&Nobody, store, &clock, Which::Due(9), 1).await.unwrap();
    assert_eq!(early.items.len(), 2);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let late = claim(&Nobody, store, &clock, Which::Named(&ids[..1]), 60 * second).await.unwrap();
    assert_eq!(late.items.len(), 1);
    assert!(late.items[0].first_attempt_us.is_some());
    for which in [Which::Named(&ids[..1]), Which::Named(&[])] {
        let none = claim(&Nobody, store, &clock, which, second).await.unwrap();
        assert!(none.items.is_empty(), "{which:?}");
    }
    let outcomes = [outcome(&ids[0], "stopped"), outcome(&ids[1], "stopped")];
    let entries = outcomes.each_ref().map(|outcome| Entry { outcome, token: &early.token });
    let lost = record(&OUTBOX, store, &entries).await.unwrap();
    assert_eq!(lost, HashSet::from([ids[0].clone()]), "only what was taken over");
    assert_eq!(world.seen(&ids[0]).await.lease, Some(late.token.clone()));
    assert!(world.attempts(&ids[0]).await.is_empty());
    assert_eq!(world.seen(&ids[1]).await.state, "delivered");
    let own = outcome(&ids[0], "own");
    let entry = Entry { outcome: &own, token: &late.token };
    assert!(record(&OUTBOX, store, &[entry]).await.unwrap().is_empty());
    assert_eq!(world.seen(&ids[0]).await.state, "delivered");
    assert_eq!(world.attempts(&ids[0]).await[0].text("answer").unwrap(), "own");
    // Recorded already: a repeat after a commit of unknown outcome changes nothing.
    let entry = Entry { outcome: &own, token: &late.token };
    assert_eq!(record(&OUTBOX, store, &[entry]).await.unwrap().len(), 1);
    world.end().await;
}

async fn an_outcome_after_a_takeover_is_not_written(world: World) {
    let sink = Sink::start(|_, _| Answer::Gated(200));
    let worker = world.worker(&[("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url())]);
    let ids = world.deliveries(1).await;
    world.hint(&ids).await;
    eventually("posted", || async { sink.posts().len() == 1 }).await;
    let take = "UPDATE delivery SET lease = 'another' WHERE id = {?}";
    world.store.run(take, None, vec![ids[0].as_str().into()]).await.unwrap();
    sink.open_gate();
    a_while().await;
    let seen = world.seen(&ids[0]).await;
    assert_eq!((seen.state.as_str(), seen.attempts), ("pending", 0));
    assert_eq!(seen.lease.as_deref(), Some("another"));
    assert!(world.attempts(&ids[0]).await.is_empty());
    worker.stop().await;
    world.end().await;
}

async fn sigterm_finishes_what_is_in_flight(world: World) {
    let sink = Sink::start(|_, _| Answer::Gated(200));
    let mut child = world.process(&[
        ("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url()),
        ("BILLING_CONCURRENCY", "4"),
    ]);
    world.deliveries(10).await;
    eventually("posted", || async { sink.posts().len() == 4 }).await;
    signal(&child, "-TERM").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    sink.open_gate();
    assert_eq!(ended(&mut child).await.code(), Some(0));
    assert_eq!(sink.posts().len(), 4, "nothing new was begun");
    assert_eq!((world.count("delivered").await, world.count("pending").await), (4, 6));
    world.end().await;
}

#[tokio::test]
async fn a_bad_secret_ends_the_start_and_is_not_shown() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_billing"));
    let command = command.env_clear().env("WEBHOOK_SECRETS", "whsec_AAAA,canary");
    let output = command.output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(told, "error: WEBHOOK_SECRETS: secret 2 is not whsec_ and base64\n");
}

/// The database refuses everybody while an answer arrives: the outcome is kept, and not asked for
/// again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_at_the_outcome_costs_no_second_post() {
    let world = World::new(Database::Postgres).await;
    let sink = Sink::start(|_, _| Answer::Gated(200));
    let worker = world.worker(&[("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url())]);
    let ids = world.deliveries(3).await;
    world.hint(&ids).await;
    eventually("posted", || async { sink.posts().len() == 3 }).await;
    let server = world.server().await;
    let name = &world.name;
    let allow = |allowed| format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}");
    server.run(&allow(false), None, Vec::new()).await.unwrap();
    let cut = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = {?}";
    server.all(cut, None, vec![name.as_str().into()]).await.unwrap();
    sink.open_gate();
    tokio::time::sleep(Duration::from_secs(3)).await;
    server.run(&allow(true), None, Vec::new()).await.unwrap();
    for id in &ids {
        eventually("delivered", || async { world.state(id).await.as_deref() == Some("delivered") })
            .await;
    }
    assert_eq!(sink.posts().len(), 3);
    worker.stop().await;
    world.end().await;
}

#[cfg(feature = "failpoints")]
mod failpoints {
    use super::*;

    /// Kills the program at every named step; the delivery arrives none the less, recorded once.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn killed_at_every_step() {
        let points = [
            ("outbox::after-claim", 0),
            ("billing::before-post", 0),
            ("billing::after-post", 1),
            ("outbox::before-outcome-commit", 1),
        ];
        for (point, posts_before) in points {
            let world = World::new(Database::Postgres).await;
            let sink = Sink::start(|_, _| Answer::Status(200));
            let failpoint = format!("{point}=return");
            let own = [
                ("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &*sink.url()),
                ("BILLING_TIMEOUT", "1s"),
                ("FAILPOINTS", &failpoint),
            ];
            let ids = world.deliveries(1).await;
            assert!(!ended(&mut world.process(&own)).await.success(), "{point}");
            assert_eq!(sink.posts().len(), posts_before, "{point}");
            let worker = world.worker(&own[..2]);
            assert_eq!(world.becomes(&ids[0], "delivered").await.attempts, 1, "{point}");
            assert_eq!(sink.posts().len(), posts_before + 1, "{point}");
            assert!(sink.posts().iter().all(|post| post.id == ids[0]));
            assert_eq!(world.attempts(&ids[0]).await.len(), 1, "{point}");
            worker.stop().await;
            world.end().await;
        }
    }
}
