//! Contract 1, "Topology": every name, one table, and its declaration.
//!
//! Owns what exists on the broker. Refuses to delete, or to change what exists: a queue declared with
//! other arguments is a refusal ([`BrokerError::Topology`](super::BrokerError)), for a person to
//! resolve.

use lapin::{
    Channel,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::connection::Failure;
use crate::domain::EventType;

/// The topic exchange that takes every event.
pub const EVENTS: &str = "referral.events";
/// The direct exchange of internal commands.
pub const WORK: &str = "referral.work";
/// The topic exchange of what could not be processed; key: the name of the queue it came from.
pub const DEAD: &str = "referral.dead";
/// The fanout exchange, and its queue, of events whose key nobody binds.
pub const UNROUTED: &str = "referral.unrouted";

/// The queue of the worker daily-records: clicks and signups.
pub const DAILY_RECORDS: &str = "referral.daily-records";
/// The queue of the worker credits: signups and payments.
pub const CREDITS: &str = "referral.credits";
/// The queue of the worker billing: deliveries.
pub const BILLING: &str = "referral.billing";
/// The queue of the worker mail: letters.
pub const MAIL: &str = "referral.mail";

/// Parked messages of daily-records.
pub const DAILY_RECORDS_DEAD: &str = "referral.daily-records.dead";
/// Parked messages of credits.
pub const CREDITS_DEAD: &str = "referral.credits.dead";
/// Parked messages of billing.
pub const BILLING_DEAD: &str = "referral.billing.dead";
/// Parked messages of mail.
pub const MAIL_DEAD: &str = "referral.mail.dead";

/// Routing key of messages of clicks alone.
pub const KEY_CLICK: &str = EventType::Click.routing_key();
/// Routing key of messages of signups alone.
pub const KEY_SIGNUP: &str = EventType::Signup.routing_key();
/// Routing key of messages of payments alone.
pub const KEY_PAYMENT: &str = EventType::Payment.routing_key();
/// Routing key of batches that mix types.
pub const KEY_BATCH: &str = "batch";
/// Routing key, on [`WORK`], of deliveries.
pub const KEY_BILLING: &str = "billing";
/// Routing key, on [`WORK`], of letters.
pub const KEY_MAIL: &str = "mail";

/// Where a worker's parked messages are, and where they go back to when they are replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parked {
    /// The worker's name, as in `x-worker`.
    pub worker: &'static str,
    /// Its dead queue.
    pub queue: &'static str,
    /// The exchange that its messages came by.
    pub exchange: &'static str,
    /// The key under which this very worker parks what nobody can make sense of.
    pub key: &'static str,
}

/// Of all workers.
pub const PARKED: [Parked; 4] = [
    parked("daily-records", DAILY_RECORDS_DEAD, EVENTS, KEY_CLICK),
    parked("credits", CREDITS_DEAD, EVENTS, KEY_BATCH),
    parked("billing", BILLING_DEAD, WORK, KEY_BILLING),
    parked("mail", MAIL_DEAD, WORK, KEY_MAIL),
];

impl Parked {
    /// That of the worker of this name.
    pub fn of(worker: &str) -> Option<Self> {
        PARKED.into_iter().find(|parked| parked.worker == worker)
    }
}

const fn parked(
    worker: &'static str,
    queue: &'static str,
    exchange: &'static str,
    key: &'static str,
) -> Parked {
    Parked { worker, queue, exchange, key }
}

/// Deliveries after which a work queue gives a message up, dead-lettered by the broker: so many that
/// restarts never reach it.
pub const WORK_DELIVERY_LIMIT: i64 = 1_000;
/// The same for queues that keep messages for a person: never. (From version 4 the broker defaults to 20.)
pub const KEPT_DELIVERY_LIMIT: i64 = 1_000_000_000;

/// How an exchange routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By equal key.
    Direct,
    /// To all.
    Fanout,
    /// By pattern.
    Topic,
}

/// A durable exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// Its name.
    pub name: &'static str,
    /// How it routes.
    pub kind: Kind,
    /// Where what it cannot route goes.
    pub alternate: Option<&'static str>,
}

/// What a queue is for; decides its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Workers consume it; given-up messages go to [`DEAD`] with the queue's name as key.
    Work,
    /// Messages stay until a person acts.
    Kept,
}

/// A durable quorum queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub role: Role,
}

/// A binding of a queue to an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// From.
    pub exchange: &'static str,
    /// Which.
    pub key: &'static str,
    /// To.
    pub queue: &'static str,
}

/// Everything the broker must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topology {
    /// In an order in which alternates come first.
    pub exchanges: &'static [Exchange],
    /// All queues.
    pub queues: &'static [Queue],
    /// All bindings.
    pub bindings: &'static [Binding],
}

/// The table of contract 1.
pub const fn topology() -> Topology {
    Topology { exchanges: EXCHANGES, queues: QUEUES, bindings: BINDINGS }
}

const EXCHANGES: &[Exchange] = &[
    exchange(UNROUTED, Kind::Fanout, None),
    exchange(DEAD, Kind::Topic, None),
    exchange(WORK, Kind::Direct, None),
    exchange(EVENTS, Kind::Topic, Some(UNROUTED)),
];

