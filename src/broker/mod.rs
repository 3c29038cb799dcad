//! The broker room: the only place that knows lapin.
//!
//! Owns the topology (contract 1), connections and their repair, consuming with one batch
//! acknowledgement, publishing with confirms, request and reply, and the form of a parked message.
//! Refuses to know what an event means, any database, and HTTP.
//!
//! Reading order: [`topology`], [`message`], [`outgoing`], [`hints`], [`addresses`], [`connection`], [`consumer`], [`publisher`] (its task
//! in
//! `dispatch` and `window`), [`parking`], [`walk`], [`replay`], [`sweep`]; [`counts`] and [`depths`] are what
//! `/metrics` and the dashboard show of it.

pub mod addresses;
pub mod compose;
pub mod connection;
pub mod consumer;
pub mod counts;
pub mod depths;
mod dispatch;
pub mod envelope;
pub mod hints;
pub mod message;
pub mod outgoing;
pub mod pace;
pub mod parking;
pub mod publisher;
pub mod replay;
pub mod sweep;
pub mod topology;
pub mod walk;
mod window;

pub use connection::{Broker, BrokerError, BrokerSettings};
pub use consumer::{Lost, Session};
pub use counts::Counts;
pub use depths::Depth;
pub use message::{HeaderValue, Headers, Message};
pub use outgoing::Outgoing;
pub use parking::{ParkBody, parked};
pub use publisher::{PublishError, Publisher};
pub use walk::Walk;
