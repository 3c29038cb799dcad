//! The events of the benchmarks, and how they get into the queues: through the exchange, confirmed.
use std::fmt::Write as _;

use anyhow::Context as _;
use chrono_tz::Tz;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use referral::{
    broker::{
        Outgoing,
        envelope::{BATCH, SINGLE},
    },
    clock::Clock,
    domain::{EventType, Micros},
};
use uuid::Uuid;

use crate::ground::Ground;

/// Messages that are published together.
const WINDOW: usize = 1_000;
const WINDOWS: usize = 2;
/// Users who refer all others: the first.
pub const REFERRERS: usize = 100;

/// A backlog.
#[derive(Debug, Clone, Copy)]
pub struct Backlog {
    /// Which events.
    pub kind: EventType,
    /// How many.
    pub events: usize,
    /// Events a message.
    pub grouped: usize,
    /// Distinct codes or users.
    pub names: usize,
}

impl Backlog {
    /// Clicks, one a message.
    pub const fn clicks(events: usize, codes: usize) -> Self {
        Self { kind: EventType::Click, events, grouped: 1, names: codes }
    }

    /// Publishes it; every message is confirmed.
    pub async fn publish(&self, ground: &Ground) -> anyhow::Result<()> {
        let windows = (0..self.events).step_by(WINDOW * self.grouped).map(|from| {
            let until = self.events.min(from + WINDOW * self.grouped);
            let messages = self.messages(from..until);
            async move {
                let results = ground.publisher.publish_all(messages).await;
                results.into_iter().collect::<Result<Vec<()>, _>>().context("publishing")
            }
        });
        stream::iter(windows).buffered(WINDOWS).try_for_each(|_| async { Ok(()) }).await
    }

    /// The same, into the bare drain's queue as well.
    pub async fn publish_to_drain(&self, ground: &Ground) -> anyhow::Result<()> {
        ground.bind().await?;
        let published = self.publish(ground).await;
        ground.unbind().await?;
        published
    }

    /// The messages of some of its events.
    pub fn messages(&self, numbers: std::ops::Range<usize>) -> Vec<Outgoing> {
        let numbers: Vec<usize> = numbers.collect();
        let messages = numbers.chunks(self.grouped).map(|numbers| {
            let events: Vec<String> = numbers.iter().map(|n| self.event(*n)).collect();
            let (content_type, body) = match &events[..] {
                [event] if self.grouped == 1 => (SINGLE, event.clone()),
                events => (BATCH, format!("[{}]", events.join(","))),
            };
            Outgoing::event(self.kind.routing_key(), content_type, body)
        });
        messages.collect()
    }

    /// One event of now; its number decides who it is about.
    pub fn event(&self, number: usize) -> String {
        self.event_at(number, Uuid::now_v7(), Clock::system().now())
    }

    /// The same with this id, at this time.
    pub fn event_at(&self, number: usize, id: Uuid, time: Micros) -> String {
        let name = number % self.names;
        let mut data = String::new();
        let _ = match self.kind {
            EventType::Click => write!(
                data,
                r#""code":"{}","ip":"203.0.113.{}","user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0""#,
                code(name),
                number % 250,
            ),
            EventType::Signup if name < REFERRERS => {
                write!(data, r#""user_hash":"user-{name}","email":"user-{name}@example.com""#)
            }
            EventType::Signup => write!(
                data,
                r#""user_hash":"user-{name}","user_indicator":"user-{}","email":"user-{name}@example.com""#,
                name % REFERRERS,
            ),
            EventType::Payment => write!(data, r#""user_hash":"user-{name}","amount":"0.01""#),
        };
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/bench","type":"{}","time":"{}","data":{{{data}}}}}"#,
            self.kind.as_str(),
            time.rfc3339(Tz::UTC),
        )
    }
}

/// The code with this number.
pub fn code(number: usize) -> String {
    format!("{number:020x}")
}