// What a queue dead-letters to comes before the queue.
const QUEUES: &[Queue] = &[
    queue(UNROUTED, Role::Kept),
    queue(DAILY_RECORDS_DEAD, Role::Kept),
    queue(CREDITS_DEAD, Role::Kept),
    queue(BILLING_DEAD, Role::Kept),
    queue(MAIL_DEAD, Role::Kept),
    queue(DAILY_RECORDS, Role::Work),
    queue(CREDITS, Role::Work),
    queue(BILLING, Role::Work),
    queue(MAIL, Role::Work),
];

const BINDINGS: &[Binding] = &[
    bind(UNROUTED, "", UNROUTED),
    bind(DEAD, DAILY_RECORDS, DAILY_RECORDS_DEAD),
    bind(DEAD, CREDITS, CREDITS_DEAD),
    bind(DEAD, BILLING, BILLING_DEAD),
    bind(DEAD, MAIL, MAIL_DEAD),
    bind(WORK, KEY_BILLING, BILLING),
    bind(WORK, KEY_MAIL, MAIL),
    bind(EVENTS, KEY_CLICK, DAILY_RECORDS),
    bind(EVENTS, KEY_SIGNUP, DAILY_RECORDS),
    bind(EVENTS, KEY_BATCH, DAILY_RECORDS),
    bind(EVENTS, KEY_SIGNUP, CREDITS),
    bind(EVENTS, KEY_PAYMENT, CREDITS),
    bind(EVENTS, KEY_BATCH, CREDITS),
];

const fn exchange(name: &'static str, kind: Kind, alternate: Option<&'static str>) -> Exchange {
    Exchange { name, kind, alternate }
}

const fn queue(name: &'static str, role: Role) -> Queue {
    Queue { name, role }
}

const fn bind(exchange: &'static str, key: &'static str, queue: &'static str) -> Binding {
    Binding { exchange, key, queue }
}

/// Declares the whole table, in its order. Repeating it changes nothing; several programs may do it
/// at once.
pub(super) async fn declare(channel: &Channel) -> Result<(), Failure> {
    let table = topology();
    for exchange in table.exchanges {
        declare_exchange(channel, exchange)
            .await
            .map_err(|e| Failure::of_declaration(format!("exchange {}", exchange.name), &e))?;
    }
    for queue in table.queues {
        declare_queue(channel, queue)
            .await
            .map_err(|e| Failure::of_declaration(format!("queue {}", queue.name), &e))?;
    }
    for binding in table.bindings {
        let Binding { exchange, key, queue } = *binding;
        channel
            .queue_bind(
                queue.into(),
                exchange.into(),
                key.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .map_err(|e| {
                Failure::of_declaration(format!("binding {exchange} -{key}-> {queue}"), &e)
            })?;
    }
    Ok(())
}

async fn declare_exchange(channel: &Channel, exchange: &Exchange) -> lapin::Result<()> {
    let kind = match exchange.kind {
        Kind::Direct => lapin::ExchangeKind::Direct,
        Kind::Fanout => lapin::ExchangeKind::Fanout,
        Kind::Topic => lapin::ExchangeKind::Topic,
    };
    let mut arguments = FieldTable::default();
    if let Some(alternate) = exchange.alternate {
        arguments.insert("alternate-exchange".into(), text(alternate));
    }
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(exchange.name.into(), kind, options, arguments).await
}

async fn declare_queue(channel: &Channel, queue: &Queue) -> lapin::Result<()> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.name.into(), options, arguments(queue)).await.map(|_| ())
}

fn arguments(queue: &Queue) -> FieldTable {
    let mut table = FieldTable::default();
    table.insert("x-queue-type".into(), text("quorum"));
    let limit = match queue.role {
        Role::Kept => KEPT_DELIVERY_LIMIT,
        Role::Work => WORK_DELIVERY_LIMIT,
    };
    table.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(limit));
    if queue.role == Role::Work {
        table.insert("x-dead-letter-exchange".into(), text(DEAD));
        table.insert("x-dead-letter-routing-key".into(), text(queue.name));
        table.insert("x-dead-letter-strategy".into(), text("at-least-once"));
        table.insert("x-overflow".into(), text("reject-publish"));
    }
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_work_queue_has_a_dead_queue_bound_to_its_name() {
        let table = topology();
        for queue in table.queues.iter().filter(|q| q.role == Role::Work) {
            let dead = format!("{}.dead", queue.name);
            let binding = table.bindings.iter().find(|b| b.queue == dead);
            let binding = binding.unwrap_or_else(|| panic!("{dead} is bound to nothing"));
            assert_eq!((binding.exchange, binding.key), (DEAD, queue.name));
        }
    }

    #[test]
    fn what_any_worker_parked_can_be_replayed_to_it() {
        let table = topology();
        let work: Vec<_> = table.queues.iter().filter(|q| q.role == Role::Work).collect();
        assert_eq!(work.len(), PARKED.len());
        for (queue, parked) in work.into_iter().zip(PARKED) {
            assert_eq!(queue.name, format!("referral.{}", parked.worker));
            assert_eq!(parked.queue, format!("{}.dead", queue.name));
            let back = |b: &&Binding| (b.exchange, b.key) == (parked.exchange, parked.key);
            assert!(table.bindings.iter().filter(back).any(|b| b.queue == queue.name));
        }
    }

    #[test]
    fn every_binding_names_what_is_declared() {
        let table = topology();
        for binding in table.bindings {
            assert!(table.exchanges.iter().any(|e| e.name == binding.exchange));
            assert!(table.queues.iter().any(|q| q.name == binding.queue));
        }
    }
}
