//! Contract 1, "Topology", and the form of a parked message.

use std::collections::HashMap;

use futures_util::future::join_all;
use referral::broker::{
    BrokerError, Message, Outgoing, ParkBody, parked,
    topology::{
        self, BILLING, CREDITS, CREDITS_DEAD, DAILY_RECORDS, DAILY_RECORDS_DEAD, MAIL, UNROUTED,
    },
};
use tokio_util::sync::CancellationToken;

use super::{SINGLE, Site, event, ids, nothing_more, take};

#[tokio::test(flavor = "multi_thread")]
async fn every_key_reaches_its_queues_and_an_unknown_one_is_kept() {
    let site = Site::new().await;
    let publisher = site.publisher().await;
    let messages = vec![
        event("click", "click"),
        event("signup", "signup"),
        event("payment", "payment"),
        event("batch", "batch"),
        event("surprise", "surprise"),
        Outgoing::work("billing", "{}").with_message_id("delivery"),
        Outgoing::work("mail", "{}").with_message_id("letter"),
    ];
    for result in publisher.publish_all(messages).await {
        result.expect("confirmed");
    }
    let cases: [(&str, &[&str]); 5] = [
        (DAILY_RECORDS, &["click", "signup", "batch"]),
        (CREDITS, &["signup", "payment", "batch"]),
        (BILLING, &["delivery"]),
        (MAIL, &["letter"]),
        (UNROUTED, &["surprise"]),
    ];
    for (queue, expected) in cases {
        let mut session = site.consume(queue, 10).await;
        let got = take(&mut session, expected.len()).await;
        assert_eq!(ids(&got), expected, "{queue}");
        nothing_more(&mut session).await;
        session.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_may_declare_at_once() {
    let site = Site::new().await;
    let shutdown = CancellationToken::new();
    let brokers: Vec<_> = (0..8).map(|_| site.broker()).collect();
    let declared = join_all(brokers.iter().map(|b| b.declare(&shutdown))).await;
    assert_eq!(declared, vec![Ok(true); 8]);
    site.consume(CREDITS, 1).await.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_declared_otherwise_is_a_clear_refusal() {
    let site = Site::new().await;
    let queue = site.api.replace("/api/vhosts/", "/api/queues/") + "/referral.credits";
    let made = reqwest::Client::new()
        .put(queue)
        .json(&serde_json::json!({"durable": true, "arguments": {"x-queue-type": "quorum"}}))
        .send()
        .await;
    assert!(made.expect("the management API").status().is_success());
    let shutdown = CancellationToken::new();
    let refusals = [
        site.broker().consume(CREDITS, 1, &shutdown).await.map(|_| ()),
        site.broker().declare(&shutdown).await.map(|_| ()),
    ];
    for refusal in refusals {
        let refusal = refusal.expect_err("refused");
        let BrokerError::Topology { object, detail } = &refusal else {
            panic!("{refusal:?}");
        };
        assert_eq!(object, "queue referral.credits");
        assert!(detail.contains("x-de"), "names the argument: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_is_a_refusal_that_does_not_repeat_it() {
    let site = Site::new().await;
    let mut settings = site.settings();
    settings.url = "http://user:canary@host".into();
    let broker = referral::broker::Broker::new(settings);
    let refusal = broker.declare(&CancellationToken::new()).await;
    let refusal = refusal.expect_err("refused");
    assert_eq!(refusal, BrokerError::Address);
    assert!(!format!("{refusal} {refusal:?}").contains("canary"));
}

/// What a queue holds after `outgoing` was published, as it comes back.
async fn round_trip(site: &Site, outgoing: Outgoing, queue: &str) -> Message {
    site.publisher().await.publish(outgoing).await.expect("confirmed");
    let mut session = site.consume(queue, 1).await;
    let message = take(&mut session, 1).await.remove(0);
    session.ack_through(message.tag).await.expect("acknowledged");
    session.close().await;
    message
}

fn texts(message: &Message) -> HashMap<&str, &str> {
    let text = |name| message.headers.get_text(name).expect("text");
    let headers = message.headers.iter();
    headers.map(|(name, _)| (name, text(name))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_event_is_parked_whole() {
    let site = Site::new().await;
    let binary = Outgoing::event("click", "application/json", b"{\xff not json".to_vec())
        .with_message_id("m-1")
        .with_header("cloudEvents:id", "e-1")
        .with_header("cloudEvents_type", "referral.click.v1")
        .with_header("traceparent", "00-1-2-03")
        .with_header("tracestate", "a=b")
        .with_header("x-secret", "not carried on");
    let original = round_trip(&site, binary, DAILY_RECORDS).await;
    let first_seen = "2026-11-22T01:02:03Z";
    let whole = ParkBody::Whole;
    let detail = "d".repeat(5_000);
    let parking = parked(&original, "malformed_json", &detail, "daily-records", first_seen, whole);
    let kept = round_trip(&site, parking, DAILY_RECORDS_DEAD).await;
    assert_eq!(kept.body, original.body);
    assert_eq!(kept.content_type.as_deref(), Some("application/json"));
    assert_eq!(kept.message_id.as_deref(), Some("m-1"));
    assert_eq!(
        (kept.exchange.as_str(), kept.routing_key.as_str()),
        (topology::DEAD, DAILY_RECORDS)
    );
    let cut = "d".repeat(1_024);
    let expected = HashMap::from([
        ("cloudEvents:id", "e-1"),
        ("cloudEvents_type", "referral.click.v1"),
        ("traceparent", "00-1-2-03"),
        ("tracestate", "a=b"),
        ("x-reason", "malformed_json"),
        ("x-detail", cut.as_str()),
        ("x-worker", "daily-records"),
        ("x-first-seen", first_seen),
    ]);
    assert_eq!(texts(&kept), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_of_a_batch_is_parked_alone_under_a_stable_id() {
    let site = Site::new().await;
    let batch = Outgoing::event("batch", "application/cloudevents-batch+json", "[1,2]")
        .with_message_id("of the batch")
        .with_header("traceparent", "00-1-2-03")
        .with_header("cloudEvents:id", "no business here");
    let original = round_trip(&site, batch, CREDITS).await;
    let park = |event: &'static str| {
        let body = ParkBody::Event(event.as_bytes());
        parked(&original, "schema", "data.amount is missing.", "credits", "t", body)
    };
    let kept = round_trip(&site, park("1"), CREDITS_DEAD).await;
    assert_eq!(&kept.body[..], b"1");
    assert_eq!(kept.content_type.as_deref(), Some(SINGLE));
    assert_eq!(texts(&kept)["traceparent"], "00-1-2-03");
    assert!(!texts(&kept).contains_key("cloudEvents:id"));
    assert_eq!(kept.message_id, park("1").message_id, "the same again");
    assert_ne!(kept.message_id, park("2").message_id, "not its neighbour's");
    assert_ne!(kept.message_id.as_deref(), Some("of the batch"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_the_cap_can_be_parked_whole() {
    let site = Site::new().await;
    let mut settings = site.settings();
    settings.max_message = 10;
    let small = referral::broker::Broker::new(settings).publisher(CancellationToken::new());
    let original =
        round_trip(&site, Outgoing::event("signup", SINGLE, "x".repeat(11)), CREDITS).await;
    let parking = parked(&original, "too_large", "It is.", "credits", "t", ParkBody::Whole);
    assert!(parking.message_id.is_some(), "made where there was none");
    assert_eq!(small.publish(parking).await, Ok(()));
}
