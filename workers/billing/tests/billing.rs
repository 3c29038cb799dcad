//! The billing worker against a real broker, every database and a receiver of our own
//! (contract 6). Needs the services that `make test` starts.
#![expect(clippy::unwrap_used, reason = "tests")]
mod support;

#[path = "cases/answers.rs"]
mod answers;
#[path = "cases/circuits.rs"]
mod circuits;
#[path = "cases/crashes.rs"]
mod crashes;
#[path = "cases/delivering.rs"]
mod delivering;
#[path = "cases/network.rs"]
mod network;
