//! The circuit per destination (contract 6): "one probe at a time until it answers: the oldest delivery
//! that is due, an ordinary attempt of it, at most one every `BILLING_PROBE`".
use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    on_every_database,
    support::{
        sink::{Answer, Sink},
        world::{Database, World, eventually},
    },
};

on_every_database!(
    a_destination_that_fails_is_probed_while_others_go_on,
    a_destination_that_refuses_connections_is_probed,
    the_oldest_that_is_due_is_the_probe,
    the_turn_of_a_killed_process_ends_with_its_lease,
);

const ENDPOINT: &str = "ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP";
const OPEN: &str = "SELECT COUNT(*) AS n FROM circuit";
const UNTRIED: &str = "SELECT COUNT(*) AS n FROM delivery WHERE state = 'pending' AND attempts = 0 \
    AND first_attempt_us IS NULL AND lease IS NULL AND lease_until_us = 0";
const TRIED: &str = "SELECT {as int SUM(attempts)} AS n FROM delivery WHERE user_hash = '2'";
const RECORDED: &str = "SELECT COUNT(*) AS n FROM attempt a JOIN delivery d ON d.id = a.delivery_id \
    WHERE d.user_hash = '2'";

/// A receiver that answers this status, which may be changed, after this time.
fn receiver(address: &str, after: Duration) -> (Sink, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(503));
    let answers = status.clone();
    let script = move |_: &_, _| Answer::Late(answers.load(Ordering::Relaxed), after);
    (Sink::start_at(address.parse().unwrap(), None, script), status)
}

/// Two processes; the user's hash stands in the host name, so one endpoint leads to two destinations.
async fn a_destination_that_fails_is_probed_while_others_go_on(world: World) {
    const AFTER: usize = 3;
    const CONCURRENCY: usize = 4;
    // What two processes may have begun before the first of them has seen three failures in a row.
    const ORDINARY_MOST: usize = 2 * (AFTER - 1 + CONCURRENCY);
    const ANSWER: Duration = Duration::from_millis(300);
    const PROBE: Duration = Duration::from_millis(300);
    let (failing, status) = receiver("127.0.0.2:0", ANSWER);
    let port = failing.address.port();
    let well = Sink::start_at(format!("127.0.0.3:{port}").parse().unwrap(), None, |_, _| {
        Answer::Status(200)
    });
    let endpoint = format!("http://127.0.0.%s:{port}/credit");
    let own = [
        (ENDPOINT, endpoint.as_str()),
        ("BILLING_CONCURRENCY", "4"),
        ("BILLING_CIRCUIT_AFTER", "3"),
        ("BILLING_PROBE", "300ms"),
        ("BILLING_RETRY_MAX", "200ms"),
    ];
    let processes = [world.process(&own), world.process(&own)];
    world.deliveries_of("2", 200).await;
    eventually("the circuit is open", || async { world.number(OPEN).await == 1 }).await;

    // Longer due than what comes now, and in the way of none of it.
    world.deliveries_of("3", 200).await;
    eventually("others are delivered", || async { world.count("delivered").await == 200 }).await;
    assert_eq!((well.count(), world.number(OPEN).await), (200, 1));

    eventually("probed", || async { failing.count() >= ORDINARY_MOST + 4 }).await;
    let posts = failing.posts();
    for pair in posts[ORDINARY_MOST..].windows(2) {
        let apart = pair[1].at - pair[0].at;
        assert!(apart >= ANSWER + PROBE, "one at a time, after a pause: {apart:?}");
    }
    let mut tried: Vec<&str> = posts.iter().map(|post| post.id.as_str()).collect();
    tried.sort_unstable();
    tried.dedup();
    let untried = world.number(UNTRIED).await;
    assert!(untried >= 200 - tried.len() as i64 - 1, "{untried}: put off is not attempted");

    status.store(200, Ordering::Relaxed);
    // Far sooner than one a probe.
    eventually("all is delivered", || async { world.count("delivered").await == 400 }).await;
    eventually("the circuit is closed", || async { world.number(OPEN).await == 0 }).await;
    let (tried, recorded) = (world.number(TRIED).await, world.number(RECORDED).await);
    assert_eq!((tried, recorded), (failing.count() as i64, failing.count() as i64));
    drop(processes);
    world.end().await;
}

