//! What the receiver answers decides what comes next (contract 6, "Retries").
use std::time::Duration;

use bytes::Bytes;

use crate::{
    on_every_database,
    support::{
        sink::{Answer, Sink},
        world::{World, a_while},
    },
};

on_every_database!(
    a_failure_is_tried_again_on_schedule,
    the_next_attempt_is_due_no_later_than_half_as_long_again,
    gone_is_dead_at_once,
    too_long_is_dead,
    retry_after_is_obeyed,
    a_huge_answer_is_cut,
    a_success_that_drips_is_a_success,
    a_broken_exchange_is_repeated_with_the_same_id,
);

async fn a_failure_is_tried_again_on_schedule(world: World) {
    let sink = Sink::start(|_, before| Answer::Status([500, 302, 200][before]));
    let worker = world.worker(&[("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url())]);
    let ids = world.deliveries(1).await;
    world.hint(&ids).await;
    let seen = world.becomes(&ids[0], "delivered").await;
    assert_eq!(seen.attempts, 3);
    let posts = sink.posts();
    assert_eq!(posts.len(), 3);
    assert!(posts.iter().all(|post| post.id == ids[0] && post.body == posts[0].body));
    // At the earliest; how late it is due is the next test's, and the rest the tests' machine.
    for (pair, pause_ms) in posts.windows(2).zip([200, 800]) {
        let pause = pair[1].at - pair[0].at;
        let wanted = Duration::from_millis(pause_ms);
        assert!(pause >= wanted, "{pause:?} < {wanted:?}");
    }
    let attempts = world.attempts(&ids[0]).await;
    let statuses: Vec<_> = attempts.iter().map(|row| row.int("status").unwrap()).collect();
    assert_eq!(statuses, [500, 302, 200]);
    assert_eq!(attempts[0].text("answer").unwrap(), "answer");
    worker.stop().await;
    world.end().await;
}

async fn the_next_attempt_is_due_no_later_than_half_as_long_again(world: World) {
    let sink = Sink::start(|_, _| Answer::Status(500));
    // So long that nothing moves while it is looked at.
    let worker = world.worker(&[
        ("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url()),
        ("BILLING_RETRY_INITIAL", "1h"),
    ]);
    let ids = world.deliveries(1).await;
    world.hint(&ids).await;
    let attempt = world.first_attempt(&ids[0]).await;
    let ended = attempt.int("time_us").unwrap() + attempt.int("duration_us").unwrap();
    let pause_us = world.seen(&ids[0]).await.next_attempt_us - ended;
    assert!((3_600_000_000..=5_400_000_000).contains(&pause_us), "{pause_us}");
    assert_eq!(sink.posts().len(), 1);
    worker.stop().await;
    world.end().await;
}

async fn gone_is_dead_at_once(world: World) {
    let sink = Sink::start(|_, _| Answer::Status(410));
    let worker = world.worker(&[("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url())]);
    let ids = world.deliveries(1).await;
    world.hint(&ids).await;
    let seen = world.becomes(&ids[0], "dead").await;
    assert_eq!((seen.attempts, seen.delivered), (1, false));
    a_while().await;
    assert_eq!(sink.posts().len(), 1);
    worker.stop().await;
    world.end().await;
}

async fn too_long_is_dead(world: World) {
    let sink = Sink::start(|_, _| Answer::Status(500));
    let worker = world.worker(&[
        ("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url()),
        ("BILLING_RETRY_MAX", "200ms"),
        ("BILLING_RETRY_FOR", "1s"),
    ]);
    let ids = world.deliveries(1).await;
    world.hint(&ids).await;
    let seen = world.becomes(&ids[0], "dead").await;
    let posts = sink.posts();
    assert_eq!(seen.attempts as usize, posts.len());
    assert!(posts.len() >= 2, "it was tried again");
    worker.stop().await;
    world.end().await;
}

async fn retry_after_is_obeyed(world: World) {
    let sink = Sink::start(|_, before| match before {
        0 => Answer::With(429, "retry-after", "2".to_owned()),
        1 => Answer::With(503, "retry-after", "99999999".to_owned()),
        _ => Answer::Status(200),
    });
    let worker = world.worker(&[
        ("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url()),
        // By the schedule alone the retries would come at once.
        ("BILLING_RETRY_INITIAL", "1ms"),
        ("BILLING_RETRY_MAX", "3s"),
    ]);
    let ids = world.deliveries(1).await;
    world.hint(&ids).await;
    world.becomes(&ids[0], "delivered").await;
    let posts = sink.posts();
    let pauses: Vec<_> = posts.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    for (pause, seconds) in pauses.iter().zip([2, 3]) {
        assert!(*pause >= Duration::from_secs(seconds), "{pauses:?}");
    }
    worker.stop().await;
    world.end().await;
}

async fn a_huge_answer_is_cut(world: World) {
    let sink = Sink::start(|_, before| {
        let huge = Bytes::from(vec![if before == 0 { 0xff } else { b'x' }; 1 << 20]);
        Answer::Body([500, 200][before], huge)
    });
    let worker = world.worker(&[("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url())]);
    let ids = world.deliveries(1).await;
    world.hint(&ids).await;
    world.becomes(&ids[0], "delivered").await;
    let attempts = world.attempts(&ids[0]).await;
    let answers: Vec<_> = attempts.iter().map(|row| row.text("answer").unwrap()).collect();
    assert_eq!(answers, ["\u{fffd}".repeat(1024), "x".repeat(1024)]);
    worker.stop().await;
    world.end().await;
}

async fn a_success_that_drips_is_a_success(world: World) {
    let sink = Sink::start(|_, before| Answer::Drip([503, 200][before]));
    let worker = world.worker(&[
        ("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url()),
        ("BILLING_TIMEOUT", "700ms"),
    ]);
    let ids = world.deliveries(1).await;
    world.hint(&ids).await;
    world.becomes(&ids[0], "delivered").await;
    let attempts = world.attempts(&ids[0]).await;
    for attempt in &attempts {
        let duration = attempt.int("duration_us").unwrap();
        assert!((690_000..1_200_000).contains(&duration), "one deadline for all: {duration}");
        assert!(attempt.text("answer").unwrap().starts_with(".."));
    }
    assert_eq!(attempts.len(), 2);
    worker.stop().await;
    world.end().await;
}

async fn a_broken_exchange_is_repeated_with_the_same_id(world: World) {
    let sink = Sink::start(|_, before| match before {
        0 => Answer::Reset,
        1 => Answer::Gated(200),
        _ => Answer::Status(200),
    });
    let worker = world.worker(&[
        ("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url()),
        ("BILLING_TIMEOUT", "500ms"),
    ]);
    let ids = world.deliveries(1).await;
    world.hint(&ids).await;
    world.becomes(&ids[0], "delivered").await;
    assert_eq!(sink.posts_of(&ids[0]).len(), 3);
    let attempts = world.attempts(&ids[0]).await;
    for attempt in &attempts[..2] {
        assert_eq!(attempt.int_or_null("status").unwrap(), None);
        let error = attempt.text("error").unwrap();
        assert!(!error.is_empty() && !error.contains("alice"), "{error}");
    }
    worker.stop().await;
    world.end().await;
}
