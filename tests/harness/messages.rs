//! The three forms in which facts travel (contract 1, "Envelope").
use referral::broker::Outgoing;
use serde_json::Value;

use crate::model::fact::Fact;

/// One event, CloudEvents JSON.
pub const SINGLE: &str = "application/cloudevents+json";
/// An array of them.
pub const BATCH: &str = "application/cloudevents-batch+json";
/// The data alone.
pub const BINARY: &str = "application/json";

/// A fact as a message of its own.
pub fn single(fact: &Fact, domain: &str) -> Outgoing {
    Outgoing::event(fact.key(), SINGLE, fact.event(domain).to_string())
}

/// A fact's data as a message, its attributes as headers, written with `:` or `_`.
pub fn binary(fact: &Fact, domain: &str, separator: char) -> Outgoing {
    let event = fact.event(domain);
    let message = Outgoing::event(fact.key(), BINARY, event["data"].to_string());
    let attributes =
        event.as_object().expect("an event").iter().filter(|(name, _)| *name != "data");
    attributes.fold(message, |message, (name, value)| {
        let text = value.as_str().expect("a text");
        message.with_header(format!("cloudEvents{separator}{name}"), text)
    })
}

/// Facts as one message: under their type's key where they share it, else under `batch`.
pub fn batch(facts: &[&Fact], domain: &str) -> Outgoing {
    let key = facts[0].key();
    let key = if facts.iter().all(|fact| fact.key() == key) { key } else { "batch" };
    let events: Vec<Value> = facts.iter().map(|fact| fact.event(domain)).collect();
    Outgoing::event(key, BATCH, Value::from(events).to_string())
}

/// Facts cut into messages: the numbers say, over and over, how many go together; 1 is a single
/// event, 0 a single event in binary mode.
pub fn cut(facts: &[&Fact], sizes: &[usize], domain: &str) -> Vec<Outgoing> {
    let mut rest = facts;
    let mut messages = Vec::new();
    for size in sizes.iter().cycle() {
        let (now, later) = rest.split_at((*size).max(1).min(rest.len()));
        match (size, now) {
            (_, []) => return messages,
            (0, [fact]) => messages.push(binary(fact, domain, ':')),
            (1, [fact]) => messages.push(single(fact, domain)),
            (_, several) => messages.push(batch(several, domain)),
        }
        rest = later;
    }
    messages
}
