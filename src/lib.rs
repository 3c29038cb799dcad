//! A message-driven referral pipeline: clicks, signups and payments come in as CloudEvents over
//! RabbitMQ; workers turn them into daily records, credits and billing calls.
//!
//! The map of the house, in reading order:
//!
//! | room | what it owns |
//! | --- | --- |
//! | [`domain`] | pure types and rules |
//! | [`broker`] | the only room that knows RabbitMQ |
//! | [`store`] | the only room that knows SQL databases |
//! | [`worker`] | the loop that workers of events share: collect, decode, one transaction, settle |
//! | [`outbox`] | the loop that workers of what leaves share: claim, attempt, record, again |
//! | [`webhook`] | one call to the billing system |
//! | [`ingress`] | HTTP: contracts 2 and 5; only publishes and reads |
//! | [`commands`] | the operator's commands of the program `referral` |
//! | [`credentials`], [`one_time`] | keys, passwords and one-time codes as both make and check them |
//! | [`settings`], [`telemetry`], [`traces`], [`lifecycle`], [`ops`], [`metrics`], [`series`], [`calls`], [`clock`] | what every program shares |

pub mod broker;
pub mod calls;
pub mod clock;
pub mod commands;
pub mod credentials;
pub mod domain;
pub mod failpoint;
pub mod ingress;
pub mod lifecycle;
pub mod metrics;
pub mod one_time;
pub mod ops;
pub mod outbox;
pub mod series;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod traces;
pub mod webhook;
pub mod worker;
