//! Deliveries leave, once, as contract 6 says, whoever tells of them.
use std::{collections::BTreeMap, time::Duration};

use crate::{
    on_every_database,
    support::{
        sink::{Answer, Sink},
        world::{World, a_while, eventually},
    },
};

const SECRETS: [&str; 2] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];

on_every_database!(
    a_hint_is_delivered_once,
    the_json_format,
    without_a_hint_the_sweep_delivers,
    without_a_broker_the_sweep_delivers,
    two_processes_deliver_each_once,
    without_an_endpoint_deliveries_wait,
    what_is_no_hint_is_parked,
);

async fn a_hint_is_delivered_once(world: World) {
    let sink = Sink::start(|_, _| Answer::Status(204));
    let secrets = SECRETS.join(",");
    let worker = world.worker(&[
        ("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url()),
        ("WEBHOOK_SECRETS", &secrets),
    ]);
    let ids = world.deliveries(1).await;
    world.hint(&ids).await;
    world.hint(&ids).await;
    let seen = world.becomes(&ids[0], "delivered").await;
    assert_eq!((seen.attempts, seen.lease, seen.delivered), (1, None, true));
    a_while().await;
    let posts = sink.posts();
    assert_eq!(posts.len(), 1, "{posts:?}");
    let post = &posts[0];
    assert_eq!(post.path, "/credit/alice");
    assert_eq!(post.body, "amount=10.00&program_name=Default&user_indicator_hash=bob");
    for (name, value) in [
        ("webhook-id", ids[0].as_str()),
        ("idempotency-key", ids[0].as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
        ("user-agent", concat!("referral-billing/", env!("CARGO_PKG_VERSION"))),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("accept-encoding", ""),
    ] {
        assert_eq!(post.header(name), value, "{name}");
    }
    assert_eq!(post.header("webhook-signature").split(' ').count(), 2);
    for secret in SECRETS {
        let webhook = standardwebhooks::Webhook::new(secret).unwrap();
        webhook.verify(post.body.as_bytes(), &post.headers).unwrap();
    }
    let attempts = world.attempts(&ids[0]).await;
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].int("status").unwrap(), 204);
    assert_eq!(attempts[0].text_or_null("error").unwrap(), None);
    let metrics = worker.context.metrics.text();
    assert!(metrics.contains("result=\"delivered\"} 1"), "{metrics}");
    worker.stop().await;
    eventually("hints acknowledged", || async { world.queued("referral.billing").await == 0 })
        .await;
    world.end().await;
}

async fn the_json_format(world: World) {
    let sink = Sink::start(|_, _| Answer::Status(200));
    let endpoint = format!("{}?user=%s&x=1", sink.url());
    let worker = world
        .worker(&[("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &endpoint), ("BILLING_FORMAT", "json")]);
    let ids = world.deliveries(1).await;
    world.hint(&ids).await;
    world.becomes(&ids[0], "delivered").await;
    let post = &sink.posts()[0];
    assert_eq!(post.path, "/credit?user=alice&x=1");
    assert_eq!(post.header("content-type"), "application/json");
    assert_eq!(post.header("webhook-signature"), "", "no secret, no signature");
    let body: serde_json::Value = serde_json::from_str(&post.body).unwrap();
    assert_eq!(body["type"], "credit.granted");
    assert_eq!(body["data"]["delivery_id"], ids[0]);
    assert_eq!(body["data"]["amount"], "10.00");
    worker.stop().await;
    world.end().await;
}

async fn without_a_hint_the_sweep_delivers(world: World) {
    let sink = Sink::start(|_, _| Answer::Status(200));
    let worker = world.worker(&[
        ("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url()),
        ("BILLING_CONCURRENCY", "2"),
    ]);
    let ids = world.deliveries(9).await;
    eventually("all delivered", || async { world.count("delivered").await == 9 }).await;
    assert_eq!(sink.posts().len(), ids.len());
    worker.stop().await;
    world.end().await;
}

async fn without_a_broker_the_sweep_delivers(world: World) {
    let sink = Sink::start(|_, _| Answer::Status(200));
    let worker = world.worker(&[
        ("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url()),
        ("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/%2f"),
    ]);
    let ids = world.deliveries(3).await;
    eventually("all delivered", || async { world.count("delivered").await == 3 }).await;
    assert_eq!(sink.posts().len(), ids.len());
    worker.stop().await;
    world.end().await;
}

async fn two_processes_deliver_each_once(world: World) {
    let sink = Sink::start(|_, _| Answer::Status(200));
    let own = [("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", sink.url())];
    let own = own.each_ref().map(|(name, value)| (*name, value.as_str()));
    let workers = [world.worker(&own), world.worker(&own)];
    let ids = world.deliveries(500).await;
    for some in ids.chunks(7) {
        world.hint(some).await;
    }
    eventually("all delivered", || async { world.count("delivered").await == 500 }).await;
    a_while().await;
    let mut ledger = BTreeMap::new();
    for post in sink.posts() {
        *ledger.entry(post.id).or_insert(0) += 1;
    }
    assert_eq!(ledger.len(), ids.len());
    assert!(ledger.values().all(|times| *times == 1), "{ledger:?}");
    for worker in workers {
        worker.stop().await;
    }
    eventually("hints acknowledged", || async { world.queued("referral.billing").await == 0 })
        .await;
    world.end().await;
}

async fn without_an_endpoint_deliveries_wait(world: World) {
    let worker = world.worker(&[]);
    let ids = world.deliveries(2).await;
    world.hint(&ids).await;
    a_while().await;
    for id in &ids {
        let seen = world.seen(id).await;
        assert_eq!((seen.state.as_str(), seen.attempts, seen.lease), ("pending", 0, None));
    }
    worker.stop().await;
    eventually("hints acknowledged", || async { world.queued("referral.billing").await == 0 })
        .await;
    let sink = Sink::start(|_, _| Answer::Status(200));
    let worker = world.worker(&[("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url())]);
    eventually("all delivered", || async { world.count("delivered").await == 2 }).await;
    worker.stop().await;
    world.end().await;
}

async fn what_is_no_hint_is_parked(world: World) {
    let sink = Sink::start(|_, _| Answer::Status(200));
    let worker = world.worker(&[("ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP", &sink.url())]);
    world.publish("{\"deliveries\":").await;
    world.publish("{\"deliveries\":[1]}").await;
    let ids = world.deliveries(1).await;
    world.hint(&ids).await;
    world.becomes(&ids[0], "delivered").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let parked = world.get("referral.billing.dead").await;
    let reasons: Vec<_> = parked
        .iter()
        .map(|message| message["properties"]["headers"]["x-reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, ["malformed_json", "schema"]);
    assert_eq!(parked[0]["payload"], "{\"deliveries\":");
    worker.stop().await;
    eventually("all acknowledged", || async { world.queued("referral.billing").await == 0 }).await;
    world.end().await;
}
