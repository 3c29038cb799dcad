//! A try to consume that is given up leaves nothing behind: a consumer that nobody reads would keep its
//! share of the messages until the broker's own time-out.
use std::time::Duration;

use referral::broker::{Broker, BrokerSettings, topology::CREDITS};
use tokio_util::sync::CancellationToken;

use super::{Site, event, ids, take, until};
use crate::harness::{
    http,
    proxy::{Proxy, Strike},
};

/// AMQP's class and method of `basic.consume`.
const CONSUME: [u8; 4] = [0, 60, 0, 20];

#[tokio::test(flavor = "multi_thread")]
async fn a_try_to_consume_that_was_given_up_is_no_consumer_when_the_answer_comes() {
    let site = Site::new().await;
    let proxy = Proxy::before(&site.url).await;
    proxy.strike(&CONSUME, Strike::Withhold);
    let settings = BrokerSettings {
        try_timeout: Duration::from_secs(2),
        ..BrokerSettings::new(proxy.url(&site.url), "test")
    };
    let shutdown = CancellationToken::new();
    let session = Broker::new(settings).consume(CREDITS, 20, &shutdown).await;
    let mut session = session.expect("no refusal").expect("no shutdown");
    assert_eq!(proxy.struck(), 1, "the second try was answered");
    proxy.heal();
    let queue = site.api.replace("/api/vhosts/", "/api/queues/") + "/referral.credits";
    until("one consumer", async || {
        let answer = http::client().get(&queue).send().await.expect("the management API");
        let told: serde_json::Value = answer.json().await.expect("JSON");
        told["consumers"] == 1
    })
    .await;
    let publisher = site.publisher().await;
    for n in 0..20 {
        publisher.publish(event("payment", &n.to_string())).await.expect("confirmed");
    }
    let all: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!(ids(&take(&mut session, 20).await), all, "nobody else was given any");
}