/// One destination for all users. What is hinted at meanwhile waits too.
async fn a_destination_that_refuses_connections_is_probed(world: World) {
    let sink = Sink::start(|_, _| Answer::Status(200));
    sink.be_up(false);
    let worker = world.worker(&[
        (ENDPOINT, &sink.url()),
        ("BILLING_CONCURRENCY", "4"),
        ("BILLING_PROBE", "200ms"),
        ("BILLING_RETRY_MAX", "200ms"),
    ]);
    world.deliveries(100).await;
    let open = |n: u64| {
        let metrics = worker.context.metrics.clone();
        move || {
            let text = metrics.text();
            async move { text.contains(&format!("circuits_open{{program=\"billing\"}} {n}\n")) }
        }
    };
    eventually("the circuit is open", open(1)).await;
    eventually("for all to see", || async { world.number(OPEN).await == 1 }).await;
    let hinted = world.deliveries(20).await;
    world.hint(&hinted).await;
    eventually("hints acknowledged", || async { world.queued("referral.billing").await == 0 })
        .await;
    for id in &hinted {
        assert_eq!(world.seen(id).await.attempts, 0, "{id}");
    }
    // 10 failures in a row, and what was in flight beside them.
    let untried = world.number(UNTRIED).await;
    assert!((80..=110).contains(&untried), "{untried}");
    sink.be_up(true);
    eventually("all is delivered", || async { world.count("delivered").await == 120 }).await;
    eventually("the circuit is closed", open(0)).await;
    assert_eq!(world.number(OPEN).await, 0);
    assert_eq!(sink.count(), 120);
    worker.stop().await;
    world.end().await;
}

async fn the_oldest_that_is_due_is_the_probe(world: World) {
    // Due again long before the next probe, or not at all.
    for (retry, expected) in [("1ms", [0, 1, 0, 0, 0]), ("1h", [0, 1, 2, 3, 4])] {
        let (sink, status) = receiver("127.0.0.1:0", Duration::ZERO);
        let worker = world.worker(&[
            (ENDPOINT, &sink.url()),
            ("BILLING_CONCURRENCY", "1"),
            ("BILLING_CIRCUIT_AFTER", "2"),
            ("BILLING_PROBE", "300ms"),
            ("BILLING_RETRY_INITIAL", retry),
            ("BILLING_RETRY_MAX", retry),
        ]);
        let ids = world.deliveries(6).await;
        eventually("probed", || async { sink.count() >= 5 }).await;
        let posts = sink.posts();
        let places = posts[..5].iter().map(|post| ids.iter().position(|id| *id == post.id));
        assert_eq!(places.map(Option::unwrap).collect::<Vec<_>>(), expected, "{retry}");
        status.store(200, Ordering::Relaxed);
        eventually("the circuit is closed", || async { world.number(OPEN).await == 0 }).await;
        worker.stop().await;
        world.forget(&ids).await;
    }
    world.end().await;
}

/// The process that has the turn is killed: nobody probes until its lease has ended, and then
/// somebody does. That the circuit is open is not forgotten.
async fn the_turn_of_a_killed_process_ends_with_its_lease(world: World) {
    let nth = AtomicUsize::new(0);
    let sink = Sink::start(move |_, _| match nth.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::Status(500),
        1 => Answer::Gated(200),
        _ => Answer::Status(200),
    });
    let own = [
        (ENDPOINT, &*sink.url()),
        ("BILLING_CONCURRENCY", "1"),
        ("BILLING_CIRCUIT_AFTER", "1"),
        ("BILLING_PROBE", "200ms"),
        ("BILLING_TIMEOUT", "1s"),
    ];
    let mut killed = world.process(&own);
    let ids = world.deliveries(1).await;
    eventually("probed", || async { sink.count() == 2 }).await;
    killed.kill().await.unwrap();
    let worker = world.worker(&own);
    let others = world.deliveries(5).await;
    world.hint(&others).await;
    eventually("all is delivered", || async { world.count("delivered").await == 6 }).await;
    let posts = sink.posts();
    let pause = posts[2].at - posts[1].at;
    assert!(pause > Duration::from_secs(10), "not before the lease ends: {pause:?}");
    assert_eq!(posts[2].id, ids[0], "the oldest is the probe again");
    assert_eq!(posts.len(), 8);
    worker.stop().await;
    world.end().await;
}

/// "until it answers": any answer about the delivery is one, so refusals open nothing. 429 is not: it is
/// about the destination.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_an_answer_and_too_many_requests_is_not() {
    let world = World::new(Database::Sqlite).await;
    let refusals = [400, 404, 302, 410, 422];
    let (refusing, last) = (refusals.len(), refusals[0]);
    let answer = Arc::new(AtomicU16::new(last));
    let answers = answer.clone();
    let sink = Sink::start(move |_, _| Answer::Status(answers.load(Ordering::Relaxed)));
    let worker = world.worker(&[
        (ENDPOINT, &sink.url()),
        ("BILLING_CIRCUIT_AFTER", "2"),
        ("BILLING_PROBE", "1h"),
        ("BILLING_RETRY_INITIAL", "1h"),
    ]);
    for (place, status) in refusals.into_iter().enumerate() {
        answer.store(status, Ordering::Relaxed);
        world.deliveries(4).await;
        eventually("attempted", || async { sink.count() == 4 * (place + 1) }).await;
        eventually("recorded", || async { world.number(UNTRIED).await == 0 }).await;
    }
    assert_eq!((sink.count(), world.number(OPEN).await), (4 * refusing, 0));
    answer.store(429, Ordering::Relaxed);
    world.deliveries(20).await;
    eventually("the circuit is open", || async { world.number(OPEN).await == 1 }).await;
    worker.stop().await;
    world.end().await;
}
