//! The broker room against a real broker.
//!
//! Each test has a virtual host of its own. `faults` boots a private node, because it breaks it.

mod consuming;
mod faults;
mod ghosts;
mod publishing;
mod topology;

use std::time::Duration;

use referral::broker::{Broker, BrokerSettings, Message, Outgoing, Publisher, Session};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::harness::{environment, http};

const SINGLE: &str = "application/cloudevents+json";

/// Far more than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A virtual host for one test, removed at its end.
struct Site {
    url: String,
    api: String,
    vhost: String,
}

impl Site {
    async fn new() -> Self {
        Self::on(&environment::amqp_url(), &environment::rabbitmq_api()).await
    }

    async fn on(amqp: &str, api: &str) -> Self {
        let vhost = format!("test-{}", Uuid::new_v4());
        let (base, _) = amqp.rsplit_once('/').expect("an AMQP URL with a virtual host");
        let site = Self {
            url: format!("{base}/{vhost}"),
            api: format!("{api}/api/vhosts/{vhost}"),
            vhost,
        };
        let made = http::client().put(&site.api).send().await;
        assert!(made.expect("the management API").status().is_success());
        site
    }

    fn settings(&self) -> BrokerSettings {
        BrokerSettings::new(&self.url, "test")
    }

    fn broker(&self) -> Broker {
        Broker::new(self.settings())
    }

    /// A publisher that is connected.
    async fn publisher(&self) -> Publisher {
        let publisher = self.broker().publisher(CancellationToken::new());
        until("the publisher is connected", async || publisher.is_ready()).await;
        publisher
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Session {
        let shutdown = CancellationToken::new();
        let session = self.broker().consume(queue, prefetch, &shutdown).await;
        session.expect("no refusal").expect("no shutdown")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let url = self.api.clone();
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|r| r.block_on(async { http::client().delete(url).send().await }))
        });
        let _ = removing.join();
    }
}

/// Waits until it is so.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(PATIENCE, waiting).await.is_ok(), "never: {what}");
}

fn event(key: &str, id: &str) -> Outgoing {
    Outgoing::event(key, SINGLE, format!(r#"{{"id":"{id}"}}"#)).with_message_id(id)
}

/// The next `n` messages, unacknowledged.
async fn take(session: &mut Session, n: usize) -> Vec<Message> {
    let mut taken = Vec::with_capacity(n);
    for i in 0..n {
        let next = timeout(PATIENCE, session.next()).await;
        let next = next.unwrap_or_else(|_| panic!("only {i} of {n} messages came"));
        taken.push(next.expect("the session lasts"));
    }
    taken
}

/// Asserts that nothing more arrives in a while.
async fn nothing_more(session: &mut Session) {
    let more = timeout(Duration::from_millis(300), session.next()).await;
    assert!(more.is_err(), "unexpected: {more:?}");
}

fn ids(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|m| m.message_id.as_deref().unwrap_or("")).collect()
}
